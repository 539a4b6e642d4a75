"""Templates filled in: text from files can be neither markup nor control characters on a page."""

import re
from base64 import b64encode

import jinja2
from markupsafe import Markup, escape

from engine.errors import InputError

#: What means something amid a line: marks, underscores at a word's end, and what GitHub makes links of.
_MARKDOWN = re.compile(r"[\\`*\[\]|~$]|(?<![^\W_])_|_(?![^\W_])|:(?=//)|(?<=www)\.", re.IGNORECASE)
_CONTROL = str.maketrans(
    {
        code: "\N{REPLACEMENT CHARACTER}"  # and what turns the direction of text around
        for code in (
            *range(32),
            *range(127, 160),
            0x200E,
            0x200F,
            0x061C,
            *range(0x202A, 0x202F),
            *range(0x2066, 0x206A),
        )
        if chr(code) not in "\n\t"
    }
)


def rendered(name: str, context: dict[str, object], *, html: bool) -> str:
    """The template of this name filled in. All text is escaped for the form, and without control characters."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("engine.report"),
        autoescape=html,
        finalize=_plain if html else None,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters |= {"data_url": data_url, "drawing": Markup, "md": markdown}
    try:
        return environment.get_template(name).render(context)
    except jinja2.TemplateNotFound as error:
        raise InputError(
            f"the template {error} is missing", where="engine.report", advice="install the package again"
        ) from None


def data_url(data: bytes, kind: str = "image/svg+xml") -> str:
    """The file as a URL, so that it lies inside the page."""
    return f"data:{kind};base64,{b64encode(data).decode('ascii')}"


def markdown(value: object) -> str:
    """The text on one line, so that nothing in it is Markdown or HTML."""
    text = " ".join(str(value).translate(_CONTROL).split())
    text = str(escape(text)).replace("&#39;", "'").replace("&#34;", '"')
    return _MARKDOWN.sub(r"\\\g<0>", text)


def _plain(value: object) -> object:
    return value.translate(_CONTROL) if isinstance(value, str) and not isinstance(value, Markup) else value
