"""Words that all views share."""

from __future__ import annotations

from datetime import datetime

from pinwheel.core.release.follow import plain


def instant(value: datetime | None) -> str | None:
    """ISO 8601 in UTC."""
    return value.isoformat() if value is not None else None


def plain_version(version: str | None) -> str | None:
    """A bundle version as a person knows it: without the path aliases and the mark that Airflow's rows may
    carry.
    """
    return plain(version) if version is not None else None
