"""The command line is a promise: its verbs and flags, its speed, its exit codes."""

import inspect
import json
import re
import resource
import signal
import subprocess
import sys
from importlib import import_module

import pytest
from typer.main import get_command

import synthmed
from synthmed import cli
from synthmed.errors import ArtifactError, GateError, Interrupted, TrainingError
from synthmed.running import progress


def flat(group, before=""):
    """Every command by its words, those of groups too: "study new"."""
    found = {}
    for name, command in group.commands.items():
        inner = hasattr(command, "commands")
        found |= flat(command, f"{before}{name} ") if inner else {before + name: command}
    return found


# Frozen: what people have in their scripts. A new verb or flag is added here; one that is here stays.
VERBS = {
    "demo": "[OUT] --seed",
    "doctor": "[SOURCE] --json --pixels --workers",
    "names": "[WHAT] --json",
    "phantom": "KIND OUT --json --num --seed --size",
    "prepare": (
        "SOURCE OUT --cluster --fast-j2k --holdout --json --key --kind --seed --set --size --table --test --workers"
    ),
    "export": "DATA OUT --format --json --masks-only --split",
    "label": "PHOTOGRAPHS DATA OUT --device --json --seed",
    "train": "RECIPE DATA RUN --device --dry-run --json --set --tensorboard",
    "generate": "MODEL OUT --codes --device --dicom-object --format --json --label --leave-out-empty --masks "
    "--missing-organ --num --seed --split --style-weight --styles",
    "invert": "MODEL DATA|SAMPLES|FOLDER OUT --device --extractor --fine-tune --json --rate --seed --split --steps "
    "--weights",
    "interpolate": "MODEL OUT [ANCHOR]... --along --continua --device --even --extractor --json --label --loop "
    "--masks --seed --split --steps --through --weights",
    "splice": "MODEL OUT --device --extractor --json --mask --rate --shift --steps --template --texture --weights",
    "perturb": "DATA OUT --json --limit --num --seed --smoothness --split --strength",
    "evaluate": "SYNTHETIC REAL OUT --channels --compare --device --extractor --features --json --metrics --reference "
    "--seed --seeds --steps --weights",
    "class-table": "DATA OUT RUN... --channels --device --draws --extractor --json --num --seed --weights",
    "compare": "DATA OUT --device --extractor --images --json --latents --leave-out-empty --metrics --minutes "
    "--recipes --seed --set --split --weights",
    "weights": "ACTION [NAME]... --folder --json",
    "audit": "SYNTHETIC REAL OUT --canaries --channels --device --extractor --features --fit --json --run --scores "
    "--seed --weights",
    "publish": "SAMPLES OUT --audit --contact --date --format --json --licence --modality --name --organ --overrule "
    "--release --report --study --title",
    "verify": "RELEASE --json",
    "site": "RELEASES OUT --address --json --port --serve --title",
    "withdraw": "RELEASE OUT --date --json --reason",
    "models list": "--folder --index --json --pin",
    "models fetch": "NAME... --folder --index --json --pin",
    "models verify": "[NAME]... --folder --index --json --pin",
    "models publish": "MODEL OUT --about --audit --contact --json --licence --name --overrule --release --samples",
    "models index": "MODELS --json",
    "study new": "REAL OUT --json --margin --num --paradigm --readers --seed --sessions --set --synthetic",
    "study invite": "STUDY READER --address --json",
    "study serve": "STUDY --address --behind-proxy --host --port --tls-cert --tls-key",
    "study simulate": "STUDY --address --consistency --criterion --d-prime --drift --json --lapse --readers --seed "
    "--think",
    "study report": "STUDY|CSV OUT --json",
    "study backup": "STUDY FILE --json",
}
COMMANDS = flat(get_command(cli.app))
HEAVY = {"jinja2", "matplotlib", "monai", "numpy", "PIL", "safetensors", "scipy", "skimage", "sklearn", "torch"}
HELP = [sys.executable, "-m", "synthmed", "--help"]


