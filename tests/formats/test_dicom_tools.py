"""What other people's tools say of our DICOM: dciodvfy of dicom3tools, dcmdump and storescp of dcmtk."""

import shutil
import socket
import subprocess
import time

import numpy as np
import pydicom
import pytest
from formats.written import CT, FILES, MR, written

pytestmark = pytest.mark.dicom_tools

UNKNOWN = "</(0008,001c)> - Attribute with an even group number is not a recognized standard attribute"
"""What the dciodvfy of 2022 says of Synthetic Data, which the standard has had since 2023."""


def tool(name, package):
    found = shutil.which(name)
    if not found:
        pytest.skip(f"{name} is not installed (apt-get install {package})")
    return found


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


@pytest.mark.parametrize("name", FILES)
def test_dciodvfy_finds_no_error_but_the_attribute_that_it_does_not_know(tmp_path, name):
    dciodvfy = tool("dciodvfy", "dicom3tools")
    meaning, kind = FILES[name]
    _, files = written(tmp_path, "dicom", meaning, kind)
    for file in files:
        said = subprocess.run([dciodvfy, "-new", file], capture_output=True, text=True, check=False)
        lines = (said.stdout + said.stderr).splitlines()
        assert lines, "it says what kind of object it is"
        assert [line for line in lines if line.startswith("Error") and UNKNOWN not in line] == []


def test_dciodvfy_would_find_what_is_missing(tmp_path):
    dciodvfy = tool("dciodvfy", "dicom3tools")
    _, files = written(tmp_path, "dicom", CT, "ct", count=1)
    broken = pydicom.dcmread(files[0])
    del broken.RescaleSlope
    broken.save_as(files[0])
    said = subprocess.run([dciodvfy, "-new", files[0]], capture_output=True, text=True, check=False)
    assert "Error - </RescaleSlope(0028,1053)> - Missing attribute" in said.stdout + said.stderr


@pytest.mark.parametrize("name", FILES)
def test_dcmdump_reads_every_file(tmp_path, name):
    dcmdump = tool("dcmdump", "dcmtk")
    meaning, kind = FILES[name]
    _, files = written(tmp_path, "dicom", meaning, kind, count=1)
    for file in files:
        said = subprocess.run([dcmdump, "-q", file], capture_output=True, text=True, check=False)
        assert said.returncode == 0 and not said.stderr
        assert "SYNTHETIC^" in said.stdout


def test_files_are_sent_and_received_and_come_out_the_same(tmp_path):
    storescp, storescu = tool("storescp", "dcmtk"), tool("storescu", "dcmtk")
    sent = [file for name in FILES for file in written(tmp_path / name, "dicom", *FILES[name], count=2)[1]]
    received, port = tmp_path / "received", str(free_port())
    received.mkdir()
    server = subprocess.Popen([storescp, "-od", received, "+B", port], stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            with socket.socket() as one:
                if one.connect_ex(("127.0.0.1", int(port))) == 0:
                    break
            time.sleep(0.1)
        # Segmentations and photographs of eyes are not among what storescu proposes unless it is asked to look.
        done = subprocess.run(
            [storescu, "-R", "127.0.0.1", port, *sent], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.returncode == 0, done.stderr
    finally:
        server.terminate()
        server.wait(10)
    arrived = {file.SOPInstanceUID: file for file in map(pydicom.dcmread, received.iterdir())}
    assert len(arrived) == len({pydicom.dcmread(file).SOPInstanceUID for file in sent})
    for file in map(pydicom.dcmread, sent):
        assert arrived[file.SOPInstanceUID].PixelData == file.PixelData
        assert arrived[file.SOPInstanceUID].SyntheticData == "YES"


def test_dcmtk_renders_what_the_window_says(tmp_path):
    dcm2pnm = tool("dcm2pnm", "dcmtk")
    drawn, files = written(tmp_path, "dicom", MR, "mr", count=1)
    subprocess.run([dcm2pnm, "+Wi", "1", "+op", files[0], tmp_path / "shown.pgm"], check=True)
    from PIL import Image

    shown = np.asarray(Image.open(tmp_path / "shown.pgm")).ravel()
    stored = drawn[0][1][0].ravel()
    # dcm2pnm cuts off twice, by its table of the modality and by that of the window: up to 1.3 of 255.
    assert np.abs(shown - stored / 257).max() <= 2
