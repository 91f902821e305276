"""Rollouts in memory: policies and rules, the keeper's turns, and what is seen of rollouts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from harness.in_memory import InMemory
from harness.platform_file import put_in_force
from pinwheel.core.rollout.gate import Answer, OfDigest, OfVersion, Verdict
from pinwheel.core.rollout.state import Place, Rollout
from pinwheel.core.rule_request import RolloutRequest
from pinwheel.services.rollout import acts, advance
from pinwheel.services.rollout.acts import RolloutActed
from pinwheel.services.rollout.advance import Sweep
from pinwheel.services.rules.overriding import Who
from pinwheel.services.run import bindings
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

    def sweep(self, seconds: float = 1) -> int:
        """A look at what nobody woke, so much later; how many rollouts went on."""
        self.airflow.tick(seconds)
        done = Sweep(self.host).look()
        assert not done.faults, done.faults
        return done.moved

    def act(self, verb: str, *, actor: str = "grace", **more: Any) -> RolloutActed:
        self.airflow.tick(60)
        wanted = RolloutRequest(**{"dag_id": "a", "verb": verb, "reason": "a reason", **more})
        return acts.act(self.host, wanted, Who(actor=actor))

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

    def ran(self, *run_ids: str, failed: str | None = None, dag_id: str = "a", recorded: bool = True) -> None:
        """Runs that ended one after the other, a second each: well, or with the first task failed, of which
        Airflow's log says this (``failed``: it says so itself)."""
        for run_id in run_ids:
            self.trigger(run_id, dag_id=dag_id)
            self.end(run_id, failed=failed, dag_id=dag_id, recorded=recorded)

    def end(
        self,
        run_id: str,
        *,
        failed: str | None = None,
        number: int = 1,
        dag_id: str = "a",
        recorded: bool = True,
    ) -> None:
        """A run that is queued, or runs, ends."""
        self.airflow.tick()
        self.airflow.start_run(dag_id, run_id)
        waiting = [
            key[2]
            for key, row in sorted(self.airflow.tables.tasks.items())
            if key[:2] == (dag_id, run_id) and row.state is None
        ]
        for place, task_id in enumerate(waiting):
            fails = failed is not None and not place
            self.airflow.execute(dag_id, run_id, task_id, number, "failed" if fails else "success")
            if failed is not None and fails:
                self.airflow.say(dag_id, run_id, failed, task_id, on_host=failed == "failed")
        self.airflow.tick()
        self.airflow.end_run(dag_id, run_id, "success" if failed is None else "failed")
        if recorded:
            bindings.record_outcomes(self.host)

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