def run(capsys, monkeypatch, *words):
    """Run the command in this process: exit code, what it printed, what it complained."""
    monkeypatch.setattr(sys, "argv", ["synthmed", *(str(word) for word in words)])
    try:
        cli.main()
        code = 0
    except SystemExit as end:
        code = end.code or 0
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_verbs_and_flags_are_the_frozen_ones():
    found = {}
    for verb, command in COMMANDS.items():
        arguments = [word.metavar for word in command.params if word.param_type_name == "argument"]
        flags = sorted(word.opts[0] for word in command.params if word.param_type_name == "option")
        found[verb] = " ".join([*arguments, *flags])
    assert found == VERBS


@pytest.mark.parametrize("verb", VERBS)
def test_a_verb_is_a_function_of_the_same_name(verb):
    name = verb.replace(" ", "_").replace("-", "_")
    function = getattr(synthmed, name)
    assert function.__name__ == name
    words = {word.name for word in COMMANDS[verb].params} - {"as_json", "dry_run", "serve", "port"}
    assert words <= inspect.signature(function).parameters.keys()


def test_help_takes_less_than_a_third_of_a_second():
    times = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(HELP, check=True, capture_output=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(times) < 0.3  # the processor's time: other work on the machine does not count


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["train", "--help"]])
def test_help_imports_nothing_heavy(words):
    program = (
        "import atexit, runpy, sys;"
        "atexit.register(lambda: print('\\n', *sys.modules, file=sys.stderr));"
        "runpy.run_module('synthmed', run_name='__main__')"
    )
    done = subprocess.run([sys.executable, "-c", program, *words], check=True, capture_output=True, text=True)
    assert "synthmed.cli" in done.stderr.split()
    assert not HEAVY & set(done.stderr.split())


def test_help_names_every_verb(capsys, monkeypatch):
    code, out, _ = run(capsys, monkeypatch, "--help")
    assert code == 0
    assert all(re.search(rf"\b{verb.split()[0]}\b", out) for verb in VERBS)


def test_version_is_the_packages(capsys, monkeypatch):
    assert run(capsys, monkeypatch, "--version")[:2] == (0, f"synthmed {synthmed.__version__}\n")


