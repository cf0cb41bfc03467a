"""Models by name: from the package, from a folder, from a server; pinned by digest, and nothing that points outside."""

import functools
import http.server
import json
import shutil
import threading

import numpy as np
import pytest

import synthmed
from synthmed.errors import ArtifactError, ConfigError
from synthmed.files.seals import read_json, sealed, unsealed
from synthmed.generation.model import load_model
from synthmed.zoo.folder import find_model, models_fetch, models_list, models_verify
from synthmed.zoo.index import INDEX, SHIPPED, Entry, read_index, write_index


class Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *words):
        pass


@pytest.fixture
def zoo(tmp_path):
    """A folder with an index of one model, the one of the package."""
    place = tmp_path / "zoo"
    shutil.copytree(SHIPPED, place)
    (entry,) = read_index().models
    write_index(place, (entry.model_copy(update={"name": "mine"}),))
    return place


@pytest.fixture
def server(zoo):
    found = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(zoo)))
    threading.Thread(target=found.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{found.server_port}"
    found.shutdown()
    found.server_close()


def test_a_newcomer_generates_without_training(tmp_path):
    made = synthmed.generate("phantom-retina", tmp_path / "eyes", num=16)
    again = load_model("phantom-retina").generate(16).images
    assert made.images().shape == (16, 3, 64, 64) and made.has_masks and made.images().std() > 10
    assert again.shape == (16, 3, 64, 64) and 0.01 < (made.masks() > 0).mean() < 0.5


def test_the_model_of_the_package_is_small_and_the_one_that_its_index_pins(tmp_path):
    (found,) = models_verify(folder=tmp_path)
    assert (found.entry.name, found.state) == ("phantom-retina", "shipped")
    assert found.path.stat().st_size < 2_000_000
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) < 2_000_000
    header = load_model("phantom-retina").header
    assert header["kind"] == "retina" and "/" not in json.dumps(header["data"])


@pytest.mark.parametrize("from_server", [False, True])
def test_a_model_is_fetched_once_and_found_by_its_name(zoo, server, tmp_path, monkeypatch, from_server):
    where, folder = server if from_server else zoo, tmp_path / "models"
    monkeypatch.setenv("SYNTHMED_MODELS", str(folder))
    assert [one.state for one in models_list(where)] == ["absent"]
    with pytest.raises(ArtifactError, match="models fetch mine"):
        models_verify(["mine"], where)
    (found,) = models_fetch(["mine"], where)
    assert found.state == "fetched" and models_fetch(["mine"], where) == [found]
    assert sorted(file.name for file in folder.iterdir()) == ["mine.json", "mine.safetensors"]
    assert np.array_equal(load_model("mine").generate(2).images, load_model("phantom-retina").generate(2).images)
    content = bytearray((folder / "mine.safetensors").read_bytes())
    content[-1] ^= 1
    (folder / "mine.safetensors").write_bytes(content)
    with pytest.raises(ArtifactError, match="is not the model that was fetched"):
        load_model("mine")
    with pytest.raises(ArtifactError, match="Move it away"):
        models_verify(["mine"], where)


def test_another_file_than_the_pinned_one_is_never_kept(zoo, server, tmp_path):
    (file,) = zoo.glob("*.safetensors")
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    for where in (zoo, server):
        with pytest.raises(ArtifactError, match="It was removed"):
            models_fetch(["mine"], where, folder=tmp_path / "models")
    assert not list((tmp_path / "models").glob("*.safetensors"))


def test_an_index_that_was_changed_is_told_by_its_pin(zoo, tmp_path):
    pin = read_index(zoo).digest
    models_fetch(["mine"], zoo, folder=tmp_path / "models", pin=pin)
    write_index(zoo, (read_index(zoo).models[0].model_copy(update={"about": "other"}),))
    with pytest.raises(ArtifactError, match="It was changed"):
        models_list(zoo, pin=pin)


OUTSIDE = [
    "../secret.safetensors",
    "/etc/passwd",
    "a/../../b",
    "https://example.org/x",
    "//example.org/x",
    "..\\x",
    "",
    "a//b",
]


@pytest.mark.parametrize("file", OUTSIDE)
def test_an_index_that_points_outside_is_refused(zoo, server, tmp_path, file):
    said = unsealed(read_json((zoo / INDEX).read_bytes()))
    said["models"][0]["file"] = file
    (zoo / INDEX).write_text(json.dumps(sealed(said)))
    for where in (zoo, server):
        with pytest.raises(ArtifactError, match="outside of it") as error:
            models_fetch(["mine"], where, folder=tmp_path / "models")
        assert error.value.exit_code == 2
    assert not (tmp_path / "models").exists()


def test_a_link_that_leads_out_of_the_folder_is_refused(zoo, tmp_path):
    (tmp_path / "secret").write_bytes(b"years of work")
    (file,) = zoo.glob("*.safetensors")
    file.unlink()
    file.symlink_to(tmp_path / "secret")
    with pytest.raises(ArtifactError, match="outside of it"):
        models_fetch(["mine"], zoo, folder=tmp_path / "models")


def test_what_is_no_index_is_told(zoo, server, tmp_path):
    for where, sentence in ((tmp_path, r"holds no models\.json"), (f"{server}/nothing", "404"),
                            ("http://example.org", "not https")):  # fmt: skip
        with pytest.raises(ArtifactError, match=sentence):
            models_list(where)
    said = unsealed(read_json((zoo / INDEX).read_bytes()))
    (zoo / INDEX).write_text(json.dumps(said))
    with pytest.raises(ArtifactError, match="it has no seal"):
        models_list(zoo)
    said["models"][0]["sha256"] = "short"
    (zoo / INDEX).write_text(json.dumps(sealed(said)))
    with pytest.raises(ArtifactError, match="sha256"):
        models_list(zoo)


def test_unknown_names_are_met_with_the_nearest_known(zoo, tmp_path):
    with pytest.raises(ArtifactError, match="did you mean 'phantom-retina'"):
        find_model("phantom-retian", tmp_path)
    with pytest.raises(ConfigError, match=r"the index of .* has mine"):
        models_fetch(["yours"], zoo, folder=tmp_path)
    with pytest.raises(ConfigError, match="No model is named"):
        models_fetch([], zoo, folder=tmp_path)


def test_an_entry_has_a_name_that_is_no_path():
    for name in ("../x", "A", "", "a/b"):
        with pytest.raises(ValueError, match="pattern"):
            Entry(name=name, file="x", sha256="0" * 64, bytes=1, licence="", about="", method="")
