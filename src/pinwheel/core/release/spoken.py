"""Rules, policies and their steps in words, each as part of a sentence."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import assert_never

from pinwheel.core.release.notation import duration_text
from pinwheel.core.release.rule import Forbid, Require, Rule
from pinwheel.core.rollout.steps import (
    NO_TIME,
    Approve,
    Check,
    Of,
    OnTimeout,
    Party,
    Plan,
    Release,
    Step,
    Wait,
    Watch,
)
from pinwheel.core.rollout.watch_words import fires_when
from pinwheel.core.rollout.way_back import WayBack
from pinwheel.core.rollout.window import Allow, Deny, Freeze
from pinwheel.core.rollout.window_text import told
from pinwheel.core.selector import Selector


def step_words(step: Step) -> str:
    """What happens at a step: "2 persons approve, none of author, committer"."""
    match step:
        case Approve():
            return _approve(step)
        case Check():
            return _check(step)
        case Wait():
            return _wait(step)
        case Release(by_hand=by_hand):
            return "new runs take it when somebody asks" if by_hand else "new runs take it"
        case Watch():
            return _watch(step)
        case _:
            assert_never(step)


def plan_words(plan: Plan) -> tuple[str, ...]:
    """The steps in their order; of its watch, what rolls it back too."""
    return tuple(
        f"{step_words(step)}; {_rolls_back(plan.rollback)}" if isinstance(step, Watch) else step_words(step)
        for step in plan.steps
    )


def rule_words(rule: Rule) -> str:
    """What a rule says, without whom it is about."""
    body = rule.body
    match body:
        case Allow() | Deny() | Freeze():
            return told(body)
        case Require(gates=gates, unknown_author_allowed=allowed):
            unknown = "; an author who is no known user costs no further approval" if allowed else ""
            return f"before each release {' and '.join(map(step_words, gates))}{unknown}"
        case Forbid(acts):
            return f"nobody may do {' and '.join(sorted(act.value for act in acts))}"
        case _:
            assert_never(body)


def dags_words(dags: Selector) -> str:
    """Which Dags a rule or policy is about."""
    if dags.everything:
        return "all Dags"
    named = ", ".join((*dags.ids, *dags.globs)) or "Dags"
    tags = f" tagged {' or '.join(dags.tags)}" if dags.tags else ""
    return named + tags + (f" of bundle {dags.bundle}" if dags.bundle else "")


def _approve(step: Approve) -> str:
    persons = "1 person approves" if step.count == 1 else f"{step.count} persons approve"
    among = f" of {', '.join(sorted(step.persons))}" if step.persons else ""
    none_of = ", ".join(party.value for party in Party if party in step.excludes)
    excluded = f", none of {none_of}" if none_of else ""
    return f"{persons}{among}{excluded}; it pauses after {duration_text(step.expires)}"


def _check(step: Check) -> str:
    of = " on its bundle version" if step.of is Of.VERSION else ""
    if step.timeout is None:
        return f"check {step.name} passes{of}"
    then = "is aborted" if step.on_timeout is OnTimeout.ABORT else "pauses"
    return f"check {step.name} passes{of}; it {then} after {duration_text(step.timeout)}"


def _wait(step: Wait) -> str:
    if step.span is not None:
        return f"{duration_text(step.span)} pass"
    if step.until is not None:
        return f"it is {_instant(step.until)}"
    return f"no run of the Dag is active; it pauses after {duration_text(step.patience)}"


def _watch(step: Watch) -> str:
    parts = [f"{step.runs} runs"] if step.runs else []
    if step.at_least != NO_TIME:
        parts.append(f"{duration_text(step.at_least)} at least")
    watched = f"it is watched: {' and '.join(parts) or 'no runs'}"
    return watched if step.at_most is None else f"{watched}; {duration_text(step.at_most)} at most"


def _rolls_back(rules: WayBack) -> str:
    fires = fires_when(rules)
    if not fires:
        return "nothing rolls it back"
    again = ", and what failed runs again" if rules.rerun_failed else ""
    return f"rolled back when {', or when '.join(fires)}{again}"


def _instant(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"
