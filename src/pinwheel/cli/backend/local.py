"""The commands on the database of the Airflow here."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from pinwheel.cli.backend.protocol import View
from pinwheel.core.selector import Selector

if TYPE_CHECKING:
    from pinwheel.services.ports.host import Host


class LocalBackend:
    """The commands on Airflow's database, with the rights of whoever may reach it."""

    def __init__(self, host: Host, *, actor: str) -> None:
        self.host = host
        self.actor = actor

    def select(self, selector: Selector) -> list[str]:
        from pinwheel.services.release.selecting import select

        return select(self.host, selector)

    def status(self, selector: Selector | None = None) -> list[View]:
        from pinwheel.services.show.plain import plain_all
        from pinwheel.services.show.status import status

        return plain_all(status(self.host, dag_ids=self._ids(selector)))

    def bundles(self, names: Sequence[str] = ()) -> View:
        from pinwheel.services.show.bundles import standings
        from pinwheel.services.show.plain import plain

        return plain(standings(self.host).only(names))

    def builds(self, dag_id: str) -> list[View]:
        from pinwheel.services.show.builds import builds
        from pinwheel.services.show.plain import plain_all

        return plain_all(builds(self.host, dag_id))

    def releases(self, dag_id: str, *, include_before: bool = False) -> list[View]:
        from pinwheel.services.show.builds import releases
        from pinwheel.services.show.plain import plain_all

        return plain_all(releases(self.host, dag_id, include_before=include_before))

    def history(
        self, dag_id: str, *, run_id: str | None = None, task_id: str | None = None, limit: int = 100
    ) -> list[View]:
        from pinwheel.services.history.tries import history
        from pinwheel.services.show.plain import plain_all

        return plain_all(history(self.host, dag_id, run_id=run_id, task_id=task_id, limit=limit))

    def diff(self, dag_id: str, from_build: int | None = None, to_build: int | None = None) -> View:
        from pinwheel.services.show.builds import diff
        from pinwheel.services.show.plain import plain

        return plain(diff(self.host, dag_id, from_build, to_build))

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
        from pinwheel.services.show.events import events
        from pinwheel.services.show.plain import plain_all

        found = events(
            self.host,
            dag_ids=self._ids(selector),
            limit=limit,
            kinds=kinds,
            before_id=before_id,
            since=since,
            until=until,
        )
        return plain_all(found)

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
        from pinwheel.core.release.decide import Verb
        from pinwheel.services.change import Change, apply
        from pinwheel.services.change import plan as plan_change
        from pinwheel.services.show.plain import plain_all

        selector.require(verb)
        change = Change(
            verb=Verb(verb),
            dag_ids=self.select(selector),
            actor=self.actor,
            reason=reason,
            build=build,
            bundle_version=bundle_version,
            to_release=to_release,
            expected_release=expected_release,
            request_id=request_id,
            rerun_failed=rerun_failed,
            to_blame=to_blame,
            selector=selector,
        )
        return plain_all((plan_change if plan else apply)(self.host, change))

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
        from pinwheel.services.run.trigger import trigger
        from pinwheel.services.show.plain import plain

        return plain(
            trigger(
                self.host,
                dag_id,
                actor=self.actor,
                build=build,
                bundle_version=bundle_version,
                run_id=run_id,
                logical_date=logical_date,
                conf=conf,
                note=note,
                reason=reason,
                request_id=request_id,
            )
        )

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
        from pinwheel.services.run.clear import clear
        from pinwheel.services.show.plain import plain_all

        cleared = clear(
            self.host,
            dag_id,
            run_ids,
            actor=self.actor,
            build=build,
            bundle_version=bundle_version,
            only_failed=only_failed,
            task_ids=task_ids,
            reason=reason,
            plan=plan,
            request_id=request_id,
        )
        return plain_all(cleared)

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
        from pinwheel.services.ports.runs import BackfillWish
        from pinwheel.services.run.backfill import BackfillView, backfill
        from pinwheel.services.show.plain import plain

        wish = BackfillWish(
            from_date=from_date,
            to_date=to_date,
            max_active_runs=max_active_runs,
            run_backwards=run_backwards,
            reprocess=reprocess_behavior,
            conf=dag_run_conf,
        )
        made = backfill(
            self.host,
            dag_id,
            wish,
            actor=self.actor,
            build=build,
            bundle_version=bundle_version,
            reason=reason,
            plan=plan,
            request_id=request_id,
        )
        return plain(BackfillView.of(made))

    def _ids(self, selector: Selector | None) -> list[str] | None:
        from pinwheel.services.release.selecting import select

        return None if selector is None else select(self.host, selector, retired=True)
