"""Style sheets and scripts: our own, and those of npm packages in `static/vendor`."""

from __future__ import annotations

import hashlib
from functools import cache
from pathlib import Path
from typing import Any

from starlette.responses import Response
from starlette.routing import Mount
from starlette.staticfiles import StaticFiles
from typing_extensions import override

FOLDER = Path(__file__).parent / "static"


class VersionedFiles(StaticFiles):
    """Files whose address changes with their content, so that browsers may keep them for good."""

    @override
    def file_response(self, *arguments: Any, **options: Any) -> Response:
        response = super().file_response(*arguments, **options)
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


MOUNT = Mount("/static", app=VersionedFiles(directory=FOLDER, check_dir=False))


@cache
def version_of(name: str) -> str:
    """A few letters that change with the file's content."""
    return hashlib.sha256((FOLDER / name).read_bytes()).hexdigest()[:12]
