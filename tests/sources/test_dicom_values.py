"""What stored DICOM values mean: rescaling, tables, padding, colours, MONOCHROME1, and what the header says."""

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian
from sources.dicom_files import dataset_of, write

from synthmed.errors import SourceError
from synthmed.sources.dicom import read, read_header
from synthmed.sources.dicom_colour import to_rgb
from synthmed.sources.windows import apply_table, apply_window


def ramp(dtype=np.uint16, low=0, high=4095):
    return np.linspace(low, high, 60).round().astype(dtype).reshape(6, 10)


def item(**elements):
    dataset = Dataset()
    for keyword, value in elements.items():
        setattr(dataset, keyword, value)
    return dataset


def table_item(values, first, bits, **elements):
    found = item(LUTDescriptor=[len(values) % 65536, first, bits], **elements)
    found.LUTData = np.asarray(values, np.uint16).tobytes()
    found["LUTData"].VR = "OW"
    return found


def image_of(tmp_path, pixels, syntax=ExplicitVRLittleEndian, **elements):
    return read(write(tmp_path / "a.dcm", dataset_of(pixels, **elements), syntax))


@pytest.mark.parametrize(
    "dtype, stored, slope, intercept, kind",
    [
        (np.uint16, 12, 1, -1024, np.int16),
        (np.uint16, 12, 1, 0, np.uint16),
        (np.uint16, 8, 1, 0, np.uint8),
        (np.int16, 16, 1, -1024, np.int16),
        (np.uint16, 16, 4, 0, np.uint32),
        (np.uint16, 16, -1, 0, np.int32),
        (np.uint16, 12, 0.5, 0, np.float32),
        (np.uint16, 12, 1, 0.25, np.float32),
    ],
)
def test_values_are_rescaled_exactly_into_the_smallest_type(tmp_path, dtype, stored, slope, intercept, kind):
    low, high = (-2000, 2047) if dtype == np.int16 else (0, 2**stored - 1)
    pixels = ramp(dtype, low, high)
    image = image_of(
        tmp_path, pixels, BitsStored=stored, HighBit=stored - 1, RescaleSlope=slope, RescaleIntercept=intercept
    )
    expected = pixels.astype(np.float64) * slope + intercept
    assert image.pixels.dtype == kind and np.array_equal(image.pixels[0, 0], expected.astype(kind))


@pytest.mark.parametrize(
    "modality, rescale_type, unit",
    [("CT", None, "HU"), ("CT", "HU", "HU"), ("MR", "US", "grey value"), ("MR", "mm2/s", "mm2/s")],
)
def test_the_unit_is_that_of_the_modality(tmp_path, modality, rescale_type, unit):
    said = {"RescaleType": rescale_type} if rescale_type else {}
    dataset = dataset_of(ramp(), Modality=modality, RescaleSlope=1, RescaleIntercept=-1024, **said)
    assert read_header(write(tmp_path / "a.dcm", dataset)).unit == unit


def test_a_dose_is_in_gray(tmp_path):
    image = image_of(tmp_path, ramp(), Modality="RTDOSE", DoseGridScaling=0.5, DoseUnits="GY")
    assert image.header.unit == "Gy" and np.allclose(image.pixels[0, 0], ramp() * 0.5)


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_a_modality_table_replaces_slope_and_intercept(tmp_path, syntax):
    pixels = np.arange(-3, 3, dtype=np.int16).reshape(2, 3)
    table = table_item([10, 20, 40], -1, 16, ModalityLUTType="OD")
    dataset = dataset_of(pixels, RescaleSlope=7, RescaleIntercept=7)
    dataset.ModalityLUTSequence = Sequence([table])
    image = read(write(tmp_path / "a.dcm", dataset, syntax))
    assert image.pixels[0, 0].tolist() == [[10, 10, 10], [20, 40, 40]] and image.header.unit == "OD"


