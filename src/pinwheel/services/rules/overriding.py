"""Going past rules that are closed: who may, and which they are."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from attrs import frozen

from pinwheel.core.errors import Refused
from pinwheel.core.release.rule import Require, named
from pinwheel.core.rollout.hold import HoldKind
from pinwheel.services.rules.facts import Found, Known
from pinwheel.store.rules import StoredRule


@frozen(kw_only=True)
class Who:
    """Who asks, and by which else they go where a rule says who may override it."""

    actor: str
    names: frozenset[str] = frozenset()
    decides: bool = True
    """They may approve and reject at gates."""

    @property
    def known_as(self) -> frozenset[str]:
        return self.names | {self.actor}


def overridden(known: Known, found: Found, who: Who, now: datetime, *, failed: str) -> tuple[str, ...]:
    """The rules that are closed for a Dag, past which somebody goes.

    :raises Refused: one of them says that others may; *failed* is what fails then.
    """
    rules = [*known.standing.closing(found.subject, now)]
    unmet = any(hold.kind is HoldKind.GATE for hold in found.facts.closed)
    ahead = found.facts.ahead
    # What is to pass yet on its way is no hindrance there, but for who goes past it.
    left = {named(gate) for gate in ahead.plan.gates[ahead.step :]} if ahead is not None else set()
    rules += [
        each
        for each in known.standing.about(found.subject)
        if isinstance(each.rule.body, Require)
        and (unmet or not left.isdisjoint(named(gate) for gate in each.rule.body.gates))
    ]
    dag_id = found.facts.dag_id
    remedy = f"Ask one of them, or wait until it is open: pinwheel windows {dag_id}"
    require_leave(rules, who, dag_id, failed=failed, remedy=remedy)
    return tuple(dict.fromkeys(f"rule {each.rule.name}" for each in rules))


def require_leave(rules: Iterable[StoredRule], who: Who, dag_id: str, *, failed: str, remedy: str) -> None:
    """:raises Refused: one of the rules says that others may override it."""
    for each in rules:
        if not each.rule.lets(who.known_as):
            raise Refused(
                failed,
                found=f"only {', '.join(each.rule.override)} may override rule {each.rule.name}, and you are "
                f"{who.actor}",
                remedy=remedy,
                dag_id=dag_id,
                problem="may-not-override",
            )
