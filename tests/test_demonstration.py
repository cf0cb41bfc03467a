"""The demo goes on where it was stopped, and says no to what is not its own."""

import pytest

import synthmed.auditing
import synthmed.evaluation.report
import synthmed.generation.generate
import synthmed.phantoms
import synthmed.training.loop
from synthmed.artifacts import new_directory, write_json
from synthmed.demonstration import demo
from synthmed.errors import ArtifactError, ConfigError, GateError, Interrupted


@pytest.fixture
def calls(monkeypatch):
    """The steps of the demo in small, noted; ``train`` is stopped at its first call."""
    noted = []
    phantom = synthmed.phantoms.phantom

    def small(kind, out, **more):
        noted.append("phantom")
        return phantom(kind, out, num=6, seed=more["seed"], size=64)

    def train(recipe, data, run, **more):
        noted.append("train")
        if noted.count("train") == 1:
            raise Interrupted("Stopped.")
        return run / "model.safetensors"

    def generate(model, out, **more):
        noted.append("generate")
        for part in ("images", "masks"):
            (out / part).mkdir(parents=True)
            (out / part / "00000.png").write_bytes(b"")

    def evaluate(samples, data, out, **more):
        noted.append("evaluate")
        with new_directory(out, "report") as folder:
            write_json(folder / "report.json", {"answers": [{"sentence": "It was measured."}]})
            (folder / "report.html").write_text("")

    def audit(samples, data, out, **more):
        noted.append(f"audit {samples.name}")
        blocked = len(list((samples / "images").iterdir())) > 1
        verdict = "BLOCKED." if blocked else "No evidence (at all). Unknown origin."
        with new_directory(out, "audit", facts={"verdict": verdict}) as folder:
            write_json(folder / "report.json", {})
            (folder / "report.html").write_text("")
        if blocked:
            raise GateError(verdict)

    monkeypatch.setattr(synthmed.auditing, "audit", audit)
    monkeypatch.setattr(synthmed.phantoms, "phantom", small)
    monkeypatch.setattr(synthmed.training.loop, "train", train)
    monkeypatch.setattr(synthmed.generation.generate, "generate", generate)
    monkeypatch.setattr(synthmed.evaluation.report, "evaluate", evaluate)
    return noted


def test_a_demo_that_was_stopped_goes_on_and_makes_nothing_twice(tmp_path, calls):
    said = []
    with pytest.raises(Interrupted):
        demo(tmp_path / "demo", say=said.append, show=False)
    assert calls == ["phantom", "train"]
    page = demo(tmp_path / "demo", say=said.append, show=False)
    audits = ["audit samples", "audit with-a-copy"]
    assert calls == ["phantom", "train", "train", "generate", "evaluate", *audits]
    assert page == demo(tmp_path / "demo", say=said.append, show=False)
    assert calls.count("evaluate") == 1 and [one for one in calls if "audit" in one] == audits
    assert "   It was measured." in said and "   with-a-copy: BLOCKED." in said and "   samples: No evidence" in said
    assert said[0].startswith("This takes about") and "same command goes on" in said[0]
    with (tmp_path / "demo" / "report" / "report.json").open("a") as file:
        file.write(" ")
    with pytest.raises(ArtifactError, match="is damaged"):
        demo(tmp_path / "demo", say=said.append, show=False)


def test_another_demo_or_another_folder_is_refused(tmp_path, calls):
    with pytest.raises(Interrupted):
        demo(tmp_path / "demo", say=lambda line: None, show=False)
    with pytest.raises(ConfigError, match="other settings"):
        demo(tmp_path / "demo", seed=1, say=lambda line: None, show=False)
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "mine.txt").write_text("mine")
    with pytest.raises(ArtifactError, match="already exists"):
        demo(tmp_path / "thesis", say=lambda line: None, show=False)