def test_a_modality_table_that_is_cut_short_is_refused(tmp_path):
    dataset = dataset_of(ramp())
    dataset.ModalityLUTSequence = Sequence([table_item([1, 2, 3], 0, 16)])
    dataset.ModalityLUTSequence[0].LUTDescriptor = [300, 0, 16]
    with pytest.raises(SourceError, match="table that is not whole"):
        read(write(tmp_path / "a.dcm", dataset))


def test_bits_that_do_not_count_are_dropped(tmp_path):
    values = ramp(np.uint16, 0, 1023)
    image = image_of(tmp_path, (values << 2) | 0xE003, BitsStored=10, HighBit=11)
    assert np.array_equal(image.pixels[0, 0], values)
    signed = np.arange(-5, 5, dtype=np.int16).reshape(2, 5)
    image = image_of(tmp_path, signed & 0x0FFF, BitsStored=12, HighBit=11)
    assert np.array_equal(image.pixels[0, 0], signed)


def test_each_frame_of_an_enhanced_object_has_its_own_scale_place_and_window(tmp_path):
    dataset = dataset_of(np.stack([ramp(), ramp(), ramp()]), Modality="MR")
    dataset.SharedFunctionalGroupsSequence = Sequence(
        [
            item(
                PixelMeasuresSequence=Sequence([item(PixelSpacing=[0.5, 0.25])]),
                PlaneOrientationSequence=Sequence([item(ImageOrientationPatient=[1, 0, 0, 0, 1, 0])]),
            )
        ]
    )
    dataset.PerFrameFunctionalGroupsSequence = Sequence(
        [
            item(
                PixelValueTransformationSequence=Sequence(
                    [item(RescaleSlope=frame + 1, RescaleIntercept=-frame, RescaleType="US")]
                ),
                PlanePositionSequence=Sequence([item(ImagePositionPatient=[0, 0, 3 * frame])]),
                FrameVOILUTSequence=Sequence([item(WindowCenter=100 + frame, WindowWidth=10)]),
            )
            for frame in range(3)
        ]
    )
    image = read(write(tmp_path / "a.dcm", dataset))
    for frame in range(3):
        assert np.array_equal(image.pixels[frame, 0], ramp().astype(int) * (frame + 1) - frame)
    header = image.header
    assert header.spacing_mm == (0.5, 0.25, 3.0) and header.windows[0].center == 100
    assert header.frame_positions_mm == ((0, 0, 0), (0, 0, 3), (0, 0, 6)) and header.position_mm == (0, 0, 0)
    assert header.orientation == (1, 0, 0, 0, 1, 0)


@pytest.mark.parametrize(
    "dtype, value, limit, expected",
    [
        (np.uint16, 0, None, {0}),
        (np.uint16, 4, 6, {4, 5, 6}),
        (np.int16, -2000, None, {-2000}),
        (np.uint16, 9, 8, {8, 9}),
    ],
)
def test_padding_is_told_and_kept(tmp_path, dtype, value, limit, expected):
    pixels = np.array([[0, 4, 5, 6, 7, 8, 9, 100], [0, 1, 2, 3, 4, 5, 6, 7]], dtype)
    if dtype == np.int16:
        pixels[0, 0] = -2000
    dataset = dataset_of(pixels, RescaleSlope=1, RescaleIntercept=-10)
    for keyword, number in (("PixelPaddingValue", value), ("PixelPaddingRangeLimit", limit)):
        if number is not None:
            dataset.add_new(keyword, "US", number & 0xFFFF)  # also for signed pixels, as many scanners do
    image = read(write(tmp_path / "a.dcm", dataset))
    assert np.array_equal(image.padding[0], np.isin(pixels, list(expected)))
    assert np.array_equal(image.pixels[0, 0], pixels.astype(int) - 10)
    assert read(write(tmp_path / "b.dcm", dataset_of(pixels))).padding is None


