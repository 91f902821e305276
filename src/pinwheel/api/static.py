"""The web UI's files, built from ``ui/`` into ``pinwheel/ui_dist``. They hold no data and need no login."""

from __future__ import annotations

from pathlib import Path

from starlette.responses import Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

PATH = "/static"
FOLDER = Path(__file__).parent.parent / "ui_dist"
ENTRY = "main.js"
NOT_BUILT = Path(__file__).with_name("not_built.js")
"""Stands in for the entry in a source checkout whose UI was not built: its pages say what to run."""

_FOREVER = "public, max-age=31536000, immutable"


class BuiltPages(StaticFiles):
    """Files of *folder*, which may be absent."""

    def __init__(self, folder: Path) -> None:
        super().__init__(directory=folder, check_dir=False)
        self._built = folder

    async def check_config(self) -> None:
        """Nothing: an absent folder holds no file, which is no fault of the server's."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        if path == ENTRY and not (self._built / ENTRY).is_file():
            return self._fresh(self.file_response(NOT_BUILT, NOT_BUILT.stat(), scope))
        response = await super().get_response(path, scope)
        if path.startswith("assets/") and response.status_code == 200:
            # Named by their content.
            response.headers["Cache-Control"] = _FOREVER
            return response
        return self._fresh(response)

    @staticmethod
    def _fresh(response: Response) -> Response:
        response.headers["Cache-Control"] = "no-cache"
        return response
