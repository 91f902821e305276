"""Rules of the platform: always in force for the Dags that they select, whatever a policy says.

They bind effects: whatever makes later runs use another place asks them. They add up, and none weakens
another. Only the way back is free of them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from enum import StrEnum

from attrs import evolve, field, frozen

from pinwheel.core.rollout.steps import Approve, Check, Gate, Of, Plan, Release, Wait, Watch
from pinwheel.core.rollout.window import Allow, Deny, Freeze, Limit
from pinwheel.core.selector import Selector

ALL = Selector(everything=True)


class RuleKind(StrEnum):
    WINDOW = "window"
    """When releases may happen, or may not (:mod:`pinwheel.core.rollout.window`)."""
    FREEZE = "freeze"
    """No release from one instant to another."""
    REQUIRE = "require"
    """Gates that each release has to pass."""
    FORBID = "forbid"
    """What may not be done at all."""


class Forbidden(StrEnum):
    """What a rule can forbid."""

    RUNS_BY_HAND = "runs-by-hand"
    """Single runs on another place than new runs take."""
    TRIALS = "trials"


@frozen(kw_only=True)
class Require:
    """Gates before any of a policy's own steps."""

    gates: tuple[Gate, ...]
    unknown_author_allowed: bool = False
    """An author who is no known user costs no further approval."""


@frozen
class Forbid:
    acts: frozenset[Forbidden]


@frozen(kw_only=True)
class Subject:
    """A Dag as far as it decides which rules and policies are about it."""

    dag_id: str
    tags: frozenset[str] = frozenset()
    """Those of the *active* build: a commit is judged by what stood before it."""
    bundle: str


@frozen(kw_only=True)
class Rule:
    """One rule; its name is its own among the rules."""

    name: str
    dags: Selector = ALL
    body: Allow | Deny | Freeze | Require | Forbid
    override: tuple[str, ...] = ()
    """Who may override it, besides having the right; empty: all who have it."""
    line: int = field(default=1, eq=False, repr=False)
    """Where it begins in its file."""

    @property
    def kind(self) -> RuleKind:
        match self.body:
            case Allow() | Deny():
                return RuleKind.WINDOW
            case Freeze():
                return RuleKind.FREEZE
            case Require():
                return RuleKind.REQUIRE
            case Forbid():
                return RuleKind.FORBID

    def selects(self, dag: Subject) -> bool:
        return self.dags.selected_by(dag.dag_id, tags=dag.tags, bundle=dag.bundle) is not None

    def lets(self, names: Collection[str]) -> bool:
        """Whether somebody with the right, who goes by these names, may override it."""
        return not self.override or not set(self.override).isdisjoint(names)


def about(rules: Iterable[Rule], dag: Subject) -> tuple[Rule, ...]:
    """The rules that select a Dag, in their order."""
    return tuple(rule for rule in rules if rule.selects(dag))


def limits(rules: Iterable[Rule]) -> tuple[Limit, ...]:
    """What these rules say about when releases may happen."""
    return tuple(
        Limit(rule.name, rule.body) for rule in rules if isinstance(rule.body, Allow | Deny | Freeze)
    )


def forbidden(rules: Iterable[Rule], act: Forbidden) -> tuple[Rule, ...]:
    """Those of these rules that forbid an act."""
    return tuple(rule for rule in rules if isinstance(rule.body, Forbid) and act in rule.body.acts)


def unknown_author_allowed(rules: Iterable[Rule]) -> bool:
    """Whether one of these rules says that an author who is no known user costs no further approval."""
    return any(isinstance(rule.body, Require) and rule.body.unknown_author_allowed for rule in rules)


def required(rules: Iterable[Rule]) -> tuple[Gate, ...]:
    """The gates that these rules require, each once, with the stricter values where several name it."""
    return _once(gate for rule in rules if isinstance(rule.body, Require) for gate in rule.body.gates)


def with_required(plan: Plan, gates: Sequence[Gate]) -> Plan:
    """The plan after the gates that rules require; one that is named by both comes once, with those."""
    merged = _once((*gates, *plan.gates))
    return evolve(plan, steps=(*merged, *plan.steps[plan.release_at :]))


def _once(gates: Iterable[Gate]) -> tuple[Gate, ...]:
    found: dict[tuple[object, ...], Gate] = {}
    for gate in gates:
        name = named(gate)
        known = found.get(name)
        found[name] = gate if known is None else _stricter(known, gate)
    return tuple(found.values())


def named(step: Gate | Release | Watch) -> tuple[object, ...]:
    """What makes two steps the same one, whatever their other values are.

    Approvals by other persons are others: of several, none can stand for all.
    """
    match step:
        case Approve(persons=persons):
            return Approve, persons
        case Check(name=name):
            return Check, name
        case Wait(span=span, until=until):
            return Wait, span is not None, until is not None
        case Release() | Watch():
            return (type(step),)


def _stricter(one: Gate, other: Gate) -> Gate:
    """The gate that passes where both pass, and whose time is over when that of one is.

    What a check without an answer does is as the first says: a rule's comes first.
    """
    match one, other:
        case Approve(), Approve():
            return evolve(
                one,
                count=max(one.count, other.count),
                excludes=one.excludes | other.excludes,
                expires=min(one.expires, other.expires),
            )
        case Check(), Check():
            timeouts = [each.timeout for each in (one, other) if each.timeout is not None]
            return evolve(
                one,
                of=Of.VERSION if Of.VERSION in (one.of, other.of) else Of.PLACE,
                timeout=min(timeouts, default=None),
                on_timeout=one.on_timeout if one.timeout is not None else other.on_timeout,
            )
        case Wait(span=timedelta() as span), Wait(span=timedelta() as longer):
            return evolve(one, span=max(span, longer))
        case Wait(until=datetime() as until), Wait(until=datetime() as later):
            return evolve(one, until=max(until, later))
        case Wait(), Wait():
            return evolve(one, patience=min(one.patience, other.patience))
        case _:
            raise ValueError(f"{one} and {other} are not the same gate")