@pytest.mark.parametrize("function", ["LINEAR", "LINEAR_EXACT", "SIGMOID"])
@pytest.mark.parametrize("slope, intercept", [(1, 0), (2, -100)])
def test_small_white_is_turned_around_with_its_windows_and_tables(tmp_path, function, slope, intercept):
    elements = {
        "BitsStored": 12,
        "HighBit": 11,
        "RescaleSlope": slope,
        "RescaleIntercept": intercept,
        "WindowCenter": [1500, 300],
        "WindowWidth": [1000, 77],
        "VOILUTFunction": function,
    }
    images = []
    for photometric in ("MONOCHROME1", "MONOCHROME2"):
        dataset = dataset_of(ramp(), PhotometricInterpretation=photometric, **elements)
        dataset.VOILUTSequence = Sequence([table_item(np.arange(500) ** 2 % 1024, 200, 10, LUTExplanation="ODD")])
        images.append(read(write(tmp_path / f"{photometric}.dcm", dataset)))
    turned, plain = images
    physical = plain.pixels.astype(int)
    assert np.array_equal(turned.pixels, slope * 4095 + 2 * intercept - physical)
    for one, other in zip(turned.header.windows, plain.header.windows, strict=True):
        assert np.allclose(apply_window(turned.pixels, one), 1 - apply_window(plain.pixels, other), atol=1e-6)
    for one, other in zip(turned.tables, plain.tables, strict=True):
        assert one.explanation == "ODD"
        assert np.allclose(apply_table(turned.pixels, one), 1 - apply_table(plain.pixels, other), atol=1e-6)


def test_windows_that_show_nothing_are_left_out(tmp_path):
    header = image_of(
        tmp_path,
        ramp(),
        WindowCenter=[40, 50, 60],
        WindowWidth=[400, 0, 0.5],
        WindowCenterWidthExplanation=["SOFT", "NONE", "THIN"],
    ).header
    assert [(window.center, window.width, window.explanation) for window in header.windows] == [(40, 400, "SOFT")]


def palette(dataset, tables, bits, first=0, segmented=""):
    for colour, table in zip(("Red", "Green", "Blue"), tables, strict=True):
        entries = 256 if segmented else len(table)
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [entries, first, bits])
        raw = np.asarray(table, np.uint8 if bits == 8 else np.uint16).tobytes()
        setattr(dataset, f"{segmented}{colour}PaletteColorLookupTableData", raw)
    return dataset


@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
@pytest.mark.parametrize("bits, scale, kind", [(8, 1, np.uint8), (16, 257, np.uint8), (16, 200, np.uint16)])
def test_palettes_become_colours(tmp_path, syntax, bits, scale, kind):
    indices = np.array([[0, 1, 2], [3, 4, 255]], np.uint8)
    tables = [[scale * x for x in row] for row in ([9, 1, 2, 3], [5, 6, 7, 8], [50, 60, 70, 80])]
    dataset = palette(dataset_of(indices, PhotometricInterpretation="PALETTE COLOR"), tables, bits, first=1)
    image = read(write(tmp_path / "a.dcm", dataset, syntax))
    expected = np.array(tables)[:, [[0, 0, 1], [2, 3, 3]]] // (257 if scale == 257 else 1)
    assert image.pixels.dtype == kind and np.array_equal(image.pixels[0], expected)
    assert image.header.channels == 3 and image.header.bits == 8 * np.dtype(kind).itemsize


def test_segmented_palettes_are_expanded(tmp_path):
    # 128 entries by a discrete and a linear segment, and the linear segment again by an indirect one.
    codes = [0, 2, 0, 10, 1, 126, 136 * 200, 2, 1, 8, 0]
    indices = np.arange(256, dtype=np.uint8).reshape(16, 16)
    dataset = dataset_of(indices, PhotometricInterpretation="PALETTE COLOR")
    palette(dataset, [codes, codes, codes], 16, segmented="Segmented")
    for colour in ("Red", "Green", "Blue"):
        setattr(dataset, f"{colour}PaletteColorLookupTableDescriptor", [254, 0, 16])
    values = read(write(tmp_path / "a.dcm", dataset)).pixels[0, 0].reshape(-1)
    assert values[:2].tolist() == [0, 10] and values[127] == 27200
    assert (np.diff(values[1:128].astype(int)) > 0).all() and (values[128:] == 27200).all()


