"""The loop: resume equal, same seed same model, signals, crashes, refusals."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from synthmed import artifacts
from synthmed.data.dataset import PreparedDataset
from synthmed.errors import ArtifactError, ConfigError, DataError, Interrupted, StorageError, TrainingError
from synthmed.generation.model import load_model
from synthmed.methods import pix2pix
from synthmed.running.progress import Progress
from synthmed.shapes import Given
from synthmed.training import checkpoint
from synthmed.training.loop import plan, train

TINY = "pix2pix_tiny"
SHORT = [
    "config.images=32",
    "config.batch_size=4",
    "config.features=8",
    "config.cap=16",
    "training.checkpoint_images=8",
    "training.sample_images=16",
    "training.log_images=8",
]


def stop_after(images: int, stage: str = "") -> Progress:
    """Progress that asks the process to stop after so many images of a stage, or of any, as Ctrl-C does."""

    def stop(done: int, total: int, what: str = "", **more: object) -> None:
        if done >= images and stage in ("", what):
            os.kill(os.getpid(), signal.SIGINT)

    return stop


def assert_a_stop_changes_nothing(recipe: str, data: Path, folder: Path, settings: list[str]) -> None:
    """Train in folder/straight without a break and in folder/stopped with one: the same bits."""
    straight = train(recipe, data, folder / "straight", overrides=settings)
    with pytest.raises(Interrupted, match="same command goes on"):
        train(recipe, data, folder / "stopped", overrides=settings, progress=stop_after(12))
    resumed = train(recipe, data, folder / "stopped", overrides=settings)
    assert artifacts.file_digest(resumed) == artifacts.file_digest(straight)


def test_the_same_seed_gives_the_same_model_and_another_seed_another(toy_dataset: Path, tmp_path: Path) -> None:
    models = [train(TINY, toy_dataset, tmp_path / str(run), overrides=[*SHORT, f"training.seed={seed}"])
              for run, seed in enumerate((0, 0, 1))]  # fmt: skip
    digests = [artifacts.file_digest(model) for model in models]
    assert digests[0] == digests[1] != digests[2]


@pytest.mark.parametrize("recipe", ["dual_gan_tiny", "dcgan_tiny", "mask_embedding_tiny"])
def test_a_stopped_training_goes_on_and_ends_in_the_same_bits(recipe: str, toy_dataset: Path, tmp_path: Path) -> None:
    settings = ["training.budget=0.01", "training.checkpoint_images=8"]
    assert_a_stop_changes_nothing(recipe, toy_dataset, tmp_path, settings)


@pytest.mark.parametrize("recipe", ["dual_gan_tiny", "dcgan_tiny", "mask_embedding_tiny"])
def test_in_bfloat16_a_training_ends_near_that_in_float32_and_in_the_same_bits_if_stopped(
    recipe: str, toy_dataset: Path, tmp_path: Path
) -> None:
    short = ["training.budget=0.01", "training.checkpoint_images=8", "training.log_images=1"]
    half = [*short, "training.precision=bfloat16"]
    assert_a_stop_changes_nothing(recipe, toy_dataset, tmp_path, half)
    train(recipe, toy_dataset, tmp_path / "whole", overrides=short)
    told = [json.loads((tmp_path / run / "log.jsonl").read_text().splitlines()[0]) for run in ("straight", "whole")]
    # of the first step: later ones go apart as any two trainings do
    numbers = [{name: one for name, one in line.items() if "." in name} for line in told]
    assert numbers[0] != numbers[1] and numbers[0] == pytest.approx(numbers[1], rel=0.1, abs=0.05)


def test_a_private_training_is_refused_in_bfloat16(toy_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="expected float32 in a private training"):
        train(
            "dcgan_private",
            toy_dataset,
            tmp_path / "run",
            overrides=["training.precision=bfloat16", "config.batch_size=4"],
        )


def test_a_growing_training_that_is_stopped_while_a_level_is_faded_in_ends_in_the_same_bits(
    toy_dataset: Path, tmp_path: Path
) -> None:
    level = "{batch_size=4, learning_rate=1e-3, fade_images=16, stable_images=8}"
    settings = ["config.features=8", f"config.levels=[{', '.join([level] * 4)}]", "training.checkpoint_images=8"]
    recipe = "mask_embedding_paper"
    assert list(plan(recipe, toy_dataset, overrides=settings)) == [
        "4x4 stable", "8x8 fade", "8x8 stable", "16x16 fade", "16x16 stable", "32x32 fade", "32x32 stable"
    ]  # fmt: skip
    straight = train(recipe, toy_dataset, tmp_path / "straight", overrides=settings)
    with pytest.raises(Interrupted, match="stage 16x16 fade"):
        train(recipe, toy_dataset, tmp_path / "stopped", overrides=settings, progress=stop_after(8, "16x16 fade"))
    resumed = train(recipe, toy_dataset, tmp_path / "stopped", overrides=settings)
    assert artifacts.file_digest(resumed) == artifacts.file_digest(straight)
    masks = PreparedDataset.open(toy_dataset).masks([0])
    assert load_model(resumed).generate(1, given=Given(masks=torch.from_numpy(masks))).images.shape == (1, 3, 32, 32)


def test_a_killed_training_goes_on_and_ends_in_the_same_bits(toy_dataset: Path, tmp_path: Path) -> None:
    straight = train(TINY, toy_dataset, tmp_path / "straight", overrides=SHORT)
    run = tmp_path / "killed"
    command = [sys.executable, "-m", "synthmed", "train", TINY, str(toy_dataset), str(run)]
    for setting in SHORT:
        command += ["--set", setting]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (run / "checkpoints" / "LATEST").exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.01)
    process.kill()
    process.wait()
    assert not (run / "model.safetensors").exists(), "the training was over before it could be killed"
    resumed = train(TINY, toy_dataset, run, overrides=SHORT)
    assert artifacts.file_digest(resumed) == artifacts.file_digest(straight)


def test_the_step_size_falls_to_nothing_in_the_last_part_of_a_stage(
    toy_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []

    def recorded(optimizer: torch.optim.Optimizer, closure: None = None) -> None:
        rates.extend(group["lr"] for group in optimizer.param_groups)

    monkeypatch.setattr(torch.optim.Adam, "step", recorded)
    settings = [*SHORT, "config.adam.learning_rate=8e-4", "config.adam.cooling=0.5",
                "config.penalty=0"]  # fmt: skip
    train(TINY, toy_dataset, tmp_path, overrides=settings)
    assert rates[::3] == pytest.approx([8e-4] * 5 + [6e-4, 4e-4, 2e-4])  # of one network of the three


def test_a_cooling_training_that_is_stopped_ends_in_the_same_bits(toy_dataset: Path, tmp_path: Path) -> None:
    settings = [*SHORT, "config.adam.cooling=0.9"]
    assert_a_stop_changes_nothing(TINY, toy_dataset, tmp_path, settings)


def test_averaged_weights_are_kept_and_never_trained_with(toy_dataset: Path, tmp_path: Path) -> None:
    trained = []
    for half_life in (0, 16):
        run = tmp_path / str(half_life)
        train(TINY, toy_dataset, run, overrides=[*SHORT, f"config.average_images={half_life}"])
        last = run / "checkpoints" / (run / "checkpoints" / "LATEST").read_text().strip() / "networks.safetensors"
        trained.append(artifacts.file_digest(last))
    assert trained[0] == trained[1]
    models = [artifacts.file_digest(tmp_path / name / "model.safetensors") for name in ("0", "16")]
    assert models[0] != models[1]


def test_a_finished_training_is_not_done_again(toy_dataset: Path, tmp_path: Path) -> None:
    model = train(TINY, toy_dataset, tmp_path / "run", overrides=SHORT)
    before = model.stat().st_mtime_ns
    assert train(TINY, toy_dataset, tmp_path / "run", overrides=SHORT) == model
    assert model.stat().st_mtime_ns == before


def test_other_settings_or_data_in_the_same_directory_are_refused(toy_dataset: Path, tmp_path: Path) -> None:
    train(TINY, toy_dataset, tmp_path / "run", overrides=SHORT)
    with pytest.raises(ConfigError, match="seed"):
        train(TINY, toy_dataset, tmp_path / "run", overrides=[*SHORT, "training.seed=5"])


def test_the_same_value_of_another_setting_is_another_setting(toy_dataset: Path, tmp_path: Path) -> None:
    """As a set of lines the two files were the same: another table has the new line already."""
    size = ["training.budget=0.001", "config.mask.batch_size=8", "config.photograph.batch_size=8"]
    train("dual_gan_tiny", toy_dataset, tmp_path / "run", overrides=size)
    told = r"config\.photograph\.adam\.learning_rate was 0\.001, now 0\.0005"
    with pytest.raises(ConfigError, match=told):
        train("dual_gan_tiny", toy_dataset, tmp_path / "run",
              overrides=[*size, "config.photograph.adam.learning_rate=0.0005"])  # fmt: skip


@pytest.mark.parametrize("setting", ["config.discriminator_levels=5", "config.levels=5", "config.smoothing=1e30"])
def test_networks_that_cannot_see_the_images_are_a_sentence(toy_dataset: Path, tmp_path: Path, setting: str) -> None:
    with pytest.raises(ConfigError, match=r"[Cc]hange the recipe"):
        train(TINY, toy_dataset, tmp_path / "run", overrides=[*SHORT, setting])


def test_a_run_that_is_a_file_is_a_sentence(toy_dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "run").write_text("mine")
    for run in (tmp_path / "run", tmp_path / "run" / "below", tmp_path / ("x" * 300)):
        with pytest.raises(StorageError, match="Give another place"):
            train(TINY, toy_dataset, run, overrides=SHORT)
    assert (tmp_path / "run").read_text() == "mine"


def test_the_model_of_another_training_is_not_taken_for_this_one(toy_dataset: Path, tmp_path: Path) -> None:
    model = train(TINY, toy_dataset, tmp_path / "a", overrides=[*SHORT, "config.adam.learning_rate=0.0007"])
    train(TINY, toy_dataset, tmp_path / "b", overrides=SHORT)
    shutil.copyfile(model, tmp_path / "b" / "model.safetensors")
    with pytest.raises(ArtifactError, match="is not the model of this training"):
        train(TINY, toy_dataset, tmp_path / "b", overrides=SHORT)


def test_a_checkpoint_that_was_renamed_or_is_not_finite_is_refused(toy_dataset: Path, tmp_path: Path) -> None:
    train(TINY, toy_dataset, tmp_path / "run", overrides=SHORT)
    folder = tmp_path / "run" / "checkpoints"
    (tmp_path / "run" / "model.safetensors").unlink()
    (folder / "s1-000000000").rename(folder / "s2-000000000")
    with pytest.raises(ArtifactError, match="Give it its name back"):
        train(TINY, toy_dataset, tmp_path / "run", overrides=SHORT)
    networks = torch.nn.ModuleDict({"one": torch.nn.Linear(2, 2)})
    torch.nn.init.constant_(networks["one"].weight, torch.inf)
    state = checkpoint.State(networks=networks, averages=torch.nn.ModuleDict(), optimizers={})
    with pytest.raises(TrainingError, match=r"one\.weight are not finite"):
        checkpoint.save(tmp_path / "other", checkpoint.Position(stage=0, images=8), state)


def test_a_log_that_was_changed_is_told_and_the_training_goes_on_without_it(toy_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(Interrupted):
        train(TINY, toy_dataset, tmp_path / "run", overrides=SHORT, progress=stop_after(12))
    log = tmp_path / "run" / "log.jsonl"
    log.write_text(log.read_text().replace('"images": 8', '"images": 9'))
    with pytest.raises(ArtifactError, match=r"log\.jsonl is damaged in line 1 .* move it away"):
        train(TINY, toy_dataset, tmp_path / "run", overrides=SHORT)
    log.unlink()
    train(TINY, toy_dataset, tmp_path / "run", overrides=SHORT)


def test_a_directory_with_other_things_is_refused(toy_dataset: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="not empty"):
        train(TINY, toy_dataset, tmp_path, overrides=SHORT)
    assert (tmp_path / "thesis.txt").read_text() == "mine"


def test_the_last_two_checkpoints_and_the_milestones_are_kept(toy_dataset: Path, tmp_path: Path) -> None:
    train(TINY, toy_dataset, tmp_path / "run", overrides=SHORT)
    kept = sorted(place.name for place in (tmp_path / "run" / "checkpoints").iterdir() if place.is_dir())
    assert kept == ["s0-000000024", "s1-000000000"]


def test_one_flipped_byte_in_a_checkpoint_is_found_and_nothing_is_lost(toy_dataset: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(Interrupted):
        train(TINY, toy_dataset, run, overrides=SHORT, progress=stop_after(24))
    newest = sorted((run / "checkpoints").glob("s0-*"))[-1] / "networks.safetensors"
    content = bytearray(newest.read_bytes())
    content[-5] ^= 1
    newest.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"damaged.*Remove .* to go on from s0-000000016"):
        train(TINY, toy_dataset, run, overrides=SHORT)
    assert newest.exists()


def test_a_full_disk_leaves_the_previous_checkpoint_whole(
    toy_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from synthmed.training import checkpoint

    run = tmp_path / "run"
    written = []
    real = checkpoint._save_tensors

    def save_until_full(path: Path, tensors: dict[str, torch.Tensor]) -> None:
        written.append(path)
        if len(written) > 4:
            path.write_bytes(b"half")
            raise OSError(28, "No space left on device")
        real(path, tensors)

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "_save_tensors", save_until_full)
        with pytest.raises(StorageError, match="disk is full"):
            train(TINY, toy_dataset, run, overrides=SHORT)
    assert [place.name for place in (run / "checkpoints").iterdir() if place.is_dir()] == ["s0-000000008"]
    straight = train(TINY, toy_dataset, tmp_path / "straight", overrides=SHORT)
    assert artifacts.file_digest(train(TINY, toy_dataset, run, overrides=SHORT)) == artifacts.file_digest(straight)


def test_a_loss_that_is_not_finite_stops_the_run_with_the_names_of_its_terms(
    toy_dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = pix2pix.losses.absolute_error
    monkeypatch.setattr(pix2pix.losses, "absolute_error", lambda output, target: real(output, target) * float("nan"))
    with pytest.raises(TrainingError, match="pixel = nan"):
        train(TINY, toy_dataset, tmp_path / "run", overrides=SHORT)


def test_a_second_process_on_the_same_run_is_refused(toy_dataset: Path, tmp_path: Path) -> None:
    from synthmed.training.run import exclusive

    run = tmp_path / "run"
    run.mkdir()
    with exclusive(run), pytest.raises(ArtifactError, match="Another process"):
        train(TINY, toy_dataset, run, overrides=SHORT)


def test_the_log_tells_each_interval_once_also_after_a_stop(toy_dataset: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    with pytest.raises(Interrupted):
        train(TINY, toy_dataset, run, overrides=SHORT, progress=stop_after(12))
    train(TINY, toy_dataset, run, overrides=SHORT)
    lines = [json.loads(line) for line in (run / "log.jsonl").read_text().splitlines()]
    assert [line["images"] for line in lines] == [8, 16, 24, 32]
    assert "generator+encoder.pixel" in lines[-1]


def test_the_plan_checks_everything_and_trains_nothing(toy_dataset: Path) -> None:
    assert plan(TINY, toy_dataset, overrides=SHORT) == {"translation": 32}
    with pytest.raises(ConfigError, match="did you mean 'images'"):
        plan(TINY, toy_dataset, overrides=["config.image=3"])
    with pytest.raises(DataError, match="segmenter"):
        plan(TINY, toy_dataset, overrides=["config.masks=segmenter"])


def test_a_model_file_holds_no_discriminator_and_one_flipped_byte_is_found(toy_dataset: Path, tmp_path: Path) -> None:
    model = train(TINY, toy_dataset, tmp_path / "run", overrides=SHORT)
    assert not [name for name in load_file(model) if "discriminator" in name]
    header = load_model(model).header
    assert header["data"]["splits"]["test"]["images"] == 8
    content = bytearray(model.read_bytes())
    content[-3] ^= 1
    damaged = tmp_path / "damaged.safetensors"
    damaged.write_bytes(content)
    with pytest.raises(ArtifactError, match="damaged"):
        load_model(damaged)
    save_file({"x": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    with pytest.raises(ArtifactError, match="not a whole synthmed model"):
        load_model(tmp_path / "foreign.safetensors")


def test_a_size_that_the_networks_cannot_make_is_a_sentence(toy_dataset: Path, tmp_path: Path) -> None:
    from synthmed.data.prepare import prepare
    from synthmed.phantoms import phantom

    phantom("retina", tmp_path / "source", num=4, size=64)
    prepare(tmp_path / "source", tmp_path / "odd", kind="retina", size=50)
    with pytest.raises(ConfigError, match="multiples of"):
        train("dcgan_tiny", tmp_path / "odd", tmp_path / "run")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full, a disk that is always full")
def test_a_truly_full_disk_is_a_storage_error_of_the_checkpoint_writer() -> None:
    from synthmed.training import checkpoint

    with pytest.raises(StorageError), artifacts.storage_errors(Path("/dev/full")):
        checkpoint._save_tensors(Path("/dev/full"), {"x": torch.zeros(1000)})


def test_a_device_that_is_not_there_is_a_sentence(toy_dataset: Path, tmp_path: Path) -> None:
    for name in ("banana", "cuda:77", "meta"):
        with pytest.raises(ConfigError, match=f"Device '{name}'"):
            train(TINY, toy_dataset, tmp_path / "run", overrides=SHORT, device=name)
    assert not (tmp_path / "run").exists()


def test_settings_that_do_not_fit_leave_no_run_behind(toy_dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="multiples of"):
        train(TINY, toy_dataset, tmp_path / "run", overrides=[*SHORT, "config.levels=6"])
    train(TINY, toy_dataset, tmp_path / "run", overrides=SHORT)


def test_a_second_training_in_the_same_process_is_refused_while_one_runs():
    from synthmed.training.run import one_at_a_time

    @one_at_a_time
    def train(inner):
        return inner() if inner else "done"

    with pytest.raises(ConfigError, match="Another training runs in this process"):
        train(lambda: train(None))
    assert train(None) == "done"
