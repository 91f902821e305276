"""Rollouts in memory: policies and rules, the keeper's turns, and what is seen of rollouts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from harness.in_memory import InMemory
from harness.platform_file import put_in_force
from pinwheel.core.rollout.gate import Answer, OfDigest, OfVersion, Verdict
from pinwheel.core.rollout.state import Place, Rollout
from pinwheel.services.rollout import advance
from pinwheel.store import policies, rollouts, verdicts
from pinwheel.store.policies import PolicySource
from pinwheel.store.rollouts import Wanted


class Rolling(InMemory):
    """The keeper looks only when :meth:`turn` is called."""

    def platform(self, text: str) -> None:
        """Let a platform's file be in force, from now on."""
        put_in_force(self.host, text)

    def repository(self, text: str) -> None:
        """Let these be the policies of the repository of ``dags``."""
        from pinwheel.core.parse.pinwheel_yaml import read

        read = read(text.encode())
        assert not read.wrong, read.wrong

        def work(session: Any) -> None:
            now = self.host.unit.now()
            policies.replace(session, PolicySource.REPOSITORY, "dags", read.policies, actor="dev", now=now)

        self.host.unit.run(work)

    def turn(self, seconds: float = 1) -> int:
        """A turn of the keeper, so much later; how many rollouts went on."""
        self.airflow.tick(seconds)
        done = advance.turn(self.host, lambda: 0.0)
        assert not done.faults, done.faults
        return done.moved

    def say(
        self,
        name: str,
        answer: str,
        *,
        place: Place | None = None,
        version: str | None = None,
        digest: str | None = None,
        by: str = "ci",
        rollout: Rollout | None = None,
        wake: bool = True,
    ) -> None:
        """A verdict of a check; with *rollout* a person's at its step. Without *wake* the signal is lost."""
        subject: Any = place or (OfVersion(bundle="dags", version=version) if version else None)
        subject = subject or (OfDigest(digest=digest) if digest else rollout and rollout.place)

        def work(session: Any) -> None:
            now = self.host.unit.now()
            verdict = Verdict(
                subject=subject,
                name=name,
                answer=Answer(answer),
                actor=by,
                at=now,
                rollout=rollout.id if rollout else None,
                step=rollout.step if rollout else None,
                attempt=rollout.attempt if rollout else None,
            )
            verdicts.add(session, verdict, dag_id="a" if place or rollout else None)
            if wake:
                rollouts.wake(session, now)

        self.host.unit.run(work)

    def rollouts(self, dag_id: str = "a") -> list[Rollout]:
        """Those of a Dag, the oldest first."""

        def work(session: Any) -> list[Rollout]:
            return rollouts.listed(session, Wanted(dag_ids=frozenset({dag_id})), limit=1000)[::-1]

        return self.host.unit.run(work)

    @property
    def last(self) -> Rollout:
        return self.rollouts()[-1]

    def states(self, dag_id: str = "a") -> list[str]:
        return [each.state.value for each in self.rollouts(dag_id)]

    def now(self) -> datetime:
        return self.host.unit.now()

    def next_at(self) -> Sequence[datetime | None]:
        from pinwheel.store import tables as t

        return [row.next_at for row in self.rows(t.rollout)]
