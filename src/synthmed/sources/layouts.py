"""Names of image files -> images with their masks, fields of view, patients, classes and declared splits.

Which file is what is told by ``partners``; here one layout is kept to, so that a folder of previews beside the images,
or the same pictures in two versions, never becomes part of a set.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from synthmed.errors import LayoutError
from synthmed.sources.contrasts import refuse_contrasts
from synthmed.sources.partners import Sorted, choose, pair, refuse_strangers
from synthmed.sources.words import Place, stem

IMAGE_LEFT_OUT = "Its image is left out."
"""Of masks and fields of view whose image cannot be used."""
OUTSIDE = "It lies outside of the folder of images. Move it there if it is one, or say by masks that it is a mask."
NO_MASK = "It has no mask, and other images here have one. Add the mask."
_CLASSES = frozenset(
    {
        "benign",
        "malignant",
        "normal",
        "healthy",
        "abnormal",
        "sick",
        "diseased",
        "pathological",
        "positive",
        "negative",
        "control",
        "controls",
    }
)
"""Folders of these names hold a class; any other that has no role and is no split holds a patient."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Entry:
    """One image and what belongs to it, by the names of files.

    Args:
        image: the file.
        masks: its masks, sorted.
        field: its field of view, or "".
        owner: the folder or else the stem that tells whose it is.
        split: "train", "holdout", "test" or "".
        label: its class, "" for none.
    """

    image: str
    masks: tuple[str, ...]
    field: str
    owner: str
    split: str
    label: str


@dataclass(frozen=True, kw_only=True)
class Arranged:
    """What the names of a folder say.

    Args:
        entries: the images, in the order of the names.
        left_out: file -> reason.
        layout: "plain" (images in one folder), "folders" (a folder of images), or "patients" (a folder for each).
    """

    entries: list[Entry]
    left_out: dict[str, str]
    layout: str


def arrange(names: Sequence[str], *, images: str = "", masks: str = "") -> Arranged:
    """Find which image, masks and field of view belong together.

    Args:
        names: of image files, sorted, with / between folders.
        images: pattern for the files that are images; "" = by names.
        masks: pattern for the files that are masks; "" = by names.

    Raises:
        LayoutError: all files are masks, no mask belongs to an image, two folders hold the images of one place, or
            cases are there in several contrasts.
    """
    chosen, left_out = choose(names, images=images, masks=masks)
    if names and not chosen.images:
        raise LayoutError(_only_masks(chosen, images, masks))
    if not images:
        chosen = _in_one_layout(chosen, left_out)
        refuse_contrasts(chosen.images)
    pairs = pair(chosen.images, chosen.masks, chosen.image_folders, told=bool(masks))
    refuse_strangers(pairs, chosen.images, chosen.masks)
    seen = pair(chosen.images, chosen.fields, chosen.image_folders)
    left_out |= pairs.alone | seen.alone
    mask_of, field_of = pairs.of, seen.of
    whole = _whole(chosen.images, mask_of, field_of, left_out)
    split_of = _declared(chosen.place(name).split for name in whole)
    # One folder of all images, such as CXR_png beside the masks, is no patient.
    several = len({_patient(chosen.place(name)) for name in whole}) > 1
    entries = [
        Entry(
            image=name,
            masks=tuple(mask_of.get(name, ())),
            field=next(iter(field_of.get(name, ())), ""),
            owner=_owner(name, chosen.place(name), split_of.get(chosen.place(name).split, ""), several=several),
            split=split_of.get(chosen.place(name).split, ""),
            label=next((folder for folder in chosen.place(name).owners if folder.lower() in _CLASSES), ""),
        )
        for name in whole
    ]
    return Arranged(entries=entries, left_out=left_out, layout=_layout(chosen, whole))


def _only_masks(chosen: Sorted, images: str, masks: str) -> str:
    if images or masks:
        return f"No file fits images={images or '(empty)'} and is no mask. Correct the pattern."
    first = (chosen.masks or chosen.fields)[0]
    return (
        f"All {len(chosen.masks) + len(chosen.fields)} pictures are masks by their names, such as {first}; expected "
        "images. Add them, or say by images which files are images, such as '*.png'."
    )


def _in_one_layout(chosen: Sorted, left_out: dict[str, str]) -> Sorted:
    """The images of the folders of images where there are any; else those of one depth."""
    places = {name: chosen.place(name) for name in chosen.images}
    in_folders = [name for name, place in places.items() if place.role == "image"]
    if in_folders:
        _refuse_two_folders(in_folders, places)
        kept = in_folders
        reason = OUTSIDE
    else:
        depths = Counter(bool(_patient(place)) for place in places.values())
        deep = depths[True] > depths[False]
        kept = [name for name, place in places.items() if bool(_patient(place)) == deep]
        reason = (
            "It lies above the folders of the other images; expected all in folders. Move it if it belongs to them."
            if deep
            else "It lies in a folder below the other images; expected all in one. Move it up, or prepare it apart."
        )
    known = set(kept)
    left_out |= {name: reason for name in chosen.images if name not in known}
    return Sorted(images=kept, masks=chosen.masks, fields=chosen.fields, image_folders=chosen.image_folders)


def _refuse_two_folders(names: Iterable[str], places: dict[str, Place]) -> None:
    """Two folders of images of one patient and split may be two versions of the same pictures."""
    folders: dict[tuple[tuple[str, ...], str], set[str]] = defaultdict(set)
    for name in names:
        place = places[name]
        folders[place.owners, place.split].add(name.rpartition("/")[0])
    for same in folders.values():
        if len(same) > 1:
            raise LayoutError(
                f"There are {len(same)} folders of images ({', '.join(sorted(same))}); expected one, since they may "
                "hold the same pictures twice. Move the others away, or say by images which files are images."
            )


def _whole(
    images: list[str], mask_of: dict[str, list[str]], field_of: dict[str, list[str]], left_out: dict[str, str]
) -> list[str]:
    """The images that have all that the others have; what belongs to one that is left out is left out too."""
    whole = []
    for name in images:
        if mask_of and name not in mask_of:
            left_out[name] = NO_MASK
        elif field_of and name not in field_of:
            left_out[name] = "It has no field of view, and other images here have one. Add the field of view."
        else:
            whole.append(name)
            continue
        for partner in (*mask_of.get(name, ()), *field_of.get(name, ())):
            left_out[partner] = IMAGE_LEFT_OUT
    for name in whole:
        left_out |= dict.fromkeys(field_of.get(name, ())[1:], "It is a second field of view of its image.")
    return whole


def _declared(splits: Iterable[str]) -> dict[str, str]:
    """What the words of folders mean: validation is sealed away as the holdout, or tests where there is no test.

    Folders that name one split alone declare nothing: there would be none to test on.
    """
    named = set(splits) - {""}
    if len(named) < 2:
        return {}
    return {"train": "train", "holdout": "holdout", "test": "test", "valid": "holdout" if "test" in named else "test"}


def _patient(place: Place) -> str:
    return next((folder for folder in place.owners if folder.lower() not in _CLASSES), "")


def _owner(name: str, place: Place, split: str, *, several: bool) -> str:
    """The folder of the patient where there are several; else split, class and stem, since names begin anew in each."""
    if several and (patient := _patient(place)):
        return patient
    classes = [folder for folder in place.owners if folder.lower() in _CLASSES]
    return "/".join([*([split] if split else []), *classes, stem(name.rpartition("/")[2])])


def _layout(chosen: Sorted, images: list[str]) -> str:
    if any(_patient(chosen.place(name)) for name in images):
        return "patients"
    return "folders" if any(chosen.place(name).role for name in images) else "plain"
