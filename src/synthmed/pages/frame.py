"""Pages for people: one frame and one style, complete in themselves, nothing fetched, no script."""

from typing import Any

from synthmed.pages.numbers import number


def page(template: str, room: str, **values: Any) -> str:
    """A page from a template of a room.

    Args:
        template: file name; it fills the blocks of ``pages/templates/page.html``, and may take macros from the files
            beside that.
        room: the package whose folder ``templates`` holds it, such as "synthmed.training".
        values: what the template names; a name that is missing is an error.
    """
    from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined

    loaders = [PackageLoader(room) for room in (room, "synthmed.pages")]
    pages = Environment(
        loader=ChoiceLoader(loaders), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    pages.filters["number"] = number
    return pages.get_template(template).render(**values)
