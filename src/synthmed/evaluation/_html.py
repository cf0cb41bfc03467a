"""Pages for people: one frame and one style, complete in themselves, nothing fetched, no script."""

from collections.abc import Sequence
from typing import Any

from synthmed.evaluation._contract import number


def page(template: str, rooms: Sequence[str], **values: Any) -> str:
    """A page from a template of one of the rooms.

    Args:
        template: file name; it fills the blocks of ``evaluation/templates/page.html``.
        rooms: packages whose folder ``templates`` is looked through, ``synthmed.evaluation`` after them.
        values: what the template names; a name that is missing is an error.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    loaders = [PackageLoader(room) for room in dict.fromkeys([*rooms, "synthmed.evaluation"])]
    pages = Environment(
        loader=ChoiceLoader(loaders), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    pages.filters["number"] = number
    return pages.get_template(template).render(**values)
