"""Which files of a folder are images and which are masks and fields of view, and of which image: by names alone.

The rule, in this order: a folder's name says what its files are (``masks``, ``labelsTr``, ``1st_manual``); else the end
or the beginning of a file's name does (``_mask_1``, ``segmentation-0``). A mask belongs to the image of its name in the
same place, the place being the folders without the words of roles; else to the one image anywhere whose name it bears,
whole or as its beginning; else, in a folder of masks or without a name of its own, to the only image of its patient.
"""

import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from synthmed.errors import LayoutError
from synthmed.sources.words import (
    Place,
    beginnings,
    is_other_observer,
    keys_of_image,
    keys_of_mask,
    place_of,
    role_of,
    stem,
)

NO_IMAGE = "It is a mask by its name, without its image. Add the image, or give both the same name."


@dataclass(frozen=True, kw_only=True)
class Sorted:
    """What the names of files say; each list in the order of the names.

    Args:
        images: what is not said to be anything else.
        masks: what is drawn, by folder or by name.
        fields: fields of view.
        image_folders: folders that hold images whatever their own names say.
    """

    images: list[str]
    masks: list[str]
    fields: list[str]
    image_folders: frozenset[str] = frozenset()

    def place(self, name: str) -> Place:
        """What the folders of a file say."""
        return place_of(name.rpartition("/")[0], self.image_folders)


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """Whose masks are whose.

    Args:
        of: image -> its masks, sorted by name.
        alone: mask -> why it is not used.
    """

    of: dict[str, list[str]] = field(default_factory=dict)
    alone: dict[str, str] = field(default_factory=dict)


def sort_names(names: Sequence[str]) -> Sorted:
    """Tell images, masks and fields of view apart.

    Args:
        names: of image files, relative to the source, with / between folders.
    """
    folders = {name.rpartition("/")[0] for name in names}
    images_in = _image_folders(folders)
    places = {folder: place_of(folder, images_in) for folder in folders}
    seen_in = _fields_of_view(places)
    images: list[str] = []
    roles: dict[str, str] = {}
    for name in names:
        folder, _, file = name.rpartition("/")
        role = "field" if folder in seen_in else places[folder].role
        if role not in ("mask", "field"):
            said = role_of(stem(file))
            role = "maybe" if role == "maybe" and said == "image" else said
        if role == "image":
            images.append(name)
        else:
            roles[name] = role
    maybe = [name for name, role in roles.items() if role == "maybe"]
    if maybe:
        drawn = _that_pair(images, maybe, images_in)
        roles |= dict.fromkeys(drawn, "mask")
        images += [name for name in maybe if name not in drawn]
    chosen = {role: [name for name in names if roles.get(name) == role] for role in ("mask", "field")}
    order = sorted(images) if maybe else images
    return Sorted(images=order, masks=chosen["mask"], fields=chosen["field"], image_folders=images_in)


def _image_folders(folders: Iterable[str]) -> frozenset[str]:
    """Folders such as ``seg`` beside ``seg_labels``: they hold what the longer name was drawn on."""
    all_folders = {
        "/".join(folder.split("/")[: depth + 1]) for folder in folders for depth in range(folder.count("/") + 1)
    }
    drawn = {folder for folder in all_folders if place_of(folder).role == "mask"}
    siblings: dict[str, list[str]] = defaultdict(list)
    for folder in drawn:
        siblings[folder.rpartition("/")[0]].append(folder)
    return frozenset(
        folder
        for beside in siblings.values()
        for folder in beside
        if any(other.startswith(folder) and not other[len(folder)].isalnum() for other in beside if other != folder)
    )


def _fields_of_view(places: dict[str, Place]) -> set[str]:
    """Folders called ``mask`` beside a ``manual`` one hold fields of view, as in data bases of eyes."""
    manual = {place.loose for folder, place in places.items() if place.role == "mask" and "manual" in folder.lower()}
    return {
        folder
        for folder, place in places.items()
        if place.loose in manual and folder.rpartition("/")[2].lower() in ("mask", "masks")
    }


def _that_pair(images: list[str], maybe: list[str], images_in: frozenset[str]) -> set[str]:
    """Those whose name without its word, or in a folder of its own, is that of an image."""
    index = _Index(images, images_in)
    return {name for name in maybe if len(index.of_its_name(name)) == 1}


def choose(names: Sequence[str], *, images: str = "", masks: str = "") -> tuple[Sorted, dict[str, str]]:
    """Tell images, masks and fields of view apart by the user's patterns, and by names where there are none.

    Args:
        names: of image files, relative to the source.
        images: pattern such as ``*/ct.nii.gz`` for the files that are images, whatever their names say; "" = none.
        masks: likewise for masks.

    Returns:
        What is what, and name -> reason for files that fit no pattern.
    """
    by_name = sort_names(names)
    if not images and not masks:
        return by_name, {}
    pictures = {name for name in names if fnmatchcase(name, images)} if images else set(by_name.images)
    drawn = {name for name in names if fnmatchcase(name, masks)} if masks else set(by_name.masks)
    if images:
        drawn -= pictures
    else:
        pictures -= drawn
    fields = set(by_name.fields) - pictures - drawn
    left_out = {}
    for name in names:
        if name not in drawn and name not in pictures and name not in fields:
            setting = f"images={images}" if images else f"masks={masks}"
            left_out[name] = f"It does not fit the setting {setting}. Change the pattern if it belongs to the set."
    chosen = Sorted(
        images=[name for name in names if name in pictures],
        masks=[name for name in names if name in drawn],
        fields=[name for name in names if name in fields],
        image_folders=by_name.image_folders,
    )
    return chosen, left_out