@pytest.mark.parametrize("colour", [(255, 0, 0), (0, 255, 0), (0, 0, 255), (12, 200, 99), (128, 128, 128)])
@pytest.mark.parametrize("photometric", ["YBR_FULL", "YBR_PARTIAL_422"])
def test_luminance_and_chrominance_become_colours(colour, photometric):
    red, green, blue = colour
    luminance = 0.299 * red + 0.587 * green + 0.114 * blue
    cb, cr = (blue - luminance) / 1.772, (red - luminance) / 1.402
    if photometric == "YBR_FULL":
        stored = (luminance, cb + 128, cr + 128)
    else:
        stored = (16 + luminance * 219 / 255, 128 + cb * 224 / 255, 128 + cr * 224 / 255)
    found = to_rgb(np.array([stored]).round().clip(0, 255).astype(np.uint8), photometric)
    assert np.abs(found.astype(int) - colour).max() <= 2


@pytest.mark.parametrize("photometric", ["YBR_FULL_422", "YBR_PARTIAL_422"])
def test_shared_chrominance_is_given_to_both_pixels(tmp_path, photometric):
    dataset = dataset_of(np.zeros((2, 4, 3), np.uint8), PhotometricInterpretation=photometric)
    dataset.PixelData = np.array([[60, 120, 90, 140, 200, 30, 128, 128]] * 2, np.uint8).tobytes()
    pixels = np.array([[[60, 90, 140], [120, 90, 140], [200, 128, 128], [30, 128, 128]]] * 2, np.uint8)
    image = read(write(tmp_path / "a.dcm", dataset))
    assert np.array_equal(image.pixels[0].transpose(1, 2, 0), to_rgb(pixels, photometric))


@pytest.mark.parametrize(
    "elements, spacing, source",
    [
        ({"PixelSpacing": [0.5, 0.4]}, (0.5, 0.4), "patient"),
        ({"PixelSpacing": [0.5, 0.4], "PixelSpacingCalibrationType": "FIDUCIAL"}, (0.5, 0.4), "calibrated"),
        ({"PixelSpacing": [0.1, 0.1], "ImagerPixelSpacing": [0.1, 0.1]}, (0.1, 0.1), "detector"),
        ({"ImagerPixelSpacing": [0.1, 0.2]}, (0.1, 0.2), "detector"),
        ({"NominalScannedPixelSpacing": [0.05, 0.05]}, (0.05, 0.05), "film"),
        ({"PixelSpacing": [0, 0]}, (), ""),
        ({"PixelSpacing": [0.5]}, (), ""),
        ({}, (), ""),
    ],
)
def test_spacing_says_where_it_was_measured(tmp_path, elements, spacing, source):
    header = read_header(write(tmp_path / "a.dcm", dataset_of(ramp(), **elements)))
    assert (header.spacing_mm, header.spacing_from) == (spacing, source)


def test_spacing_of_ultrasound_is_that_of_its_region(tmp_path):
    region = {
        "PhysicalUnitsXDirection": 3,
        "PhysicalUnitsYDirection": 3,
        "PhysicalDeltaX": 0.02,
        "PhysicalDeltaY": 0.03,
    }
    dataset = dataset_of(ramp())
    dataset.SequenceOfUltrasoundRegions = Sequence([item(**region)])
    assert read_header(write(tmp_path / "a.dcm", dataset)).spacing_mm == pytest.approx((0.3, 0.2))
    dataset.SequenceOfUltrasoundRegions.append(item(**region | {"PhysicalDeltaX": 0.5}))
    assert read_header(write(tmp_path / "a.dcm", dataset)).spacing_mm == ()


