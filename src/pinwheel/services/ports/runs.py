"""Runs on a chosen version: made, cleared and backfilled."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from attrs import frozen

from pinwheel.core.json import Json
from pinwheel.core.run.dates import RunDates

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class BackfillWish:
    """What somebody wants to have backfilled; the words are those of ``airflow backfill create``."""

    from_date: datetime
    to_date: datetime
    max_active_runs: int = 10
    run_backwards: bool = False
    reprocess: str = "none"
    """``none``, ``failed`` or ``completed``: which dates that have a run already are run again."""
    conf: dict[str, Json] | None = None
    on_latest: bool = False
    """Of Airflow's own: dates that are run again take the latest version, whatever its settings say."""


@frozen(kw_only=True)
class BackfillRun:
    """What a backfill made of one date."""

    run_id: str | None
    logical_date: datetime | None
    partition_key: str | None
    outcome: str
    """``new``, ``cleared``, or Airflow's reason to leave the date out."""
    seq: int
    """The run's clear number."""
    dag_version_id: UUID | None
    bundle_version: str | None


@frozen(kw_only=True)
class AirflowBackfill:
    """One backfill and its dates, in the order in which they run."""

    id: int
    runs: tuple[BackfillRun, ...]


class Runs(Protocol):
    """Runs on a chosen version: made, cleared and backfilled."""

    def create_run(
        self,
        session: Session,
        dag_id: str,
        dag_version_id: UUID,
        *,
        bundle_version: str | None,
        run_id: str | None,
        logical_date: datetime | None,
        conf: dict[str, Json] | None,
        note: str | None,
        actor: str,
        of_its_dates: Callable[[RunDates], UUID | None] | None = None,
    ) -> tuple[str, int]:
        """Create a queued manual run bound to both versions; return its id and clear number.

        Its interval is that of the version. ``of_its_dates``: the version row that it is to be on and is
        asked for as by the dates which that gives it; None: this one all the same.
        """
        ...

    def mark_waiting(
        self, session: Session, dag_ids: Collection[str], *, marked: bool, anew: bool = False
    ) -> int:
        """Give queued runs of these Dags the mark, or take it from them, as ``core.run.mark`` says; how many.

        ``anew``: those too that were judged by their dates. Without the mark a run has what the Dag's row
        names.
        """
        ...

    def would_clear(
        self,
        session: Session,
        dag_id: str,
        run_id: str,
        *,
        of: Collection[str],
        only_failed: bool,
        task_ids: Collection[str] | None,
    ) -> bool:
        """Whether :meth:`clear_run` of some tasks finds something to run again, given the version's tasks."""
        ...

    def clear_run(
        self,
        session: Session,
        dag_id: str,
        run_id: str,
        *,
        dag_version_id: UUID | None,
        bundle_version: str | None,
        only_failed: bool,
        task_ids: Collection[str] | None,
    ) -> tuple[int, int, UUID | None, str | None]:
        """Clear a run's task instances, bound to other versions if they are given.

        Returns how many were cleared, the run's clear number, and the version and bundle version it has now.
        """
        ...

    def create_backfill(
        self,
        session: Session,
        dag_id: str,
        dag_version_id: UUID,
        wish: BackfillWish,
        *,
        bundle_version: str | None,
        actor: str,
    ) -> AirflowBackfill:
        """Create a backfill all of whose runs are bound to both versions."""
        ...

    def create_default_backfill(self, dag_id: str, wish: BackfillWish, *, actor: str) -> int:
        """Let Airflow create a backfill and return its id. It commits by itself: never inside :meth:`run`."""
        ...

    def plan_default_backfill(
        self, session: Session, dag_id: str, wish: BackfillWish
    ) -> tuple[BackfillRun, ...]:
        """What Airflow would make of each date."""
        ...

    def backfill_since(
        self, session: Session, dag_id: str, wish: BackfillWish, since: datetime, *, actor: str
    ) -> int | None:
        """The id of the backfill that this actor, asking for just this, made since then, if there is one."""
        ...

    def hold_runs(self, session: Session, ids: Collection[int], state: str) -> set[int]:
        """Hold those of these runs that are in this state, until the transaction ends.

        What somebody else holds, a scheduler that starts it, say, is left out.
        """
        ...

    def move_behind(self, session: Session, ids: Collection[int]) -> int:
        """Move runs behind all others of their backfill, until they are bound; how many were moved."""
        ...

    def run_failed_again(self, session: Session, dag_id: str, run_id: str, since: datetime) -> int:
        """Let tasks of a running run run again that failed since, with what failed for that; how many."""
        ...

    def backfill_runs(self, session: Session, backfill_id: int) -> tuple[BackfillRun, ...]:
        """The dates of a backfill, in the order in which they run."""
        ...

    def rebind_run(
        self, session: Session, dag_id: str, run_id: str, *, dag_version_id: UUID, bundle_version: str
    ) -> None:
        """Put a run that has not ended on another version: its row, task instances and deadlines.

        Tries that ran stay, and what the version has no task for is marked removed. A run that waited behind
        the others of its backfill is back in its place.

        :raises Refused: the version is gone, or the run's task instances are not its tasks then.
        """
        ...