def pair(
    images: Iterable[str],
    masks: Iterable[str],
    image_folders: frozenset[str] = frozenset(),
    *,
    told: bool = False,
) -> Pairs:
    """Find the image of each mask.

    Args:
        images: names of files, or of folders that are one image each (a series, a study).
        masks: names of files.
        image_folders: as ``sort_names`` gives them.
        told: whether the user said which files are masks, so that they may be called as they like.
    """
    masks = list(masks)
    if not masks:
        return Pairs()
    index = _Index(images, image_folders)
    found: dict[str, list[str]] = defaultdict(list)
    alone: dict[str, str] = {}
    for mask in masks:
        owners = index.owners(mask, told=told)
        if len(owners) == 1:
            found[owners[0]].append(mask)
        elif not owners:
            alone[mask] = NO_IMAGE
        else:
            alone[mask] = (
                f"It could be the mask of {len(owners)} images; expected one. Give it the name of its image, or put "
                "it into a folder with it alone."
            )
    for image, mine in found.items():
        found[image], others = _first_observer(sorted(mine))
        alone |= dict.fromkeys(others, "It is the drawing of a second observer; that of the first one is used.")
    return Pairs(of=dict(found), alone=alone)


def _first_observer(masks: list[str]) -> tuple[list[str], list[str]]:
    others = [mask for mask in masks if is_other_observer(mask)]
    first = [mask for mask in masks if mask not in others]
    return (first, others) if first else (masks[:1], masks[1:] if len(others) > 1 else [])


def refuse_strangers(pairs: Pairs, images: Sequence[str], masks: Sequence[str]) -> None:
    """Refuse a folder with masks of which none belongs to an image: going on would drop all of them.

    Raises:
        LayoutError: it is so.
    """
    if images and masks and not pairs.of:
        raise LayoutError(
            f"None of the masks, such as {masks[0]}, belongs to one image, such as {images[0]}; expected a mask or "
            "several for each image. Give image and mask the same name, or say by masks which files are masks."
        )


class _Index:
    """Images by where they are and what their masks may be called."""

    def __init__(self, images: Iterable[str], image_folders: frozenset[str]) -> None:
        self._folders = image_folders
        self._by_key: dict[Any, list[str]] = defaultdict(list)
        self._inside: dict[tuple[str, ...], list[str]] = defaultdict(list)
        for image in images:
            folder, _, file = image.rpartition("/")
            place = place_of(folder, image_folders)
            for rank, key in enumerate(keys_of_image(_nfc(stem(file)))):
                for where in _wheres(place):
                    self._by_key[(rank > 0, where, key)].append(image)
            if place.owners:  # the mask of an image may be called like the folder of both
                above, _, own = folder.rpartition("/")
                for where in _wheres(place_of(above, image_folders)):
                    self._by_key[(True, where, _nfc(own))].append(image)
            for inside in {place.loose, (*place.loose, _nfc(stem(file)))}:
                self._inside[inside].append(image)

    def of_its_name(self, mask: str) -> list[str]:
        """The images of its place that bear the name of a mask."""
        folder, _, file = mask.rpartition("/")
        place, own = place_of(folder, self._folders), _nfc(stem(file))
        return self._named(_wheres(place)[:-1], keys_of_mask(own))

    def owners(self, mask: str, *, told: bool) -> list[str]:
        """The images that a mask can belong to."""
        folder, _, file = mask.rpartition("/")
        place, own = place_of(folder, self._folders), _nfc(stem(file))
        wheres = _wheres(place)
        if found := self._named(wheres, keys_of_mask(own)) or self._named(wheres, beginnings(own)):
            return found
        # In a folder of their own, masks may be called as they like; beside an image they name another one.
        names = {"", *place.owners} & set(keys_of_mask(own))
        inside = self._inside.get(place.loose, [])
        free = told or names or (place.role == "mask" and place.owners)
        return inside if free and len(inside) == 1 else []

    def _named(self, wheres: list[Any], keys: list[str]) -> list[str]:
        for where in wheres:
            for key in keys:
                for loosely in (False, True):
                    if found := self._by_key.get((loosely, where, key)):
                        return sorted(set(found))
        return []


def _wheres(place: Place) -> list[Any]:
    return list(dict.fromkeys([("close", place.close), ("loose", place.loose), "anywhere"]))


def _nfc(name: str) -> str:
    return name if name.isascii() else unicodedata.normalize("NFC", name)
