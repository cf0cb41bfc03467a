"""The account of a source folder: every file is an image, a mask, a table, or left out with a reason."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Account:
    """How many files became what.

    Args:
        files: in the source and below, hidden ones and links counted.
        images: that pictures were made from; a series is as many as it has files.
        masks: masks and fields of view.
        tables: that were read.
        left_out: with a reason each.
        linked: of the files that are used, those that are links to files outside of the source.
    """

    files: int
    images: int
    masks: int
    tables: int
    left_out: int
    linked: int = 0

    @property
    def sentence(self) -> str:
        """The sum, for people.

        Example:
            >>> Account(files=9, images=4, masks=4, tables=1, left_out=0).sentence
            'Of 9 files 4 are images, 4 are masks or fields of view, 1 is a table and 0 are left out.'
        """
        images, tables = _counted(self.images, "an image", "images"), _counted(self.tables, "a table", "tables")
        masks = _counted(self.masks, "a mask or field of view", "masks or fields of view")
        elsewhere = f" {_counted(self.linked, 'a link', 'links')} to files elsewhere." if self.linked else ""
        left_out = _counted(self.left_out, "left out", "left out")
        return f"Of {self.files} files {images}, {masks}, {tables} and {left_out}.{elsewhere}"


def _counted(number: int, one: str, many: str) -> str:
    return f"1 is {one}" if number == 1 else f"{number} are {many}"
