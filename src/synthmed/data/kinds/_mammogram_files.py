"""Which mammograms a folder holds: their masks, patients, sides and views, from headers, names or a table."""

import re
from pathlib import Path, PurePosixPath

from synthmed import sources
from synthmed.data.kinds._contract import Found, Item, Map, Rejection
from synthmed.data.kinds._folders import in_name
from synthmed.errors import ConfigError, SourceError
from synthmed.sources.folders import list_files, real_reason, relative
from synthmed.sources.image import SourceHeader
from synthmed.sources.layouts import IMAGE_LEFT_OUT
from synthmed.sources.metadata import EMPTY_PATIENT, METADATA, NOT_READ, Metadata, common_folder, find_table, set_apart
from synthmed.sources.names import file_key
from synthmed.sources.partners import pair, refuse_strangers, sort_names

GROUPS = ("patient_id", "laterality", "view", "split", "label")
"""What a table's columns and the groups of a pattern for names may say."""
_TEXTS = frozenset((".txt", ".md", ".csv", ".tsv", ".json", ".xml", ".html", ".pdf", ".xlsx"))
_LAST_NUMBER = re.compile(r"(\d+)(?=\D*$)")
_SIDES = {"": "", "L": "L", "LEFT": "L", "R": "R", "RIGHT": "R"}
_NO_PATIENT = (
    "Nobody says whose it is; the split into training and test is by patient. Give it a patient_id in a table, or set "
    "names."
)


def find_mammograms(
    source: Path, *, table: str, names: str, patient: str, masks: str, pairs: bool, must_have_mask: bool, run: Map
) -> Found:
    """The mammograms below a folder; headers only are read.

    Args:
        source: the folder.
        table: a CSV file; "" = the folder's ``metadata.csv`` where there is one (``sources.metadata``).
        names: regular expression with groups for relative names; "" = none.
        patient: regular expression whose group is the patient, as all kinds have it; "" = none.
        masks: pattern for the names of masks; "" = by names (``sources.partners``).
        pairs: whether files of consecutive numbers, odd and even, are one patient.
        must_have_mask: whether an image without a mask drawn by hand is left out.
        run: like ``map``.

    Raises:
        SourceError: no mammogram, or a table that is not understood.
        ConfigError: a pattern that is none.
    """
    files, left_out = list_files(source)
    by_name = {relative(path, source): path for path in files}
    root = common_folder(name for name, path in by_name.items() if path.suffix.lower() not in _TEXTS)
    own = Path(table) if table else find_table(by_name, root)
    by_name, tables = set_apart(by_name, own)
    mask_of, files = _masks(by_name, masks, left_out)
    rows = Metadata(own, [relative(path, source) for path in files], root)
    pattern = _compiled(names)
    items: list[Item] = []
    for path, look in zip(files, run(_look, files), strict=True):
        name = relative(path, source)
        try:
            if path.name == METADATA:
                raise SourceError(NOT_READ)
            if isinstance(look, SourceError):
                raise look
            if must_have_mask and path not in mask_of:
                raise SourceError("It has no mask drawn by hand, and labels of tissues need one. Add the mask.")
            said = _said(name, look, rows, pattern, pairs=pairs, patient=patient)
        except SourceError as error:
            left_out[name] = str(error)
            left_out |= {relative(mask, source): IMAGE_LEFT_OUT for mask in mask_of.get(path, ())}
            continue
        items.append(
            Item(
                name=name,
                patient_id=said["patient_id"],
                files=(path,),
                split=said["split"],
                label=said["label"],
                partners=mask_of.get(path, ()),
                facts={"laterality": said["laterality"], "view": said["view"]},
                patient_said=bool(said["said"]),
            )
        )
    left_out = {**dict(rows.unused()), **left_out}
    if not items:
        raise SourceError(_nothing(source, left_out))
    rejected = [Rejection(file=name, reason=reason) for name, reason in sorted(left_out.items())]
    facts = {"drawn_masks": any(item.partners for item in items)}
    return Found(
        items=sorted(items, key=lambda item: item.name), rejected=rejected, layout="tree", tables=tables, facts=facts
    )


def _look(path: Path) -> SourceHeader:
    """The header of a file that can be a mammogram."""
    header = sources.open_header(path)
    if header.modality not in ("", "MG"):
        raise SourceError(f"Its modality is {header.modality}; expected MG. Prepare it as another kind.")
    if header.frames != 1:
        raise SourceError(f"It holds {header.frames} pictures; expected one. Export each projection as its own file.")
    return header


