"""Is DATA what the generator behind the samples learned from? Digests of splits and model say so, or nothing does."""

from synthmed.data.dataset import PreparedDataset
from synthmed.data.split import SPLITS
from synthmed.errors import DataError
from synthmed.evaluation.proof import recorded_splits
from synthmed.samples import SampleSet


def origin_of(made: SampleSet, true: PreparedDataset) -> str:
    """Why it is not shown that the generator learned from the split train of a data set; "" where it is shown.

    Args:
        made: the synthetic images.
        true: the data set of the audit.

    Raises:
        DataError: it is shown that the generator learned from something else.
    """
    splits = recorded_splits(made.facts)
    if splits is None:
        says = "does not name the data of its model" if made.is_ours else "says nothing of its origin"
        return (
            f"Unknown origin: {made.path.name} {says}. That its generator learned from the split train of "
            f"{true.path.name} and saw no other patient is taken from you, and not shown."
        )
    for name in SPLITS:
        recorded, found = splits.get(name, {}).get("digest", "unknown"), true.info.splits[name].digest
        if recorded != found:
            raise DataError(
                f"The generator behind {made.path.name} learned from {_what(splits, true)}: the split {name} of its "
                f"data has the digest {recorded[:12]}, that of {true.path.name} {found[:12]}. Audit against the data "
                "set that it was trained on, prepared with the same seed and shares; or train anew on this one."
            )
    return ""


def check_model(made: SampleSet, digest: str, where: str) -> None:
    """Refuse a model that is not the one behind a sample set.

    Args:
        made: the synthetic images; a set that names no model is taken for anybody's.
        digest: SHA-256 of the model.
        where: it comes from, for the message.

    Raises:
        DataError: the sample set was made by another model.
    """
    recorded = made.inputs.get("model", digest)
    if recorded != digest:
        raise DataError(
            f"{made.path.name} was made by a model with the digest {recorded[:12]}; {where} holds {digest[:12]}. Give "
            "the run that this model comes from, or audit what its model makes."
        )


def _what(splits: dict[str, dict[str, object]], true: PreparedDataset) -> str:
    """What another digest means, as far as the numbers tell."""
    theirs = sum(int(str(split.get("images", 0))) for split in splits.values())
    same = theirs == sum(split.images for split in true.info.splits.values())
    return "another division of as many images, likely the same ones" if same else "another data set"
