"""The scorecard for synthetic medical data: its seven criteria, each with what was measured of it, or that nothing was.

Source: Zamzmi et al., Scorecard for synthetic medical data evaluation, Communications Engineering 4:130 (2025),
doi:10.1038/s44172-025-00450-1. The criteria are theirs; which of our numbers speak of which is our reading.
"""

from collections.abc import Iterable

from synthmed.pages.numbers import number
from synthmed.publishing.facts import Facts, Metric

SOURCE = "Zamzmi et al., Communications Engineering 4:130 (2025), doi:10.1038/s44172-025-00450-1"
_CONGRUENCE = ("frechet_distance", "kernel_distance", "mmd", "histogram_kl", "two_sample_test", "one_nn",
               "hotelling_observer", "usefulness")  # fmt: skip
_COVERAGE = ("precision_recall", "ms_ssim", "mask_diversity")
_CONSTRAINT = ("mask_fidelity", "mask_dependence")
_NOTHING = "Not measured: the evaluation that came with the release has no number of this."


def scorecard(facts: Facts) -> list[tuple[str, str, str]]:
    """Criterion, what it asks, and what is known."""
    return [
        ("Congruence", "Do the images follow the distribution of real ones?", _numbers(facts.metrics, _CONGRUENCE)),
        ("Coverage", "Do they hold the variety of real ones, and more than copies?", _coverage(facts)),
        ("Constraint", "Do they keep to anatomy and physics?", _constraint(facts)),
        ("Completeness", "Is everything there that a task needs?", _completeness(facts)),
        ("Compliance", "Do they keep to privacy and to the rules of formats?", _compliance(facts)),
        ("Comprehension", "Is it clear how they were made and what they are not for?", _comprehension(facts)),
        ("Consistency", "Does it hold again, and in every part?", _consistency(facts)),
    ]


def _numbers(metrics: Iterable[Metric], names: tuple[str, ...]) -> str:
    told = [
        f"{one.title}: {number(one.value)}"
        + (f" ({number(one.low)} to {number(one.high)})" if one.low is not None else "")
        + _beside_floor(one)
        for one in metrics
        if one.name in names
    ]
    return "; ".join(told) + "." if told else _NOTHING


def _beside_floor(one: Metric) -> str:
    if one.floor is None:
        return ""
    matched = "" if one.matched is None else f", {number(one.matched)} with {one.matched_n} a side"
    return f"{matched}, real against real {number(one.floor)}"


def _coverage(facts: Facts) -> str:
    found = _numbers(facts.metrics, _COVERAGE)
    classes = f" Images by class: {_listed(facts.images.classes)}." if facts.images.classes else ""
    return f"{found}{classes} Copies: see the audit."


def _constraint(facts: Facts) -> str:
    study = " A reader study of these images is summarised above." if facts.study else " No reader study came with it."
    return _numbers(facts.metrics, _CONSTRAINT) + study


def _completeness(facts: Facts) -> str:
    images = facts.images
    masks = f"a mask for each ({_listed(images.mask_labels)})" if images.masks else "no masks"
    values = "physical values can be restored" if facts.processing else "the meaning of stored numbers is not known"
    return f"{images.num} images, {len(images.channels)} channels, {images.bits} bits, {masks}; {values}."


def _compliance(facts: Facts) -> str:
    privacy = facts.privacy or "No formal guarantee of differential privacy."
    overruled = f" Overruled gates: {', '.join(facts.overruled)}." if facts.overruled else " No gate was overruled."
    return (
        f"Audited against a sealed holdout; the audit did not block. {privacy} Files hold pixels and no metadata, "
        f"SHA-256 of each; Croissant 1.1.{overruled}"
    )


def _comprehension(facts: Facts) -> str:
    return (
        "Model, recipe, seeds, data digests, lineage of every image, known artefacts, biases and uses out of scope "
        "stand in this card, taken from manifests."
    )


def _consistency(facts: Facts) -> str:
    repeat = (
        "Image i follows from the run seed and i alone, bit by bit on one kind of processor"
        if facts.origin.run_seed is not None
        else "It is not known whether the images can be made again"
    )
    intervals = sum(one.low is not None for one in facts.metrics)
    return f"{repeat}. {intervals} of {len(facts.metrics)} measures have 95 % intervals. Subgroups were not measured."


def _listed(table: dict[str, str] | dict[str, int]) -> str:
    return ", ".join(f"{key}: {value}" for key, value in table.items())
