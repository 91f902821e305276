"""Airflow's rows of Dags and their versions, as releases write them."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Protocol
from uuid import UUID

from attrs import frozen

from pinwheel.core.json import Json
from pinwheel.core.records import ManagedDag
from pinwheel.core.release.drift import Drift
from pinwheel.core.release.follow import Follower, Step
from pinwheel.core.release.rows import Location, Projected, Projection

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class Observed:
    """What Airflow's rows say of a Dag before a release is written to them."""

    highest: int
    """The highest version number; 0: there is none from 1 on."""
    drift: Drift | None
    """How they differ from the active release; None: they do not, or there is none."""
    references: frozenset[str]
    """Tables that have asset references of the Dag."""
    keeps_assets: bool | None = None
    """Whether assets are kept active for runs on other builds than the active ones; None: nobody looked."""


class Rows(Protocol):
    """Airflow's rows of Dags and their versions, as releases write them."""

    def project(self, session: Session, projections: Sequence[Projection]) -> dict[str, Projected]:
        """Make each Dag's rows describe the given build, as a new newest version. No file is read."""
        ...

    def reassert(self, session: Session, projections: Sequence[Projection]) -> None:
        """Write the Dag rows (not the version) anew, as each parse does in stock Airflow."""
        ...

    def standing(self, session: Session, dag_ids: Sequence[str]) -> dict[str, str]:
        """By Dag, a digest of the rows that :meth:`reassert` writes; if equal, that would change nothing.

        A Dag for which that can not be said is left out.
        """
        ...

    def due_to_follow(
        self, session: Session, bundle_name: str, version: str, dag_ids: Collection[str] | None
    ) -> list[Follower]:
        """Unpinned Dags (of these, or all) whose new runs do not take *version*, their bundle's head.

        Their active build stands in it, if their file is not pending. Rows that somebody holds are left out;
        the others are held until the transaction ends.
        """
        ...

    def follow(self, session: Session, steps: Sequence[Step]) -> None:
        """Let the rows of Dags that were due, Airflow's and ours, name the version that they follow to."""
        ...

    def mark_rows(self, session: Session, row_versions: Mapping[str, str]) -> None:
        """Let the rows of Dags, Airflow's and ours, name these versions, which have the mark or lose it."""
        ...

    def strip_marks(self, session: Session, but: Collection[str] = (), *, ended: bool = True) -> int:
        """Take the mark from Airflow's rows of Dags and runs, but for these Dags'; how many rows had it.

        ``ended``: of runs that have ended too, for which all runs are looked through.
        """
        ...

    def lost_marks(self, session: Session) -> list[str]:
        """Dags whose runs are to be born with the mark, and whose row in Airflow has it no longer."""
        ...

    def touch(self, session: Session, dag_ids: Sequence[str]) -> None:
        """Note on the Dag rows that they were just looked at."""
        ...

    def restore(self, session: Session, projections: Sequence[Projection]) -> dict[str, Projected]:
        """Put an existing version's rows back to what was released, or re-create them under their id."""
        ...

    def retire(self, session: Session, dag_ids: Collection[str]) -> None:
        """Take Dags off the schedule (Airflow's "stale") and drop what refers to them as consumers."""
        ...

    def write_trial(self, session: Session, projection: Projection) -> UUID:
        """Add a version that is not the newest one and return its id; the Dag row stays as it is."""
        ...

    def move_version(self, session: Session, dag_version_id: UUID, location: Location) -> None:
        """Let a version that no run refers to name another place."""
        ...

    def observe(self, session: Session, dags: Mapping[str, ManagedDag]) -> dict[str, Observed]:
        """What Airflow's rows say of each of these Dags, given their own rows, by id."""
        ...

    def drifted(self, session: Session, dag_ids: Collection[str] | None = None) -> list[Drift]:
        """Dags whose rows differ from their active release."""
        ...

    def delete_unused_versions(self, session: Session, ids: Collection[UUID]) -> set[UUID]:
        """Delete those of the versions that nothing refers to and return them."""
        ...

    def with_runs(self, session: Session, dag_ids: Collection[str]) -> set[str]:
        """Those of the Dags that have a run; the scheduler makes none for any until the transaction ends."""
        ...

    def audit(
        self, session: Session, *, event: str, dag_id: str | None, actor: str, details: Mapping[str, Json]
    ) -> None:
        """Write one line to Airflow's audit log."""
        ...

    def show_errors(
        self,
        session: Session,
        bundle_name: str,
        errors: Mapping[str, Mapping[str, str]],
        *,
        tell: bool = True,
    ) -> None:
        """Make Airflow's import errors of each of these files these, without touching its Dags.

        ``errors`` has for each file a traceback by path (in a zip there are several); none: clear them.
        Listeners are told, unless the caller says that it is no news.
        """
        ...

    def show_warnings(
        self, session: Session, dag_ids: Collection[str], warnings: Sequence[Mapping[str, str]]
    ) -> None:
        """Make Airflow's warnings on these Dags these."""
        ...
