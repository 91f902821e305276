"""The assets that the tasks of a serialized Dag read and write."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pinwheel.core.structure.diff import tasks_of
from pinwheel.core.structure.encoded import argument, unwrapped


def assets_of_tasks(serialized: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """Their names and URIs. An alias, and what refers to an asset by half of that, names none."""
    return frozenset(
        (str(asset["name"]), str(asset["uri"]))
        for task in tasks_of(serialized.get("dag", {})).values()
        for which in ("inlets", "outlets")
        for one in unwrapped(argument(task, which)) or ()
        if isinstance(asset := unwrapped(one), Mapping) and "name" in asset and "uri" in asset
    )