def test_spacing_of_slices_is_unknown_where_they_are_not_even(tmp_path):
    dataset = dataset_of(np.stack([ramp()] * 3), PixelSpacing=[1, 1])
    dataset.SpacingBetweenSlices = 4.0
    assert read_header(write(tmp_path / "a.dcm", dataset)).spacing_mm == (1, 1, 4)
    dataset.GridFrameOffsetVector = [0, 2.5, 5]
    assert read_header(write(tmp_path / "a.dcm", dataset)).spacing_mm == (1, 1, 2.5)


@pytest.mark.parametrize(
    "elements, seconds",
    [
        ({"AcquisitionTime": "101530.25"}, 36930.25),
        ({"AcquisitionTime": "10:15:30"}, 36930.0),
        ({"AcquisitionDateTime": "20200101101530.5+0100"}, 36930.5),
        ({"ContentTime": "1015"}, 36900.0),
        ({"AcquisitionTime": "nonsense"}, -1.0),
        ({}, -1.0),
    ],
)
def test_times_are_seconds_since_midnight(tmp_path, elements, seconds):
    dataset = dataset_of(ramp())
    for keyword, value in elements.items():
        dataset.add_new(keyword, "LO", value)
    assert read_header(write(tmp_path / "a.dcm", dataset)).acquisition_time == seconds


def test_the_header_says_whose_and_which_view(tmp_path):
    dataset = dataset_of(ramp(), Modality="MG", ImageLaterality="L", BurnedInAnnotation="NO", SeriesNumber=7)
    dataset.ViewCodeSequence = Sequence([item(CodeValue="R-10226", CodeMeaning="medio-lateral oblique")])
    dataset.SpecificCharacterSet, dataset.SeriesDescription = "ISO_IR 100", "Übersicht"
    header = read_header(write(tmp_path / "Aufnahme ä 1.dcm", dataset))
    assert (header.view, header.laterality, header.burned_in, header.series_number) == ("MLO", "L", False, 7)
    assert (header.patient_id, header.study_id, header.series_id) == ("P-17", "1.2.3", "1.2.3.4")
    assert (header.series_description, header.photometric) == ("Übersicht", "MONOCHROME2")
    assert header.transfer_syntax == "Explicit VR Little Endian" and header.bits == 16


def test_malformed_values_count_as_missing(tmp_path):
    dataset = dataset_of(ramp())
    for keyword, value in (
        ("SeriesNumber", "xx"),
        ("WindowCenter", "a"),
        ("WindowWidth", "1e999"),
        ("Laterality", "??"),
    ):
        dataset.add_new(keyword, "LO", value)
    path = write(tmp_path / "a.dcm", dataset)
    data = path.read_bytes()
    for tag, vr in ((b"\x20\0\x11\0", b"IS"), (b"\x28\0\x50\x10", b"DS"), (b"\x28\0\x51\x10", b"DS")):
        data = data.replace(tag + b"LO", tag + vr)
    path.write_bytes(data)
    header = read_header(path)
    assert (header.series_number, header.windows, header.laterality) == (0, (), "")


def test_big_endian_tables_are_read_in_their_order(tmp_path):
    dataset = dataset_of(np.array([[0, 1, 2]], np.uint16).byteswap())
    dataset.VOILUTSequence = Sequence([item(LUTDescriptor=[3, 0, 16], LUTData=b"\0\1\2\0\0\3")])
    dataset.VOILUTSequence[0]["LUTData"].VR = "OW"
    image = read(write(tmp_path / "a.dcm", dataset, ExplicitVRBigEndian))
    assert image.pixels.reshape(-1).tolist() == [0, 1, 2]
    assert image.tables[0].values.tolist() == [1, 512, 3]