def _masks(
    by_name: dict[str, Path], pattern: str, left_out: dict[str, str]
) -> tuple[dict[Path, tuple[Path, ...]], list[Path]]:
    """Image -> its masks, and the files that are no masks; a mask without its image is left out."""
    if not pattern:
        read = [name for name, path in by_name.items() if path.suffix.lower() not in _TEXTS]
        found = sort_names(read)
        pairs = pair(found.images, found.masks, found.image_folders)
        refuse_strangers(pairs, found.images, found.masks)
        left_out |= pairs.alone
        masks = {by_name[image]: tuple(by_name[mask] for mask in mine) for image, mine in pairs.of.items()}
        drawn = set(found.masks)
        return masks, [path for name, path in by_name.items() if name not in drawn]
    looked_up = {file_key(name): path for name, path in by_name.items()}
    mask_of: dict[Path, tuple[Path, ...]] = {}
    for name, path in by_name.items():
        if mask := looked_up.get(file_key(_filled(pattern, file_key(name)))):
            mask_of[path] = (mask,)
    used = {mask for mine in mask_of.values() for mask in mine}
    places = {path.parent for path in used} - {path.parent for path in mask_of}
    for name, path in by_name.items():
        if path.parent in places and path not in used:
            left_out[name] = "It lies beside the masks and belongs to no image. Add the image or remove the mask."
    return mask_of, [path for path in by_name.values() if path not in used and path.parent not in places]


def _filled(pattern: str, name: str) -> str:
    place = PurePosixPath(name)
    try:
        return pattern.format(folder=place.parent.as_posix(), stem=place.stem)
    except (KeyError, IndexError, ValueError) as error:
        raise ConfigError(
            f"The setting masks is {pattern!r}; expected a name with {{folder}} and {{stem}} of the image, such as "
            "'{folder}_masks/{stem}.png'."
        ) from error


def _compiled(names: str) -> re.Pattern[str] | None:
    if not names:
        return None
    try:
        pattern = re.compile(names)
    except re.error as error:
        raise ConfigError(f"The setting names is {names!r}, which is no regular expression: {error}.") from error
    unknown = [group for group in pattern.groupindex if group not in GROUPS]
    if unknown or not pattern.groupindex:
        raise ConfigError(
            f"The setting names has the groups {', '.join(unknown) or 'of no name'}; expected some of "
            f"{', '.join(GROUPS)}, such as '(?P<patient_id>[^_]+)_'."
        )
    return pattern


def _said(
    name: str,
    header: SourceHeader,
    rows: Metadata,
    pattern: re.Pattern[str] | None,
    *,
    pairs: bool,
    patient: str,
) -> dict[str, str]:
    """Patient, side, view, split and label: the header says them, the name goes before it, the table before both.

    What is "said" is "" where nobody says whose it is.
    """
    said = {"patient_id": header.patient_id, "laterality": header.laterality, "view": header.view}
    said |= {"split": "", "label": ""}
    if patient:
        said["patient_id"] = in_name(name, patient)
    elif pairs and not said["patient_id"] and header.format != "DICOM":
        said["patient_id"] = _pair_of(name)
    if pattern is not None:
        match = pattern.search(name)
        if match is None:
            raise SourceError("Its name does not fit the setting names. Change the pattern or the name.")
        said |= {group: value for group, value in match.groupdict().items() if value}
    row = rows.row(name)
    said |= {column: value for column, value in row.items() if value}
    said["said"] = said["patient_id"]
    if not said["patient_id"] and "patient_id" in row:
        raise SourceError(EMPTY_PATIENT)
    if not said["patient_id"] and header.format != "DICOM" and not patient:
        said["patient_id"] = PurePosixPath(name).stem
    if not said["patient_id"]:
        raise SourceError(_NO_PATIENT)
    if said["laterality"].upper() not in _SIDES:
        raise SourceError(f"Its laterality is {said['laterality']!r}; expected L or R.")
    return said | {"laterality": _SIDES[said["laterality"].upper()], "view": said["view"].upper()}


def _pair_of(name: str) -> str:
    match = _LAST_NUMBER.search(PurePosixPath(name).with_suffix("").as_posix())
    if match is None:
        raise SourceError("Its name has no number, and pairs=true needs one. Name the patient in a table.")
    return f"{name[: match.start()]}pair {(int(match[1]) + 1) // 2}"


def _nothing(source: Path, left_out: dict[str, str]) -> str:
    why = real_reason(left_out.items())
    return f"{source} holds no usable mammogram; expected DICOM of modality MG, or images.{why} Check the path."
