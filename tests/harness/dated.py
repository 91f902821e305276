"""Timelines over ports in memory, with a Dag processor that looks at builds when it is asked."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.in_memory import InMemory
from pinwheel.core.request import ClearDatedRequest, EraWish, TimelineRequest
from pinwheel.services.timeline import change, check, clear_runs, show
from pinwheel.services.timeline.views import CheckView, ClearedByDate, TimelineChange, TimelineView
from pinwheel.store import builds, trial_parses


class Looking:
    """Instead of waiting: the processor's answer, by build number. Without one the build is all right."""

    def __init__(self, world: Any, answers: Mapping[int, tuple[str, str]] | None = None) -> None:
        self.world = world
        self.answers = dict(answers or {})
        self.asked: list[int] = []
        self.dead = False
        self.runtime: str | None = None
        """In which it parses; None: in that of each build."""

    def __call__(self, _: float) -> None:
        if not self.dead:
            self.world.host.unit.run(self._answer)

    def _answer(self, session: Any) -> None:
        now = self.world.host.unit.now()
        for question in trial_parses.open_questions(session, now):
            build = builds.by_ids(session, [question.build_id])[question.build_id]
            self.asked.append(build.build)
            problem, error = self.answers.get(build.build, (None, None))
            trial_parses.answer(
                session,
                question,
                ok=problem is None,
                now=now,
                problem=problem,
                error=error,
                digest=build.serialized_digest,
                runtime=self.runtime or build.runtime or None,
            )


class Dated:
    """The Dag ``a`` of a world, and its timeline."""

    def __init__(self, world: InMemory) -> None:
        self.world = world
        self.host = world.host
        self.looking = Looking(world)
        world.airflow.processors = ["here"]

    def ask(self, verb: str, *eras: EraWish, **more: Any) -> TimelineChange:
        self.world.airflow.tick(60)
        actor = more.pop("actor", "ada")
        request = TimelineRequest(dag_id=more.pop("dag_id", "a"), verb=verb, eras=eras, **more)
        return change.change(self.host, request, actor=actor, sleep=self.looking)

    def set(
        self,
        starts: str | None,
        until: str | None,
        build: int | None = 1,
        version: str | None = None,
        **more: Any,
    ) -> TimelineChange:
        wish = EraWish(starts=starts, until=until, build=build, bundle_version=version)
        return self.ask("set", wish, **more)

    def unset(self, starts: str | None, until: str | None, **more: Any) -> TimelineChange:
        return self.ask("unset", EraWish(starts=starts, until=until), **more)

    def show(self, **more: Any) -> TimelineView:
        return show.show(self.host, "a", **more)

    def spans(self) -> list[tuple[str | None, str | None, int | None, bool]]:
        """From, until, build and whether it is a gap, in the order of dates."""
        return [(each.from_, each.until, each.build, each.gap) for each in self.show().stretches]

    def check(self) -> CheckView:
        return check.check(self.host, "a")

    def clear(self, **more: Any) -> ClearedByDate:
        self.world.airflow.tick(60)
        return clear_runs.clear(self.host, ClearDatedRequest(dag_id="a", **more), actor="ada")
