"""What runs are bound to and came to, by Pinwheel's tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Self
from uuid import UUID

from attrs import frozen
from sqlalchemy import select

from pinwheel.services.ports.memory.airflow import RunRow
from pinwheel.store import tables as t

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

Key = tuple[str, str, int]
"""Dag, run and clear number."""


@frozen
class Bound:
    """The bindings (version and chooser) and the outcomes (version, state and end) of all runs."""

    bindings: dict[Key, tuple[UUID | None, str]]
    outcomes: dict[Key, tuple[UUID | None, str, datetime]]

    @classmethod
    def of(cls, session: Session) -> Self:
        b = t.binding.c
        bindings = session.execute(
            select(b.dag_id, b.run_id, b.seq, b.dag_version_id, b.bound_by).order_by(b.part)
        )
        outcomes = session.execute(select(t.outcome))
        return cls(
            {(row.dag_id, row.run_id, row.seq): (row.dag_version_id, row.bound_by) for row in bindings},
            {
                (row.dag_id, row.run_id, row.seq): (row.dag_version_id, row.state, row.ended_at)
                for row in outcomes
            },
        )

    def version_of(self, run: RunRow) -> UUID | None:
        """That of its binding; of a run that was never bound Airflow's own row is right."""
        return self.bindings.get(_key(run), (None, ""))[0] or run.dag_version_id

    def by(self, run: RunRow) -> str | None:
        return self.bindings[_key(run)][1] if self.has_binding(run) else None

    def has_binding(self, run: RunRow) -> bool:
        return _key(run) in self.bindings

    def came_to(self, run: RunRow) -> str | None:
        """The state in which it ended, where that was recorded."""
        return self.outcomes[_key(run)][1] if _key(run) in self.outcomes else None

    def went_on(self, run: RunRow) -> UUID | None:
        """The version on which it ended, or that it is bound to."""
        ended = self.outcomes.get(_key(run))
        return (ended[0] if ended else None) or self.version_of(run)

    def counts(
        self, runs: Iterable[RunRow], counts: Callable[[str, UUID | None, str], bool]
    ) -> dict[UUID | None, dict[str, int]]:
        """How many runs are in which state on each version, each once on each: as it went there last.

        *counts* is asked by Dag, version and state.
        """
        found = Counter((version, state) for version, state, _ in self.each(runs, counts))
        by_version: dict[UUID | None, dict[str, int]] = {}
        for (version, state), number in found.items():
            by_version.setdefault(version, {})[state] = number
        return by_version

    def each(
        self, runs: Iterable[RunRow], counts: Callable[[str, UUID | None, str], bool]
    ) -> Iterator[tuple[UUID | None, str, datetime | None]]:
        """What :meth:`counts` counts: version, state and end."""
        present = {(run.dag_id, run.run_id): run for run in runs}
        for (dag_id, run_id, seq), (version, state, ended) in self.outcomes.items():
            run = present.get((dag_id, run_id))
            later = any(
                key[:2] == (dag_id, run_id) and key[2] > seq and of == version
                for key, (of, _, _) in self.outcomes.items()
            )
            goes_on = run is not None and run.clear_number > seq and self.version_of(run) == version
            if counts(dag_id, version, state) and not later and not goes_on:
                yield version, state, ended
        for run in present.values():
            if self.came_to(run) is None and counts(run.dag_id, self.version_of(run), run.state):
                yield self.version_of(run), run.state, run.end_date


def _key(run: RunRow) -> Key:
    return (run.dag_id, run.run_id, run.clear_number)
