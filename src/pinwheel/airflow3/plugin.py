"""What Airflow loads of Pinwheel in each of its components. Wiring only, and light.

Plugins load in every component, workers included, so nothing is imported here that not all of them need:
each list is made when a component asks for it. Only the API server asks for ``fastapi_apps``
(``plugins_manager.get_fastapi_plugins``, 3.3 and 3.4); workers never import FastAPI because of us.
"""

from __future__ import annotations

import logging
from functools import cached_property
from typing import Any

from airflow.plugins_manager import AirflowPlugin

from pinwheel.airflow3.compat import airflow_is_supported, overview_pages, unsupported_message

log = logging.getLogger(__name__)

URL_PREFIX = "/pinwheel"


class PinwheelPlugin(AirflowPlugin):
    """The REST API and the pages below ``/pinwheel``, and the listener that records bindings."""

    name = "pinwheel"

    @classmethod
    def on_load(cls, *args: Any, **kwargs: Any) -> None:
        if not airflow_is_supported():
            log.warning(unsupported_message())

    @cached_property
    def listeners(self) -> list[Any]:
        if not airflow_is_supported():
            return []
        from pinwheel.airflow3.run import listener

        return [listener]

    @cached_property
    def macros(self) -> list[Any]:
        """In templates ``macros.pinwheel.…``."""
        if not airflow_is_supported():
            return []
        from pinwheel.sdk import release_url

        return [release_url]

    @cached_property
    def fastapi_apps(self) -> list[Any]:
        if not airflow_is_supported():
            return []
        try:
            return [{"name": "Pinwheel", "url_prefix": URL_PREFIX, "app": _app()}]
        except Exception:
            # An error of ours must not keep Airflow's API server from starting.
            log.exception("Pinwheel's REST API is switched off")
            return []

    @cached_property
    def react_apps(self) -> list[Any]:
        if not self.fastapi_apps:
            return []
        return [dict(page) for page in (*_PAGES, *(_OVERVIEWS if overview_pages() else ()))]


def _page(name: str, destination: str, url_route: str, **more: Any) -> dict[str, Any]:
    icon = {
        "icon": f"{_STATIC}/icon.svg",
        "icon_dark_mode": f"{_STATIC}/icon-dark.svg",
    }
    # Relative, as Airflow's UI resolves it against its own base: the server may be mounted below a path.
    return {
        "name": name,
        "destination": destination,
        "url_route": url_route,
        "bundle_url": f"{_STATIC}/main.js",
        **icon,
        **more,
    }


_STATIC = f"{URL_PREFIX.lstrip('/')}/static"
_PAGES = (
    _page("Releases", "nav", "releases", nav_top_level=True),
    _page("Releases", "dag", "dag-releases"),
    # Not "History": Airflow's UI looks the name up on globalThis, where browsers have a History of their own.
    _page("Dag History", "dag", "dag-history"),
    _page("Version", "dag_run", "run-version"),
    _page("Version", "task_instance", "task-version"),
    _page("Pinwheel Home", "dashboard", "home-card"),
)
"""The name is the label, and where ``ui/src/main.tsx`` puts the component. Each ``url_route`` is unique."""

_OVERVIEWS = (
    _page("Pinwheel Overview", "dag_overview", "dag-card"),
    _page("Pinwheel Overview", "task_overview", "task-card"),
)


def _app() -> Any:
    from pinwheel.airflow3.access import authenticated
    from pinwheel.airflow3.host import airflow_host
    from pinwheel.api.app import create_app

    return create_app(airflow_host(), authenticated)
