"""Promote, pin, unpin and roll back: one Dag or many, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import asdict, evolve, frozen

from pinwheel.core.build import Build
from pinwheel.core.errors import InvalidInput, NotFound
from pinwheel.core.json import Json, JsonObject
from pinwheel.core.release import Command, DagState, Verb, decide
from pinwheel.core.selector import Selector
from pinwheel.services import faults, keeping, once
from pinwheel.services.ports import Host
from pinwheel.services.releasing import Act, Outcome, carry_out, load_states, outcome_of
from pinwheel.services.trigger import clear_each
from pinwheel.store import builds, releases
from pinwheel.store.locking import lock_dags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class Change:
    """A request to change what runs.

    ``build`` and ``to_release`` name a target by number and need a single Dag, since numbers count per Dag.
    ``expected_release`` is the active release that the caller saw; with it, a stale request is refused.
    ``request_id`` makes a repeat harmless: see :mod:`pinwheel.services.once`, of ``selector`` and ``sees``
    too.
    """

    verb: Verb
    dag_ids: Sequence[str]
    actor: str
    reason: str | None = None
    build: int | None = None
    to_release: int | None = None
    expected_release: int | None = None
    request_id: str | None = None
    rerun_failed: bool = False
    selector: Selector | None = None
    sees: once.Sees = once.all_of_them


def plan(host: Host, change: Change) -> list[Outcome]:
    """What :func:`apply` would do, Dag by Dag, in order of id; nothing is locked or written."""

    def work(session: Session) -> list[Outcome]:
        acts = _decide_all(host, session, change)
        outcomes = [
            evolve(outcome_of(act), rerun=tuple(_failed_runs(host, session, act)))
            if change.rerun_failed
            else outcome_of(act)
            for act in acts
        ]
        return _with_bundles(session, acts, outcomes)

    return host.run(work)


def apply(host: Host, change: Change) -> list[Outcome]:
    """Carry the change out on all its Dags or on none.

    :raises NotFound: a Dag, build or release does not exist.
    :raises Conflict: ``expected_release`` is stale, or ``request_id`` stands for another request.
    :raises Refused: one of the Dags can not take the change.
    """
    _check(change)

    def work(session: Session) -> list[Outcome]:
        lock_dags(session, change.dag_ids)
        acts = _decide_all(host, session, change)
        outcomes = carry_out(host, session, acts, now=host.now())
        if change.rerun_failed:
            outcomes = [
                _rerun(host, session, act, outcome) for act, outcome in zip(acts, outcomes, strict=True)
            ]
        return _with_bundles(session, acts, outcomes)

    done = once.carry_out(host, _request(change), OUTCOMES, work)
    if done.repeated:
        seen = set(change.sees([outcome.dag_id for outcome in done.answer]))
        return [_repeated(outcome) for outcome in done.answer if outcome.dag_id in seen]
    outcomes = done.answer
    host.announce([{"kind": o.kind or change.verb.value, "dag_id": o.dag_id} for o in outcomes if o.changed])
    return outcomes


def _request(change: Change) -> once.Request:
    return once.Request(
        id=change.request_id,
        actor=change.actor,
        verb=change.verb.value,
        dag_ids=tuple(change.dag_ids),
        selector=change.selector,
        values={
            "reason": change.reason,
            "build": change.build,
            "to_release": change.to_release,
            "expected_release": change.expected_release,
            "rerun_failed": change.rerun_failed,
        },
        sees=change.sees,
    )


def _repeated(outcome: Outcome) -> Outcome:
    return evolve(outcome, changed=False, message="this request was carried out before")


def _outcomes_1(kept: Json) -> list[Outcome]:
    return [
        Outcome(
            dag_id=one.text("dag_id"),
            changed=one.flag("changed"),
            message=one.text("message"),
            kind=one.text_or_none("kind"),
            release=one.number_or_none("release"),
            build=one.number_or_none("build"),
            from_release=one.number_or_none("from_release"),
            from_build=one.number_or_none("from_build"),
            track=one.text("track"),
            warnings=one.texts("warnings"),
            rerun=one.texts("rerun"),
        )
        for one in JsonObject.all_of(kept)
    ]


OUTCOMES: once.Form[list[Outcome]] = once.Form(
    version=1, write=lambda outcomes: [asdict(outcome) for outcome in outcomes], readers={1: _outcomes_1}
)


def _with_bundles(session: Session, acts: Sequence[Act], outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Say which Dags' bundles can not be made: the change needs no file, but the Dags' runs do."""
    why = faults.unmade(session, {act.state.bundle_name for act in acts})
    return [
        evolve(outcome, warnings=(*outcome.warnings, said))
        if (said := why.get(act.state.bundle_name or ""))
        else outcome
        for act, outcome in zip(acts, outcomes, strict=True)
    ]


