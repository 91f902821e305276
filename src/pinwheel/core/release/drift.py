"""Drift: Airflow's rows no longer describe the active release, because another writer changed them."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from attrs import field, frozen


@frozen(kw_only=True)
class Drift:
    """How the rows of one Dag differ from its active release."""

    dag_id: str
    found: dict[str, Any] = field(factory=dict)
    """Field to what was found there; the field names are Airflow's ``table.column``."""
    foreign_versions: tuple[UUID, ...] = ()
    """Versions above the active release that Pinwheel did not make."""
    version_missing: bool = False
    dag_missing: bool = False

    @property
    def of_version(self) -> bool:
        """Whether the released version stands, but says something else than what was released."""
        there = not (self.dag_missing or self.version_missing)
        return there and any(name.partition(".")[0] != "dag" for name in self.found)

    @property
    def summary(self) -> str:
        """One sentence for the event: what was found, in Airflow's terms."""
        if self.dag_missing:
            return "the dag row was deleted"
        parts = []
        if self.version_missing:
            parts.append("its dag_version was deleted")
        if self.foreign_versions:
            parts.append(f"{len(self.foreign_versions)} newer dag_version written by somebody else")
        parts += [f"{name} is {value!r}" for name, value in sorted(self.found.items())]
        return "; ".join(parts)
