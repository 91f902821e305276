"""Words that all views share."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from pinwheel.core.version_alias import split_version

if TYPE_CHECKING:
    pass


def instant(value: datetime | None) -> str | None:
    """ISO 8601 in UTC."""
    return value.isoformat() if value is not None else None


def plain_version(version: str | None) -> str | None:
    """A bundle version as a person knows it: without the path aliases that Airflow's rows may carry."""
    if version is None:
        return None
    try:
        return split_version(version)[0]
    except ValueError:
        return version