WRONG = {
    "a phantom that is unknown": ["phantom", "dragon", "{}/out"],
    "a number out of range": ["phantom", "retina", "{}/out", "--num", "0"],
    "a place that is taken": ["phantom", "retina", "{}/taken"],
    "a folder to look at that is not there": ["doctor", "{}/nowhere"],
    "a number of pictures below nothing": ["doctor", "{}/empty", "--pixels", "-1"],
    "a folder that is not there": ["prepare", "{}/nowhere", "{}/out"],
    "a folder without images": ["prepare", "{}/empty", "{}/out"],
    "a size that is no size": ["prepare", "{}/empty", "{}/out", "--size", "large"],
    "a kind that is unknown": ["prepare", "{}/empty", "{}/out", "--kind", "dragon"],
    "a data set that is none": ["label", "{}/empty", "{}/empty", "{}/out"],
    "a recipe that is unknown": ["train", "dual_gna", "{}/empty", "{}/out"],
    "a setting that is unknown": ["train", "{}/mine.toml", "{}/empty", "{}/out", "--set", "config.imagse=3"],
    "a setting of another type": ["train", "{}/mine.toml", "{}/empty", "{}/out", "--set", "config.images=x"],
    "a setting without a value": ["train", "{}/mine.toml", "{}/empty", "{}/out", "--set", "config.images"],
    "a recipe that is no TOML": ["train", "{}/broken.toml", "{}/empty", "{}/out"],
    "a training without data": ["train", "{}/mine.toml", "{}/empty", "{}/out", "--dry-run"],
    "a model that is not there": ["generate", "{}/none.safetensors", "{}/out", "--num", "3"],
    "a model that is none": ["generate", "{}/mine.toml", "{}/out", "--num", "3"],
    "no images asked for": ["generate", "{}/none.safetensors", "{}/out", "--num", "0"],
    "a format that is unknown": ["generate", "{}/mine.toml", "{}/out", "--num", "3", "--format", "jpeg"],
    "a metric that is unknown": ["evaluate", "{}/empty", "{}/empty", "{}/out", "--metrics", "beauty"],
    "weights that are unknown": ["weights", "fetch", "vgg61"],
    "weights that are not named": ["weights", "fetch"],
    "an action that is unknown": ["weights", "steal"],
    "nothing to audit": ["audit", "{}/empty", "{}/empty", "{}/out"],
    "trainings of nothing": ["class-table", "{}/empty", "{}/out", "{}/empty"],
    "nothing to compare on": ["compare", "{}/empty", "{}/out", "--recipes", "pix2pix_tiny"],
    "a comparison of unknown recipes": ["compare", "{}/empty", "{}/out", "--recipes", "pix2pix_tony"],
    "a comparison of no recipes": ["compare", "{}/empty", "{}/out", "--recipes", ","],
    "a release of nothing": [
        "publish",
        "{}/empty",
        "{}/out",
        "--audit",
        "{}/empty",
        "--licence",
        "CC0-1.0",
        "--contact",
        "a@b.org",
    ],
    "a release without a licence": [
        "publish",
        "{}/empty",
        "{}/out",
        "--audit",
        "{}/empty",
        "--licence",
        "",
        "--contact",
        "a@b.org",
    ],
    "a release that is none": ["verify", "{}/empty"],
    "a site of nothing": ["site", "{}/empty", "{}/out"],
    "a tombstone of nothing": ["withdraw", "{}/empty", "{}/out", "--reason", "so"],
    "a model of an unknown name": ["generate", "phantom-retian", "{}/out", "--num", "3"],
    "a model that no index has": ["models", "fetch", "phantom-retian"],
    "an index that is none": ["models", "list", "--index", "{}/empty"],
    "models that are none": ["models", "index", "{}/empty"],
    "a model release of nothing": [
        "models",
        "publish",
        "{}/none.safetensors",
        "{}/out",
        "--samples",
        "{}/empty",
        "--audit",
        "{}/empty",
        "--licence",
        "CC0-1.0",
        "--contact",
        "a@b.org",
    ],
    "a study of nothing": ["study", "new", "{}/empty", "{}/out", "--synthetic", "{}/empty"],
    "a paradigm that is unknown": [
        "study",
        "new",
        "{}/empty",
        "{}/out",
        "--synthetic",
        "{}/empty",
        "--paradigm",
        "afc",
    ],
    "no study to serve": ["study", "serve", "{}/empty"],
    "no study to report": ["study", "report", "{}/empty", "{}/out"],
    "a table that is not there": ["study", "report", "{}/none.csv", "{}/out"],
    "no study to invite to": ["study", "invite", "{}/empty", "anna"],
    "nothing to evaluate": ["evaluate", "{}/empty", "{}/empty", "{}/out"],
}


