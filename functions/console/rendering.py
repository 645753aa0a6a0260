"""Templates. Everything that is put into one is escaped, and a name that is missing is an error."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.responses import HTMLResponse, Response

from functions.console import formatting
from functions.console.charts import bars, lines
from functions.console.static import version_of
from functions.console.trees import tree

__all__ = ["TEMPLATES", "Markup", "page_response"]

FOLDER = Path(__file__).parent / "templates"

TEMPLATES = Environment(
    loader=FileSystemLoader(FOLDER),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    auto_reload=False,
)
TEMPLATES.filters |= {
    "count": formatting.count,
    "duration": formatting.duration,
    "exact": formatting.exact,
    "local": formatting.local,
    "plain_json": formatting.plain_json,
    "share": formatting.share,
    "short": formatting.short,
    "sureness": formatting.sureness,
    "words": formatting.words,
}
TEMPLATES.globals |= {"bars": bars, "lines": lines, "tree": tree, "version_of": version_of}


def page_response(html: str, status: int = 200) -> Response:
    return HTMLResponse(html, status)
