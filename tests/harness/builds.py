"""Builds as plain values, for tests of decisions: no database."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from attrs import evolve

from pinwheel.core.build import Build


def build(number: int, **changes: Any) -> Build:
    """Build *number* of the Dag ``sales``: another number is another content of another bundle version."""
    base = Build(
        id=100 + number,
        dag_id="sales",
        build=number,
        digest=f"d{number}",
        serialized_digest=f"s{number}",
        inputs_digest=f"i{number}",
        bundle_name="dags",
        bundle_version=f"v{number}",
        relative_fileloc="sales.py",
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )
    return evolve(base, **changes)
