"""``training.html``: complete in itself, and true to the log."""

import re
from pathlib import Path

import pytest

from synthmed.files import lines
from synthmed.training.loop import train
from synthmed.training.page import PAGE, seconds_of, write_page

SHORT = ["config.images=32", "training.checkpoint_images=8", "training.sample_images=8", "training.log_images=8"]


@pytest.fixture(scope="module")
def run(toy_dataset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("paged") / "run"
    train("pix2pix_tiny", toy_dataset, folder, overrides=SHORT)
    return folder


def test_a_training_ends_with_a_page_of_pictures_losses_and_what_it_took(run: Path) -> None:
    html = (run / PAGE).read_text(encoding="utf-8")
    log = lines.read(run / "log.jsonl")
    assert html.count("data:image/png;base64,") == len(list((run / "samples").iterdir())) == 4
    assert html.count("<svg") == 1 and "32 images seen in" in html and "All settings" in html
    assert all(key.partition(".")[2] in html for key in log[-1] if "." in key)
    assert not re.search(r'(src|href)="(?!data:|#)', html) and "<script" not in html
    assert log[-1]["memory"] > 0 and 0 < log[0]["seconds"] <= log[-1]["seconds"]


def test_every_picture_says_what_it_shows(run: Path) -> None:
    html = (run / PAGE).read_text(encoding="utf-8")
    alts = re.findall(r'<img [^>]*alt="([^"]*)"', html)
    assert len(alts) == 4 and all("after" in alt and "images" in alt for alt in alts)
    assert len(re.findall(r'<svg[^>]* role="img" aria-label="[^"]+"', html)) == 1


def test_a_finished_run_without_its_page_gets_it_again(run: Path, toy_dataset: Path) -> None:
    (run / PAGE).unlink()
    train("pix2pix_tiny", toy_dataset, run, overrides=SHORT)
    assert (run / PAGE).is_file()


def test_a_log_of_before_tells_the_time_by_its_rate() -> None:
    assert seconds_of({"images": 100, "images_per_second": 4.0}) == 25
    assert seconds_of({"images": 100, "images_per_second": 4.0, "seconds": 30.0}) == 30


def test_a_run_without_sample_grids_has_a_page_too(run: Path) -> None:
    for file in (run / "samples").iterdir():
        file.unlink()
    html = write_page(run).read_text(encoding="utf-8")
    assert "<img" not in html and "<svg" in html