@pytest.mark.parametrize("words", WRONG.values(), ids=WRONG)
def test_wrong_input_gets_sentences_and_exit_code_2(words, tmp_path, capsys, monkeypatch):
    (tmp_path / "empty").mkdir()
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "thesis.txt").write_text("mine")
    (tmp_path / "mine.toml").write_text('method = "dcgan"\n')
    (tmp_path / "broken.toml").write_text("method = \n")
    code, out, err = run(capsys, monkeypatch, *(word.replace("{}", str(tmp_path)) for word in words))
    assert code == 2
    assert out == ""
    assert err.startswith("synthmed: ") and err.count("\n") == 1 and err.rstrip().endswith(".")
    assert "Traceback" not in err and len(err) < 700
    assert not (tmp_path / "out").exists() or not any((tmp_path / "out").iterdir())
    assert (tmp_path / "taken" / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize(
    "words", [["nothing"], ["train"], ["demo", "--beautiful"], ["phantom", "retina", "out", "--num", "many"]]
)
def test_a_command_that_cannot_be_parsed_ends_with_2(words, capsys, monkeypatch):
    code, out, err = run(capsys, monkeypatch, *words)
    assert (code, out) == (2, "")
    assert "Usage:" in err


def test_a_misspelt_recipe_or_setting_is_met_with_the_nearest_known(tmp_path, capsys, monkeypatch):
    (tmp_path / "mine.toml").write_text('method = "dcgan"\n')
    words = ["train", tmp_path / "mine.toml", tmp_path, tmp_path / "out", "--set", "config.latent_sise=3"]
    assert "did you mean 'latent_size'" in run(capsys, monkeypatch, *words)[2]
    assert "did you mean 'dual_gan'" in run(capsys, monkeypatch, "train", "dual_gna", tmp_path, tmp_path)[2]


CODES = {TrainingError: 1, ArtifactError: 2, GateError: 3, Interrupted: 130}


@pytest.mark.parametrize("error, code", CODES.items())
def test_every_kind_of_error_has_its_exit_code(error, code, capsys, monkeypatch):
    def fail(*words, **more):
        raise error("It was so.")

    monkeypatch.setattr(import_module("synthmed.phantoms"), "phantom", fail)
    assert run(capsys, monkeypatch, "phantom", "retina", "out") == (code, "", "synthmed: It was so.\n")


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_verb_that_is_stopped_says_what_is_kept(number, code, capsys, monkeypatch):
    def stopped(*words, **more):
        signal.raise_signal(number)

    monkeypatch.setattr(import_module("synthmed.phantoms"), "phantom", stopped)
    before = [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)]
    told = "synthmed: Stopped. Nothing of it is left; the same command begins anew.\n"
    assert run(capsys, monkeypatch, "phantom", "retina", "out") == (code, "", told)
    assert [signal.getsignal(one) for one in (signal.SIGINT, signal.SIGTERM)] == before


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_what_was_stopped_in_its_own_words_has_the_code_of_the_signal(number, code, capsys, monkeypatch):
    def stopped(*words, **more):
        try:
            signal.raise_signal(number)
        except KeyboardInterrupt as error:
            raise Interrupted("It was stopped.") from error

    monkeypatch.setattr(import_module("synthmed.phantoms"), "phantom", stopped)
    assert run(capsys, monkeypatch, "phantom", "retina", "out") == (code, "", "synthmed: It was stopped.\n")


def test_the_sentences_of_stopped_verbs_are_of_verbs():
    assert cli._KEPT.keys() <= VERBS.keys()


def test_json_is_one_line_that_a_program_can_read(tmp_path, capsys, monkeypatch):
    code, out, _ = run(capsys, monkeypatch, "phantom", "retina", tmp_path / "eyes", "--num", 4, "--size", 64, "--json")
    assert (code, json.loads(out)) == (0, {"out": str(tmp_path / "eyes"), "num": 4})
    words = ["prepare", tmp_path / "eyes", tmp_path / "data", "--kind", "retina", "--size", "32x48", "--json"]
    code, out, _ = run(capsys, monkeypatch, *words)
    told = json.loads(out)
    assert code == 0 and out.count("\n") == 1
    assert (told["train"], told["holdout"], told["test"], told["rejected"]) == (2, 0, 2, 0)


@pytest.mark.parametrize("words", [["--quiet", "names", "kinds"], ["names", "kinds", "-q"]])
def test_quiet_may_stand_anywhere(words, capsys, monkeypatch):
    monkeypatch.setattr(progress, "_quiet", False)
    code, out, err = run(capsys, monkeypatch, *words)
    assert code == 0 and "retina" in out and err == "" and progress.is_quiet()


def test_on_a_terminal_a_verb_says_that_it_starts_and_takes_it_back(capsys, monkeypatch):
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    _, _, err = run(capsys, monkeypatch, "train", "dual_gna", "data", "run")
    assert err.startswith("Starting ...\r\x1b[2K") and "synthmed: " in err
