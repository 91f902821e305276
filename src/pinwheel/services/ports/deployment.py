"""What is configured around the rows: bundles, how much is kept, and our own tables."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Protocol

from attrs import frozen

from pinwheel.core.json import Json
from pinwheel.core.retention import Keep
from pinwheel.core.rollout.authors import People

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class AirflowBundle:
    """What Airflow's row of a bundle says."""

    active: bool
    """The configuration names it."""
    refreshed_at: datetime | None


@frozen(kw_only=True)
class Leftovers:
    """What is still ours in Airflow's rows and configuration once the tables are gone."""

    bundles: tuple[str, ...]
    """Bundles of the configuration that use Pinwheel's classes."""
    aliased_dags: tuple[str, ...]
    """Dags whose version only Pinwheel's bundles read."""
    trial_versions: int
    rows_for_dates: int
    """Version rows that were made for runs of some dates."""


class Deployment(Protocol):
    """What is configured around the rows: bundles, how much is kept, and our own tables."""

    def retention(self) -> Keep:
        """How much the configuration says is to be kept.

        :raises InvalidInput: it says what makes no sense.
        """
        ...

    def runs_a_turn(self) -> int:
        """So many queued runs a scheduler looks at in a turn of its loop."""

    def runs_may_choose(self) -> bool:
        """Whether Airflow lets whoever makes a run name its bundle version."""

    def most_segments(self) -> int:
        """How many stretches of dates the tasks of a Dag may divide time into; 0: task windows are off.

        :raises InvalidInput: the configuration says what makes no sense.
        """
        ...

    def people(self, session: Session) -> People:
        """Who of those that a repository names is which user, as the configuration and the auth manager say.

        Not every auth manager says who its users are: then only those of the configuration are found.

        :raises InvalidInput: the configuration says what makes no sense.
        """
        ...

    def refuses_unknown(self, bundle_name: str, version: str, data: Json = None) -> bool | None:
        """Whether the bundle refuses a version that does not exist; True for one that this process does not
        know. Only then a run that is not bound yet can not execute anything.

        *version* is one that there is, with its data: of a bundle that refuses it too nobody can tell now,
        which is None.
        """
        ...

    def is_versioned(self, bundle_name: str) -> bool:
        """Whether the bundle keeps versions; True for one that this process does not know."""
        ...

    def bundle_is_configured(self, session: Session, bundle_name: str) -> bool:
        """Whether the deployment (not only this process) still has the bundle."""
        ...

    def serves_moved_files(self, session: Session, bundle_name: str) -> bool:
        """Whether the bundle's versions can serve a file under another path, or to another bundle."""
        ...

    def bundles(self, session: Session) -> dict[str, AirflowBundle]:
        """All bundles that Airflow has a row of, by name."""
        ...

    def own_tables(self, session: Session) -> list[str]:
        """Pinwheel's tables that exist in the database."""
        ...

    def drop_own_tables(self, session: Session) -> None:
        """Drop Pinwheel's tables and its version table."""
        ...

    def live_processors(self, session: Session) -> list[str]:
        """Machines on which a Dag processor is alive."""
        ...

    def leftovers(self, session: Session) -> Leftovers:
        """What stays ours without the tables."""
        ...
