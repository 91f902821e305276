"""Where the commands do their work: on the database of the Airflow here, or on the REST API elsewhere.

Everything that goes in or comes out is plain: numbers, texts, lists and dictionaries that are the same for
both, so that ``--output json`` is too.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Protocol

from pinwheel.core.request import (
    ANY_STATE,
    EVERY,
    BackfillRequest,
    ChangeRequest,
    ClearDatedRequest,
    ClearRequest,
    HistoryRequest,
    Selection,
    States,
    TimelineRequest,
    TriggerRequest,
)
from pinwheel.core.rule_request import (
    CheckRequest,
    DocumentRequest,
    FreezeRequest,
    LiftRequest,
    RolloutRequest,
    TrialRequest,
)
from pinwheel.core.side import Which

View = dict[str, Any]


class Backend(Protocol):
    """All that the CLI asks for. Each method raises only :class:`pinwheel.core.errors.PinwheelError`."""

    @property
    def address(self) -> str | None:
        """Where Airflow's pages are, without a slash at the end; None: nobody said."""
        ...

    def select(self, selection: Selection) -> list[str]:
        """Ids of the Dags that a selection means, sorted. May be empty."""
        ...

    def status(
        self, selection: Selection = EVERY, *, states: States = ANY_STATE, runs: bool = False
    ) -> list[View]:
        """See ``services.show.status.StatusView``; of Dags in these states, with ``runs`` if asked for."""
        ...

    def bundles(self, names: Sequence[str] = ()) -> View:
        """See ``services.show.bundles.Standings``."""
        ...

    def keeper(self) -> View:
        """See ``services.upkeep.keeper_status.KeeperStatus``."""
        ...

    def builds(self, dag_id: str) -> list[View]:
        """See ``services.show.builds.BuildView``."""
        ...

    def releases(self, dag_id: str, *, include_before: bool = False) -> list[View]:
        """See ``services.show.builds.ReleaseView``."""
        ...

    def history(self, request: HistoryRequest) -> list[View]:
        """See ``services.history.tries.TryView``."""
        ...

    def diff(self, dag_id: str, from_build: Which = None, to_build: Which = None) -> View:
        """See ``services.show.builds.DiffView``."""
        ...

    def events(
        self,
        selection: Selection = EVERY,
        *,
        limit: int = 100,
        kinds: Sequence[str] | None = None,
        actor: str | None = None,
        search: str | None = None,
        batch: str | None = None,
        before_id: int | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        fold: bool = False,
    ) -> list[View]:
        """See ``services.show.events.EventView``."""
        ...

    def plan(self, request: ChangeRequest) -> View:
        """What a change would do: ``outcomes`` as of :meth:`change`, and ``refused``, a problem a Dag."""
        ...

    def change(self, request: ChangeRequest) -> list[View]:
        """Change all selected Dags in one transaction: one ``services.release.outcome.Outcome`` a Dag.

        Of a plan one refusal is an error, as of the change.
        """
        ...

    def trigger(self, request: TriggerRequest) -> View:
        """Start one run. See ``services.run.trigger.TriggerView``."""
        ...

    def clear(self, request: ClearRequest) -> list[View]:
        """Let runs run again, all in one transaction. One ``services.run.bound.Cleared`` each."""
        ...

    def backfill(self, request: BackfillRequest) -> View:
        """Run a Dag for the dates of a range. See ``services.run.backfill.BackfillView``."""
        ...

    def timeline(self, dag_id: str, *, at: str | None = None, as_of: str | None = None) -> View:
        """See ``services.timeline.views.TimelineView``."""
        ...

    def timeline_history(self, dag_id: str) -> list[View]:
        """Every revision, newest first. See ``services.timeline.views.RevisionView``."""
        ...

    def check_timeline(self, dag_id: str) -> View:
        """See ``services.timeline.views.CheckView``."""
        ...

    def change_timeline(self, request: TimelineRequest) -> View:
        """Make a new revision. See ``services.timeline.views.TimelineChange``."""
        ...

    def rollouts(
        self,
        dag_ids: Sequence[str] = (),
        *,
        states: Sequence[str] = (),
        version: str | None = None,
        waiting_for: str | None = None,
        limit: int = 100,
    ) -> list[View]:
        """Those that wait for a person first. See ``services.rollout.show.RolloutView``."""
        ...

    def rollout(self, dag_id: str) -> View:
        """The one of a Dag that is on its way, else its last. See ``services.rollout.show.RolloutView``."""
        ...

    def act(self, request: RolloutRequest) -> View:
        """Do something to a rollout. See ``services.rollout.acts.RolloutActed``."""
        ...

    def set_check(self, request: CheckRequest) -> View:
        """Say what a check found. See ``services.rollout.checks.CheckSet``."""
        ...

    def clear_by_date(self, request: ClearDatedRequest) -> View:
        """Run again what does not match. See ``services.timeline.views.ClearedByDate``."""
        ...

    def freeze(self, request: FreezeRequest) -> View:
        """Let no place of Dags be released for a time. See ``services.rollout.freeze.FreezeChange``."""
        ...

    def freezes(self) -> list[View]:
        """Those that hold or will hold. See ``services.rollout.freeze.FreezeView``."""
        ...

    def lift(self, request: LiftRequest) -> View:
        """End a freeze. See ``services.rollout.freeze.FreezeChange``."""
        ...

    def windows(self, dag_id: str, *, at: datetime | None = None) -> View:
        """See ``services.rollout.windows.WindowsView``."""

    def policies(self) -> View:
        """See ``services.policy.show.Documents``."""
        ...

    def policy_document(self, name: str, *, repository: bool = False) -> View:
        """See ``services.policy.show.DocumentView``."""
        ...

    def save_policies(self, request: DocumentRequest) -> View:
        """See ``services.policy.save.Saved``."""
        ...

    def try_policies(self, request: TrialRequest) -> View:
        """See ``services.policy.trial.Tried``."""
        ...

    def explain_policy(self, dag_id: str) -> View:
        """See ``services.policy.explain.Explained``."""
        ...
