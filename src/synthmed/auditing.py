"""``audit``: may these synthetic images be handed on? It may say no; it never says yes.

BLOCKED means that copies were found, or that membership can be told. Anything else means that this audit found
nothing, and how much it would have found: its power, measured with planted copies.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from synthmed.artifacts import file_digest, new_directory, refuse_existing, write_file, write_json
from synthmed.errors import ConfigError, GateError
from synthmed.evaluation.inputs import fitted_from, open_real
from synthmed.files.paths import takes_paths
from synthmed.privacy.examination import EXTRACTOR, Attacks, Settings, examine
from synthmed.privacy.findings import Findings
from synthmed.privacy.membership import Attack
from synthmed.privacy.origin import check_model
from synthmed.running.progress import Progress
from synthmed.samples import SampleSet


@dataclass(frozen=True, kw_only=True)
class AuditReport:
    """A written audit that did not block: where it is, and what it found."""

    path: Path
    verdict: str
    findings: Findings


@takes_paths
def audit(
    synthetic: Path,
    real: Path,
    out: Path,
    *,
    fit: bool = False,
    run: Path | None = None,
    canaries: int = 20,
    scores: Path | None = None,
    attacks: Mapping[str, Attack] | None = None,
    extractor: str = EXTRACTOR,
    channels: str = "auto",
    features: Path | None = None,
    weights: Path | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Progress | None = None,
) -> AuditReport:
    """Look for copies of training patients in synthetic images, and write what was found.

    Args:
        synthetic: a sample set, or any folder with ``images`` and perhaps ``masks``.
        real: the prepared data set whose split ``train`` the generator was trained on, with its sealed holdout.
            Without a holdout, or for a folder of real images, single images are looked for among all of them, and no
            more is said.
        out: a new folder for ``report.html`` (complete in itself; it shows real images) and ``report.json``.
        fit: bring images of another size to that of ``real`` by its own rule: one factor, centred between zeros.
            Planted copies of real images go to the size of the synthetic ones and back. False = refuse them.
        run: the training behind the images, where it is there: its discriminators attack membership (white box).
        canaries: copies of each kind that are planted to measure the audit's power; 0 = none.
        scores: a CSV file of membership scores from elsewhere (``membership.read_scores``).
        attacks: name -> function of real images that scores membership.
        extractor: what makes the features of the feature space; see ``docs/evaluation.md``.
        channels: which channels it sees: "auto", "each", or names or numbers joined by commas.
        features: folder of stored features; None = ``features`` beside ``out``. They are made from real images:
            treat them like these.
        weights: folder of pretrained weights; None = the usual one.
        seed: source of all draws.
        device: where networks run.
        progress: hears how far it is.

    Raises:
        GateError: the release is blocked; the report is written all the same.
        DataError: there are fewer than three real patients, no holdout but attacks on membership, the two sets differ
            in size, channels or bit depth, the generator or ``run`` learned from other data, ``run`` made another
            model, or one picture stands twice in ``synthetic``.
        ConfigError: ``canaries`` is below 0, an unknown extractor or channel, or ``run`` is no training.
        ArtifactError: an input is damaged, or something stands at ``out``.
    """
    from synthmed.privacy._page import as_html, as_json
    from synthmed.training.discriminators import discriminator_attacks

    synthetic, real, out = Path(synthetic), Path(real), Path(out)
    refuse_existing(out)
    if canaries < 0:
        raise ConfigError(f"--canaries is {canaries}; expected 0 or more.")
    made, true = SampleSet.open(synthetic), open_real(real)
    arrived = fitted_from(made, true) if fit else ()
    if arrived:
        made = made.fitted(true.info.height, true.info.width)
    inside = discriminator_attacks(Path(run), true, device) if run else {}
    if run and (model := Path(run) / "model.safetensors").is_file():
        check_model(made, file_digest(model), str(run))
    kept = Path(features) if features else out.parent / "features"
    settings = Settings(arrived=arrived, canaries=canaries, extractor=extractor, channels=channels, weights=weights,
                        device=device, seed=seed, features=kept)  # fmt: skip
    found = examine(made, true, settings, Attacks(outside=attacks or {}, inside=inside, scores=scores), progress)
    command = f"synthmed audit {synthetic.name} {real.name} {out.name} --canaries {canaries} --seed {seed}"
    command += f" --extractor {extractor} --channels {channels}"
    command += " --fit" * fit
    command += (f" --scores {scores.name}" if scores else "") + (f" --run {run.name}" if run else "")
    origin = {
        "command": command,
        "synthetic": {"name": synthetic.name, "digest": made.digest, "images": len(made)},
        "real": {"name": real.name, "digest": true.digest,
                 "splits": {name: split.model_dump() for name, split in true.info.splits.items()}},
        "features": extractor,
        "seed": seed,
    }  # fmt: skip
    facts = {"blocked": found.blocked, "verdict": found.verdict}
    with new_directory(out, "audit", inputs={"synthetic": made.digest, "real": true.digest}, facts=facts) as folder:
        write_json(folder / "report.json", as_json(found, made, true, origin))
        write_file(folder / "report.html", as_html(found, made, true, origin))
    if found.blocked:
        raise GateError(f"{found.verdict} Every flagged pair is shown in {out / 'report.html'}.")
    return AuditReport(path=out, verdict=found.verdict, findings=found)
