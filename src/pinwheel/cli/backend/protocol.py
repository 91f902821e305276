"""Where the commands do their work: on the database of the Airflow here, or on the REST API elsewhere.

Everything that goes in or comes out is plain: numbers, texts, lists and dictionaries that are the same for
both, so that ``--output json`` is too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from pinwheel.core.selector import Selector

if TYPE_CHECKING:
    pass

View = dict[str, Any]


class Backend(Protocol):
    """All that the CLI asks for. Each method raises only :class:`pinwheel.core.errors.PinwheelError`."""

    def select(self, selector: Selector) -> list[str]:
        """Ids of the Dags that a selector means, sorted; retired ones only when named. May be empty."""
        ...

    def status(self, selector: Selector | None = None) -> list[View]:
        """See ``services.show.status.StatusView``. None: every Dag, retired ones too."""
        ...

    def bundles(self, names: Sequence[str] = ()) -> View:
        """See ``services.show.bundles.Standings``."""
        ...

    def builds(self, dag_id: str) -> list[View]:
        """See ``services.show.builds.BuildView``."""
        ...

    def releases(self, dag_id: str, *, include_before: bool = False) -> list[View]:
        """See ``services.show.builds.ReleaseView``."""
        ...

    def history(
        self, dag_id: str, *, run_id: str | None = None, task_id: str | None = None, limit: int = 100
    ) -> list[View]:
        """See ``services.history.tries.TryView``."""
        ...

    def diff(self, dag_id: str, from_build: int | None = None, to_build: int | None = None) -> View:
        """See ``services.show.builds.DiffView``."""
        ...

    def events(
        self,
        selector: Selector | None = None,
        *,
        limit: int = 100,
        kinds: Sequence[str] | None = None,
        before_id: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> list[View]:
        """See ``services.show.events.EventView``."""
        ...

    def change(
        self,
        verb: str,
        selector: Selector,
        *,
        build: int | None = None,
        bundle_version: str | None = None,
        to_release: int | None = None,
        expected_release: int | None = None,
        reason: str | None = None,
        rerun_failed: bool = False,
        to_blame: bool = True,
        plan: bool = False,
        request_id: str | None = None,
    ) -> list[View]:
        """Promote, pin, unpin or roll back all selected Dags in one transaction, or with ``plan`` none.

        ``verb`` is a value of ``core.release.decide.Verb`` that a person may use. Returns one
        ``services.release.outcome.Outcome`` a Dag, in order of id.
        """
        ...

    def trigger(
        self,
        dag_id: str,
        *,
        build: int | None = None,
        bundle_version: str | None = None,
        run_id: str | None = None,
        logical_date: datetime | None = None,
        conf: dict[str, Any] | None = None,
        note: str | None = None,
        reason: str | None = None,
        request_id: str | None = None,
    ) -> View:
        """Start one run. See ``services.run.bound.Bound``."""
        ...

    def clear(
        self,
        dag_id: str,
        run_ids: Sequence[str],
        *,
        build: int | None = None,
        bundle_version: str | None = None,
        only_failed: bool = False,
        task_ids: Sequence[str] | None = None,
        reason: str | None = None,
        plan: bool = False,
        request_id: str | None = None,
    ) -> list[View]:
        """Let runs run again, all in one transaction. One ``services.run.trigger.Cleared`` each."""
        ...

    def backfill(
        self,
        dag_id: str,
        *,
        from_date: datetime,
        to_date: datetime,
        build: int | None = None,
        bundle_version: str | None = None,
        max_active_runs: int = 10,
        run_backwards: bool = False,
        reprocess_behavior: str = "none",
        dag_run_conf: dict[str, Any] | None = None,
        reason: str | None = None,
        plan: bool = False,
        request_id: str | None = None,
    ) -> View:
        """Run a Dag for the dates of a range. See ``services.run.backfill.BackfillView``."""
        ...
