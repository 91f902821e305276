"""Rules, policies and plans as JSON: the notation in which they are written, in one form, for rows."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TypeVar, assert_never

from pydantic import ValidationError

from pinwheel.core.json import Json
from pinwheel.core.release import written as written_policy
from pinwheel.core.release.notation import ALL_DAGS, Dags, Strict, duration_text
from pinwheel.core.release.policy import Policy
from pinwheel.core.release.rule import ALL, Forbid, Forbidden, Require, Rule
from pinwheel.core.release.written import (
    ApproveStep,
    CheckStep,
    PlanSection,
    PlatformPolicy,
    RepositoryPolicy,
    RollbackSection,
    WaitStep,
)
from pinwheel.core.release.written import Step as WrittenStep
from pinwheel.core.release.written_rule import RuleSection, WindowOfRule
from pinwheel.core.rollout.steps import (
    NO_TIME,
    Approve,
    Check,
    Gate,
    Newer,
    Of,
    OnTimeout,
    Party,
    Plan,
    Release,
    Step,
    Wait,
    Watch,
)
from pinwheel.core.rollout.way_back import Failures, WayBack, When
from pinwheel.core.rollout.window import Allow, Deny, Freeze, Window
from pinwheel.core.rollout.window_text import written
from pinwheel.core.selector import Selector

Section = TypeVar("Section", bound=Strict)
JsonMap = dict[str, Json]


def digest(plan: Plan) -> str:
    """Equal for plans that say the same."""
    text = json.dumps(plan_to_json(plan), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


# To JSON


def plan_to_json(plan: Plan) -> JsonMap:
    return {
        "steps": [_step_to_json(step) for step in plan.steps],
        "newer": plan.newer.value,
        "follow": plan.follow,
        "rollback": _way_back_to_json(plan.rollback),
    }


def policy_to_json(policy: Policy) -> JsonMap:
    head: JsonMap = {"name": policy.name, "dags": _dags_to_json(policy.dags), "locked": policy.locked}
    return head | plan_to_json(policy.plan)


def file_to_json(rules: Iterable[Rule], policies: Iterable[Policy]) -> JsonMap:
    """Rules and policies as a file of the platform has them: read again, they are the same."""
    return {"rules": list(map(rule_to_json, rules)), "policies": list(map(_as_in_a_file, policies))}


def _as_in_a_file(policy: Policy) -> JsonMap:
    """Without what it is when nothing is said: a file may not even name what comes with later parts."""
    silent = policy_to_json(Policy(name=policy.name, dags=policy.dags))
    return {
        key: value
        for key, value in policy_to_json(policy).items()
        if key in ("name", "dags", "steps") or value != silent[key]
    }


def rule_to_json(rule: Rule) -> JsonMap:
    found: JsonMap = {"name": rule.name, "dags": _dags_to_json(rule.dags)}
    if rule.override:
        found["override"] = list(rule.override)
    body = rule.body
    match body:
        case Allow(windows):
            found["allow"] = [dict(written(window)) for window in windows]
        case Deny(windows):
            found["deny"] = [dict(written(window)) for window in windows]
        case Freeze():
            edges = {"from": body.since, "until": body.until}
            freeze: JsonMap = {key: _instant(at) for key, at in edges.items() if at is not None}
            found["freeze"] = freeze | ({"reason": body.reason} if body.reason else {})
        case Require():
            gates: JsonMap = {}
            for gate in body.gates:
                gates |= _gate_to_json(gate)
            found["require"] = gates
            if body.unknown_author_allowed:
                found["unknown_author"] = "allow"
        case Forbid(acts):
            found["forbid"] = [act.value for act in Forbidden if act in acts]
        case _:
            assert_never(body)
    return found


def _dags_to_json(dags: Selector) -> Json:
    if dags == ALL:
        return "all"
    several: JsonMap = {"ids": list(dags.ids), "globs": list(dags.globs), "tags": list(dags.tags)}
    return {key: value for key, value in (several | {"bundle": dags.bundle}).items() if value}


def _step_to_json(step: Step) -> Json:
    match step:
        case Release(by_hand=by_hand):
            return {"release": "by-hand"} if by_hand else "release"
        case Watch():
            soak: JsonMap = {"runs": step.runs}
            if step.at_least != NO_TIME:
                soak["at_least"] = duration_text(step.at_least)
            if step.at_most is not None:
                soak["at_most"] = duration_text(step.at_most)
            return {"soak": soak}
        case _:
            return _gate_to_json(step)


def _gate_to_json(gate: Gate) -> JsonMap:
    match gate:
        case Approve():
            approve: JsonMap = {
                "count": gate.count,
                "not": [party.value for party in Party if party in gate.excludes],
                "expires": duration_text(gate.expires),
            }
            if gate.persons:
                approve["persons"] = sorted(gate.persons)
            return {"approve": approve}
        case Check():
            timeout: JsonMap = {}
            if gate.timeout is not None:
                timeout = {"timeout": duration_text(gate.timeout), "on_timeout": gate.on_timeout.value}
            return {"check": {"name": gate.name, "of": gate.of.value} | timeout}
        case Wait(span=span, until=until):
            if span is not None:
                return {"wait": {"for": duration_text(span)}}
            if until is not None:
                return {"wait": {"until": _instant(until)}}
            return {"wait": {"idle": True, "patience": duration_text(gate.patience)}}
        case _:
            assert_never(gate)


def _way_back_to_json(way: WayBack) -> JsonMap:
    when: Json
    if isinstance(way.when, Failures):
        when = {"failures": way.when.failures, "of": way.when.of}
    else:
        when = way.when.value
    found: JsonMap = {
        "when": when,
        "slower": way.slower,
        "early": way.early,
        "rerun_failed": way.rerun_failed,
    }
    if way.deadline:
        found["deadline"] = "missed"
    if way.also:
        found["also"] = [{"check": name} for name in sorted(way.also)]
    return found


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat()


# From JSON


def plan_from_json(value: Json) -> Plan:
    """:raises ValueError: it is no plan."""
    return plan_of(_section(PlanSection, value))


def policy_from_json(value: Json) -> Policy:
    """:raises ValueError: it is no policy."""
    return policy_of(_section(PlatformPolicy, value))


def rule_from_json(value: Json) -> Rule:
    """:raises ValueError: it is no rule."""
    return rule_of(_section(RuleSection, value))


def _section(model: type[Section], value: Json) -> Section:
    try:
        return model.model_validate(value)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ValueError(f"{place or 'the value'}: {first['msg']}") from None


# From what is written


def plan_of(section: PlanSection) -> Plan:
    return Plan(
        steps=tuple(_step_of(step) for step in section.steps),
        newer=Newer(section.newer),
        follow=section.follow,
        rollback=_way_back_of(section.rollback),
    )


def policy_of(section: RepositoryPolicy, line: int = 1) -> Policy:
    return Policy(
        name=section.name,
        dags=_dags_of(section.dags),
        plan=plan_of(section),
        locked=isinstance(section, PlatformPolicy) and section.locked,
        line=line,
    )


def rule_of(section: RuleSection, line: int = 1) -> Rule:
    return Rule(
        name=section.name,
        dags=_dags_of(section.dags),
        body=_body_of(section),
        override=tuple(section.override),
        line=line,
    )


def _body_of(section: RuleSection) -> Allow | Deny | Freeze | Require | Forbid:
    match section.kind:
        case "allow":
            return Allow(tuple(_window_of(window) for window in section.allow))
        case "deny":
            return Deny(tuple(_window_of(window) for window in section.deny))
        case "freeze":
            freeze = section.freeze
            return Freeze(since=freeze.since, until=freeze.until, reason=freeze.reason)
        case "require":
            gates = section.require
            return Require(
                gates=tuple(
                    _gate_of(getattr(gates, kind)) for kind in gates.given("check", "wait", "approve")
                ),
                unknown_author_allowed="unknown_author" in section.model_fields_set,
            )
        case _:
            return Forbid(frozenset(map(Forbidden, section.forbid)))


def _window_of(window: WindowOfRule) -> Window:
    given = {key: getattr(window, key) for key in window.given("days", "hours", "dates")}
    return Window(zone=window.zone, **given)


def _dags_of(dags: Dags) -> Selector:
    if dags == ALL_DAGS:
        return ALL
    return Selector.of(dags.ids, globs=dags.globs, tags=dags.tags, bundle=dags.bundle)


def _step_of(step: WrittenStep) -> Step:
    match step.kind:
        case "release":
            return Release(by_hand=step.release == "by-hand")
        case "soak":
            soak = step.soak
            return Watch(runs=soak.runs, at_least=soak.at_least, at_most=soak.at_most)
        case kind:
            return _gate_of(getattr(step, kind))


def _gate_of(gate: ApproveStep | CheckStep | WaitStep) -> Gate:
    match gate:
        case ApproveStep():
            return Approve(
                count=gate.count,
                excludes=frozenset(map(Party, gate.excludes)),
                persons=frozenset(gate.persons),
                expires=gate.expires,
            )
        case CheckStep():
            return Check(
                name=gate.name, of=Of(gate.of), timeout=gate.timeout, on_timeout=OnTimeout(gate.on_timeout)
            )
        case WaitStep():
            return Wait(span=gate.span, until=gate.until, idle=gate.idle is not None, patience=gate.patience)


def _way_back_of(section: RollbackSection) -> WayBack:
    when = section.when
    if isinstance(when, written_policy.Failures):
        fires: When | Failures = Failures(failures=when.failures, of=when.of)
    else:
        fires = When(when)
    return WayBack(
        when=fires,
        slower=section.slower,
        deadline=section.deadline is not None,
        early=section.early,
        also=frozenset(one.check for one in section.also),
        rerun_failed=section.rerun_failed,
    )