def _check(change: Change) -> None:
    numbered = {
        "build": change.build,
        "release": change.to_release,
        "expected release": change.expected_release,
    }
    for name, value in numbered.items():
        if value is not None and value < 1:
            raise InvalidInput(
                f"Cannot {change.verb}", found=f"{name} {value} is below 1", remedy="Numbers start at 1"
            )
        if value is not None and len(change.dag_ids) != 1:
            raise InvalidInput(
                f"Cannot {change.verb} {len(change.dag_ids)} Dags to one {name}",
                found="numbers count per Dag",
                remedy=f"Name one Dag, or leave the {name} out",
            )
    if change.build is not None and change.to_release is not None:
        raise InvalidInput(
            f"Cannot {change.verb}", found="both a build and a release are given", remedy="Give one of them"
        )
    if not change.dag_ids:
        raise NotFound(
            f"Cannot {change.verb}", found="no Dag matches", remedy="List what there is with: pinwheel status"
        )


def _decide_all(host: Host, session: Session, change: Change) -> list[Act]:
    _check(change)
    dag_ids = sorted(set(change.dag_ids))
    states = load_states(host, session, dag_ids)
    previous = _previous_builds(session, change, states)
    acts = []
    for dag_id in dag_ids:
        command = _command(session, change, states[dag_id], previous.get(dag_id))
        if command.build is not None and command.build != states[dag_id].active_build:
            keeping.require(host, session, command.build, verb=change.verb.value)
        state = _with_order(session, states[dag_id], command)
        acts.append(
            Act(
                state=state,
                decision=decide(state, command),
                verb=change.verb.value,
                actor=change.actor,
                reason=change.reason,
            )
        )
    return acts


def _with_order(session: Session, state: DagState, command: Command) -> DagState:
    """With what tells whether the build that is asked for is newer than the active one: only promote asks."""
    if command.verb is not Verb.PROMOTE or command.build is None or state.active_build is None:
        return state
    asked = {command.build.id, state.active_build.id}
    return evolve(state, shown=builds.last_shown(session, state.bundle_name, asked))


def _previous_builds(session: Session, change: Change, states: Mapping[str, DagState]) -> dict[str, Build]:
    """For a rollback without a target: by Dag, the build of the release before."""
    if change.verb is not Verb.ROLLBACK or change.build is not None or change.to_release is not None:
        return {}
    active = {
        dag_id: (state.active_release, state.active_build.id)
        for dag_id, state in states.items()
        if state.active_release and state.active_build
    }
    ids = releases.previous_build_ids(session, active)
    found = builds.by_ids(session, ids.values())
    return {dag_id: found[build_id] for dag_id, build_id in ids.items()}


def _command(session: Session, change: Change, state: DagState, previous: Build | None) -> Command:
    target = None
    if change.build is not None:
        target = builds.by_number(session, state.dag_id, change.build)
        if target is None:
            raise NotFound(
                f"Cannot {change.verb} {state.dag_id} to build {change.build}",
                found="it has no good build of that number",
                remedy=f"See its builds: pinwheel builds {state.dag_id}",
                dag_id=state.dag_id,
                build=change.build,
            )
    elif change.to_release is not None:
        row = releases.one(session, state.dag_id, change.to_release)
        if row is None:
            raise NotFound(
                f"Cannot {change.verb} {state.dag_id} to release {change.to_release}",
                found="it has no release of that number",
                remedy=f"See its releases: pinwheel releases {state.dag_id}",
                dag_id=state.dag_id,
                release=change.to_release,
            )
        target = builds.by_ids(session, [row.build_id])[row.build_id]
    return Command(
        verb=change.verb, build=target, expected_release=change.expected_release, previous_build=previous
    )


def _rerun(host: Host, session: Session, act: Act, outcome: Outcome) -> Outcome:
    """Clear the failed runs of the release that was rolled back, bound to the one rolled back to."""
    step = act.decision.release
    if step is None:
        return outcome
    cleared = clear_each(
        host,
        session,
        act.state.dag_id,
        _failed_runs(host, session, act),
        step.build,
        only_failed=True,
        task_ids=None,
        actor=act.actor,
        reason=act.reason,
    )
    return evolve(outcome, rerun=tuple(run.run_id for run in cleared))


def _failed_runs(host: Host, session: Session, act: Act) -> list[str]:
    """Failed runs bound to releases of the build that this act takes off, oldest first."""
    left = act.state.active_build
    if act.decision.release is None or left is None:
        return []
    ids = [
        row.dag_version_id
        for row in releases.of_dag(session, act.state.dag_id)
        if row.build_id == left.id and row.release <= (act.state.active_release or 0)
    ]
    return host.failed_runs(session, act.state.dag_id, ids)
