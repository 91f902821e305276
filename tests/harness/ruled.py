"""Rules and policies over ports in memory, put in force as the platform's are, and a keeper's turns."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from harness.in_memory import InMemory
from harness.rollouts import plan
from pinwheel.core.release.policy import Policy
from pinwheel.core.release.rule import ALL, Forbid, Forbidden, Require, Rule
from pinwheel.core.rollout.gate import Answer, Verdict
from pinwheel.core.rollout.state import Place, Rollout
from pinwheel.core.rollout.steps import Check, Plan, Step
from pinwheel.core.rollout.window import Deny, Freeze, Window
from pinwheel.core.selector import Selector
from pinwheel.services.rollout import advance
from pinwheel.store import policies, rollouts, rules, verdicts
from pinwheel.store.policies import PolicySource

CHECK = Check(name="ci")
CLOSED = Deny((Window(zone="UTC"),))
"""A window that never opens."""


class Ruled:
    """A world with rules and policies."""

    def __init__(self, world: InMemory) -> None:
        self.world = world
        self.host = world.host

    def rule(
        self, body: Any, *, name: str = "r", dags: Selector = ALL, override: tuple[str, ...] = ()
    ) -> None:
        """Put one in force; live rollouts are looked at at once."""
        made = Rule(name=name, dags=dags, body=body, override=override)

        def work(session: Any) -> None:
            now = self.host.unit.now()
            rules.add(session, [made], document=None, actor="ada", reason="month end", now=now)
            rollouts.wake(session, now)

        self.host.unit.run(work)

    def freeze(self, *, hours: int | None = None, **more: Any) -> None:
        until = self.host.unit.now() + timedelta(hours=hours) if hours is not None else None
        self.rule(Freeze(until=until), **{"name": "month-end", **more})

    def window(self, **more: Any) -> None:
        self.rule(CLOSED, **{"name": "office", **more})

    def require(self, *gates: Any, **more: Any) -> None:
        self.rule(Require(gates=gates or (CHECK,)), **{"name": "tested", **more})

    def forbid(self, act: Forbidden = Forbidden.RUNS_BY_HAND, **more: Any) -> None:
        self.rule(Forbid(frozenset({act})), **{"name": "no-tries", **more})

    def lift(self) -> None:
        """No rule is in force any more."""

        def work(session: Any) -> None:
            now = self.host.unit.now()
            rules.lift(session, [each.id for each in rules.live(session)], actor="ada", reason=None, now=now)
            rollouts.wake(session, now)

        self.host.unit.run(work)

    def policy(
        self,
        *gates: Step,
        name: str = "critical",
        dags: Selector = ALL,
        source: PolicySource = PolicySource.PLATFORM,
        of: Plan | None = None,
        **values: Any,
    ) -> None:
        """The only policy of its source from now on."""
        made = Policy(name=name, dags=dags, plan=of if of is not None else plan(*gates, **values))
        self.policies(made, source=source)

    def policies(self, *made: Policy, source: PolicySource = PolicySource.PLATFORM) -> None:
        document = "dags" if source is PolicySource.REPOSITORY else "policies"

        def work(session: Any) -> None:
            policies.replace(session, source, document, made, actor="ada", now=self.host.unit.now())

        self.host.unit.run(work)

    def says(self, answer: Answer = Answer.PASSED, *, build: int, version: str, name: str = "ci") -> None:
        """A check's verdict on a place of the Dag ``a``, whose builds have their numbers as ids."""

        def work(session: Any) -> None:
            now = self.host.unit.now()
            said = Verdict(
                subject=Place(build_id=build, version=version), name=name, answer=answer, actor="bot", at=now
            )
            verdicts.add(session, said, dag_id="a")
            rollouts.wake(session, now)

        self.host.unit.run(work)

    def only(self, *dag_ids: str) -> Selector:
        return Selector(ids=dag_ids)

    def keep(self, seconds: float = 60) -> None:
        """A turn of the keeper, so much later."""
        self.world.airflow.tick(seconds)
        done = advance.turn(self.host, lambda: 0.0)
        assert not done.faults, done.faults

    def live(self, dag_id: str = "a") -> list[Rollout]:
        found = self.host.unit.run(lambda s: rollouts.of_dags(s, [dag_id]))
        return [each for each in found.get(dag_id, ()) if each.live]

    def kinds(self, dag_id: str = "a") -> list[str]:
        """Of what holds the Dag, the first to be shown first."""
        return [hold.kind.value for hold in self.world.status(dag_id).holds]
