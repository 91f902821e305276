"""The commands on the database of the Airflow here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pinwheel.cli.backend.protocol import View
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

if TYPE_CHECKING:
    from pinwheel.services.ports.host import Host


class LocalBackend:
    """The commands on Airflow's database, with the rights of whoever may reach it."""

    def __init__(self, host: Host, *, actor: str, address: str | None = None) -> None:
        self.host = host
        self.actor = actor
        self.address = address

    def select(self, selection: Selection) -> list[str]:
        from pinwheel.services.release.selecting import select

        return select(self.host, selection)

    def status(
        self, selection: Selection = EVERY, *, states: States = ANY_STATE, runs: bool = False
    ) -> list[View]:
        from pinwheel.services.show.plain import plain_all
        from pinwheel.services.show.status import status

        return plain_all(status(self.host, dag_ids=self._ids(selection), states=states, runs=runs))

    def bundles(self, names: Sequence[str] = ()) -> View:
        from pinwheel.services.show.bundles import standings
        from pinwheel.services.show.plain import plain

        return plain(standings(self.host).only(names))

    def keeper(self) -> View:
        from pinwheel.services.show.plain import plain
        from pinwheel.services.upkeep.keeper_status import keeper_status

        return plain(keeper_status(self.host))

    def builds(self, dag_id: str) -> list[View]:
        from pinwheel.services.show.builds import builds
        from pinwheel.services.show.plain import plain_all

        return plain_all(builds(self.host, dag_id))

    def releases(self, dag_id: str, *, include_before: bool = False) -> list[View]:
        from pinwheel.services.show.builds import releases
        from pinwheel.services.show.plain import plain_all

        return plain_all(releases(self.host, dag_id, include_before=include_before))

    def history(self, request: HistoryRequest) -> list[View]:
        from pinwheel.services.history.tries import history
        from pinwheel.services.show.plain import plain_all

        return plain_all(history(self.host, request).tries)

    def diff(self, dag_id: str, from_build: Which = None, to_build: Which = None) -> View:
        from pinwheel.services.show.builds import diff
        from pinwheel.services.show.plain import plain

        return plain(diff(self.host, dag_id, from_build, to_build))

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
        from pinwheel.services.show.events import events
        from pinwheel.services.show.plain import plain_all

        found = events(
            self.host,
            dag_ids=self._ids(selection),
            limit=limit,
            kinds=kinds,
            actor=actor,
            search=search,
            batch=batch,
            before_id=before_id,
            since=since,
            until=until,
            fold=fold,
        )
        return plain_all(found)

    def plan(self, request: ChangeRequest) -> View:
        from pinwheel.core.problem import problem_of
        from pinwheel.services.change import Change, plan
        from pinwheel.services.show.plain import plain_all

        wanted = Change(request=request, dag_ids=self.select(request.selection), actor=self.actor)
        planned = plan(self.host, wanted)
        refused = [{"dag_id": each.dag_id, **problem_of(each.error)} for each in planned.refused]
        return {"outcomes": plain_all(planned.outcomes), "refused": refused}

    def change(self, request: ChangeRequest) -> list[View]:
        from pinwheel.services.change import Change, apply
        from pinwheel.services.show.plain import plain_all

        dag_ids = self.select(request.selection)
        return plain_all(apply(self.host, Change(request=request, dag_ids=dag_ids, actor=self.actor)))

    def trigger(self, request: TriggerRequest) -> View:
        from pinwheel.services.run.trigger import TriggerView, trigger
        from pinwheel.services.show.plain import plain

        return plain(TriggerView.of(request, trigger(self.host, request, actor=self.actor)))

    def clear(self, request: ClearRequest) -> list[View]:
        from pinwheel.services.run.clear import clear
        from pinwheel.services.show.plain import plain_all

        return plain_all(clear(self.host, request, actor=self.actor))

    def backfill(self, request: BackfillRequest) -> View:
        from pinwheel.services.run.backfill import BackfillView, backfill
        from pinwheel.services.show.plain import plain

        return plain(BackfillView.of(backfill(self.host, request, actor=self.actor)))

    def timeline(self, dag_id: str, *, at: str | None = None, as_of: str | None = None) -> View:
        from pinwheel.services.show.plain import plain
        from pinwheel.services.timeline.show import show

        return plain(show(self.host, dag_id, at=at, when=as_of))

    def timeline_history(self, dag_id: str) -> list[View]:
        from pinwheel.services.show.plain import plain_all
        from pinwheel.services.timeline.show import revisions

        return plain_all(revisions(self.host, dag_id))

    def check_timeline(self, dag_id: str) -> View:
        from pinwheel.services.show.plain import plain
        from pinwheel.services.timeline.check import check

        return plain(check(self.host, dag_id))

    def change_timeline(self, request: TimelineRequest) -> View:
        from pinwheel.services.show.plain import plain
        from pinwheel.services.timeline.change import change

        return plain(change(self.host, request, actor=self.actor))

    def clear_by_date(self, request: ClearDatedRequest) -> View:
        from pinwheel.services.show.plain import plain
        from pinwheel.services.timeline.clear_runs import clear

        return plain(clear(self.host, request, actor=self.actor))

    def freeze(self, request: FreezeRequest) -> View:
        from pinwheel.services.rollout.freeze import freeze
        from pinwheel.services.show.plain import plain

        return plain(freeze(self.host, request, actor=self.actor))

    def freezes(self) -> list[View]:
        from pinwheel.services.rollout.freeze import listed
        from pinwheel.services.show.plain import plain_all

        return plain_all(listed(self.host))

    def lift(self, request: LiftRequest) -> View:
        from pinwheel.services.rollout.freeze import lift
        from pinwheel.services.show.plain import plain

        return plain(lift(self.host, request, actor=self.actor))

    def windows(self, dag_id: str, *, at: datetime | None = None) -> View:
        from pinwheel.services.rollout.windows import windows
        from pinwheel.services.show.plain import plain

        return plain(windows(self.host, dag_id, at=at))

    def policies(self) -> View:
        from pinwheel.services.policy.show import documents
        from pinwheel.services.show.plain import plain

        return plain(documents(self.host))

    def policy_document(self, name: str, *, repository: bool = False) -> View:
        from pinwheel.services.policy.show import document
        from pinwheel.services.show.plain import plain

        return plain(document(self.host, name, repository=repository))

    def save_policies(self, request: DocumentRequest) -> View:
        from pinwheel.services.policy.save import save
        from pinwheel.services.show.plain import plain

        return plain(
            save(
                self.host,
                request.document,
                request.text.encode(),
                actor=self.actor,
                reason=request.reason,
                plan=request.plan,
            )
        )

    def try_policies(self, request: TrialRequest) -> View:
        from pinwheel.services.policy.trial import try_out
        from pinwheel.services.show.plain import plain

        return plain(
            try_out(
                self.host,
                request.text.encode(),
                dag_ids=self._ids(request.selection),
                document=request.document,
                bundle=request.bundle,
            )
        )

    def explain_policy(self, dag_id: str) -> View:
        from pinwheel.services.policy.explain import explain
        from pinwheel.services.show.plain import plain

        return plain(explain(self.host, dag_id))

    def rollouts(
        self,
        dag_ids: Sequence[str] = (),
        *,
        states: Sequence[str] = (),
        version: str | None = None,
        waiting_for: str | None = None,
        limit: int = 100,
    ) -> list[View]:
        from pinwheel.services.rollout.show import Asked, listed_of
        from pinwheel.services.show.plain import plain_all

        asked = Asked(
            dag_ids=frozenset(dag_ids) if dag_ids else None,
            states=frozenset(states),
            version=version,
            waiting_for=waiting_for,
        )
        return plain_all(listed_of(self.host, asked, limit=limit))

    def rollout(self, dag_id: str) -> View:
        from pinwheel.services.rollout.show import of_dag
        from pinwheel.services.show.plain import plain

        return plain(of_dag(self.host, dag_id))

    def act(self, request: RolloutRequest) -> View:
        from pinwheel.services.rollout.acts import act
        from pinwheel.services.rules.overriding import Who
        from pinwheel.services.show.plain import plain

        return plain(act(self.host, request, Who(actor=self.actor)))

    def set_check(self, request: CheckRequest) -> View:
        from pinwheel.services.rollout.checks import set_check
        from pinwheel.services.show.plain import plain

        return plain(set_check(self.host, request, actor=self.actor))

    def _ids(self, selection: Selection) -> list[str] | None:
        return None if selection.whole else self.select(selection)
