"""Promote, pin, unpin and roll back: one Dag or many, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import asdict, evolve, frozen

from pinwheel.core.build import Build
from pinwheel.core.errors import InvalidInput, NotFound, spoken
from pinwheel.core.json import Json, JsonObject
from pinwheel.core.lookup import named
from pinwheel.core.records import ManagedDag
from pinwheel.core.release.decide import Command, Verb, decide
from pinwheel.core.release.follow import plain
from pinwheel.core.release.rejection import Rejection
from pinwheel.core.release.stand import Head
from pinwheel.core.release.state import DagState
from pinwheel.core.release.why_held import waits
from pinwheel.core.request import ChangeRequest
from pinwheel.core.retention import ReleaseFact
from pinwheel.services import once
from pinwheel.services.ingest import faults
from pinwheel.services.ports.host import Host
from pinwheel.services.release import keeping
from pinwheel.services.release.carry_out import carry_out
from pinwheel.services.release.loading import Loaded, load, managed
from pinwheel.services.release.outcome import Act, Outcome, outcome_of
from pinwheel.services.release.stands import last_shown, place_named, stood_another
from pinwheel.services.run.clear import clear_each
from pinwheel.services.run.target import Target
from pinwheel.store import bindings, builds, bundles, rejections, releases
from pinwheel.store.locking import lock_dags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class Change:
    """A request to change what runs, the Dags that its selection means by now, and who asks.

    A repeat (see :mod:`pinwheel.services.once`) is one of the same selector; ``sees`` tells which Dags the
    actor may see.
    """

    request: ChangeRequest
    dag_ids: Sequence[str]
    actor: str
    sees: once.Sees = once.all_of_them


def apply(host: Host, change: Change) -> list[Outcome]:
    """Carry the change out on all its Dags or on none, and say what became of each, in order of id.

    Of a plan say what would become of them; nothing is locked or written.

    :raises NotFound: a Dag, build or release does not exist.
    :raises Conflict: ``expected_release`` is stale, or the request id stands for another request.
    :raises Refused: one of the Dags can not take the change.
    """
    _check(change)
    if change.request.plan:
        return host.unit.run(lambda session: _plan(host, session, change))

    def work(session: Session) -> list[Outcome]:
        acts, loaded = _decide_all(host, session, change, lock_dags(session, change.dag_ids))
        outcomes = carry_out(
            host, session, acts, now=host.unit.now(), contents=loaded.contents, versions=loaded.versions
        )
        if change.request.rerun_failed:
            outcomes = [
                _rerun(host, session, act, outcome) for act, outcome in zip(acts, outcomes, strict=True)
            ]
        return _with_bundles(session, acts, outcomes)

    done = once.carry_out(host, _request(change), OUTCOMES, work)
    if done.repeated:
        seen = set(change.sees([outcome.dag_id for outcome in done.answer]))
        return [_repeated(outcome) for outcome in done.answer if outcome.dag_id in seen]
    outcomes = done.answer
    host.unit.announce(
        [{"kind": o.kind or change.request.verb.value, "dag_id": o.dag_id} for o in outcomes if o.changed]
    )
    return outcomes


def _plan(host: Host, session: Session, change: Change) -> list[Outcome]:
    acts, _ = _decide_all(host, session, change)
    outcomes = [
        evolve(outcome_of(act), rerun=tuple(_failed_runs(host, session, act)))
        if change.request.rerun_failed
        else outcome_of(act)
        for act in acts
    ]
    return _with_bundles(session, acts, outcomes)


def _request(change: Change) -> once.Request:
    asked = change.request
    return once.Request(
        id=asked.request_id,
        actor=change.actor,
        verb=asked.verb.value,
        dag_ids=tuple(change.dag_ids),
        selector=asked.selection.selector,
        values={
            "reason": asked.reason,
            "build": asked.build,
            "to_release": asked.to_release,
            "expected_release": asked.expected_release,
            "rerun_failed": asked.rerun_failed,
            # Only what differs from the default: requests of before it was there keep their fingerprint.
            **({} if asked.to_blame else {"to_blame": False}),
            **({} if asked.bundle_version is None else {"bundle_version": asked.bundle_version}),
        },
        sees=change.sees,
    )


def _repeated(outcome: Outcome) -> Outcome:
    return evolve(outcome, changed=False, message="this request was carried out before")


def _outcomes_1(kept: Json) -> list[Outcome]:
    return [_outcome_1(one) for one in JsonObject.all_of(kept)]


def _outcomes_2(kept: Json) -> list[Outcome]:
    return [
        evolve(_outcome_1(one), rejected=one.number_or_none("rejected"), lifted=one.flag("lifted"))
        for one in JsonObject.all_of(kept)
    ]


def _outcome_1(one: JsonObject) -> Outcome:
    return Outcome(
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


OUTCOMES: once.Form[list[Outcome]] = once.Form(
    version=2,
    write=lambda outcomes: [asdict(outcome) for outcome in outcomes],
    readers={1: _outcomes_1, 2: _outcomes_2},
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
    """What a request can not check by itself: how many Dags it means."""
    asked = change.request
    numbered = {"build": asked.build, "release": asked.to_release, "expected release": asked.expected_release}
    for name, value in numbered.items():
        if value is not None and len(change.dag_ids) != 1:
            raise InvalidInput(
                f"Cannot {spoken(asked.verb)} {len(change.dag_ids)} Dags to one {name}",
                found="numbers count per Dag",
                remedy=f"Name one Dag, or leave the {name} out",
            )
    if asked.bundle_version is not None and len(change.dag_ids) != 1:
        raise InvalidInput(
            f"Cannot {spoken(asked.verb)} {len(change.dag_ids)} Dags to one bundle version",
            found="each Dag stood there with a build of its own, or with none",
            remedy="Name one Dag, or leave the bundle version out",
        )
    if not change.dag_ids:
        raise NotFound(
            asked.failed, found="no Dag matches", remedy="List what there is with: pinwheel status"
        )


def _decide_all(
    host: Host, session: Session, change: Change, locked: Mapping[str, ManagedDag] | None = None
) -> tuple[list[Act], Loaded]:
    """What is to be done with each Dag; *locked* are their rows, None for a plan, which writes nothing."""
    asked = change.request
    dag_ids = sorted(set(change.dag_ids))
    rows = managed(host, session, dag_ids, locked)
    ledger = keeping.ledger(session, dag_ids[0]) if asked.to_release is not None else None
    rejected = rejections.of_dags(session, dag_ids)
    targets = _targets(session, asked, rows, ledger or (), rejected)
    at: Head | None = None
    if asked.bundle_version is not None:
        at, stood = place_named(session, rows[dag_ids[0]], asked.bundle_version, verb=asked.verb)
        if asked.to_release is None and asked.build is None:
            targets = {dag_ids[0]: stood}
    loaded = load(
        host,
        session,
        rows,
        others=targets.values(),
        numbered=(dag_ids[0], asked.build) if asked.build is not None else None,
        contents_of=() if locked is None else (*targets.values(), *_waiting(asked, rows)),
        rejected=rejected,
        in_force=at is not None,
    )
    acts = []
    for dag_id in dag_ids:
        state = loaded.states[dag_id]
        command = _command(asked, loaded, dag_id, named(loaded.builds, targets.get(dag_id)), at)
        if at is not None and command.build is not None and command.build.id != stood:
            there = builds.by_ids(session, [stood])[stood]
            raise stood_another(asked.verb, command.build, there, at.version)
        releases_it = asked.verb not in (Verb.REJECT, Verb.LIFT)
        if releases_it and command.build is not None and command.build != state.active_build:
            keeping.require(host, session, command.build, verb=asked.verb.value, ledger=ledger)
        state = _with_order(session, state, command)
        acts.append(
            Act(
                dag=rows[dag_id],
                state=state,
                decision=decide(state, command),
                verb=asked.verb.value,
                actor=change.actor,
                reason=asked.reason,
            )
        )
    return acts, loaded


def _targets(
    session: Session,
    asked: ChangeRequest,
    rows: Mapping[str, ManagedDag],
    ledger: Sequence[ReleaseFact],
    rejected: Mapping[str, Sequence[Rejection]],
) -> dict[str, int]:
    """By Dag, the id of the build of the release asked for, or of the one before that a rollback goes to."""
    if asked.to_release is not None:
        (dag_id,) = rows
        build_ids = [release.build_id for release in ledger if release.number == asked.to_release]
        if not build_ids:
            raise NotFound(
                f"Cannot {spoken(asked.verb)} {dag_id} to release {asked.to_release}",
                found="it has no release of that number",
                remedy=f"See its releases: pinwheel releases {dag_id}",
                dag_id=dag_id,
                release=asked.to_release,
            )
        return {dag_id: build_ids[0]}
    if asked.verb is not Verb.ROLLBACK or asked.build is not None:
        return {}
    active = {
        dag_id: (row.active_release, row.active_build_id)
        for dag_id, row in rows.items()
        if row.active_release is not None and row.active_build_id is not None
    }
    passed_over = rejections.build_ids(session, rejected)
    return releases.previous_build_ids(session, active, passed_over=passed_over)


def _waiting(asked: ChangeRequest, rows: Mapping[str, ManagedDag]) -> list[int]:
    """Ids of the newest builds that promote or unpin may release."""
    if asked.verb not in (Verb.PROMOTE, Verb.UNPIN, Verb.LIFT) or asked.build is not None:
        return []
    return [row.newest_build_id for row in rows.values() if waits(row) and row.newest_build_id is not None]


def _command(
    asked: ChangeRequest, loaded: Loaded, dag_id: str, target: Build | None, at: Head | None
) -> Command:
    chosen = asked.to_release is not None or at is not None
    if asked.build is not None:
        target, chosen = loaded.numbered(dag_id, asked.build), True
        if target is None:
            raise NotFound(
                f"Cannot {spoken(asked.verb)} {dag_id} to build {asked.build}",
                found="it has no good build of that number",
                remedy=f"See its builds: pinwheel builds {dag_id}",
                dag_id=dag_id,
                build=asked.build,
            )
    return Command(
        verb=asked.verb,
        reason=asked.reason,
        to_blame=asked.to_blame,
        at=at,
        build=target if chosen else None,
        expected_release=asked.expected_release,
        previous_build=None if chosen else target,
    )


def _with_order(session: Session, state: DagState, command: Command) -> DagState:
    """With what tells whether the build that is asked for is newer than the active one: only promote asks."""
    if command.verb is not Verb.PROMOTE or command.build is None or state.active_build is None:
        return state
    asked = {command.build.id, state.active_build.id}
    return evolve(state, shown=last_shown(session, state.bundle_name, asked))


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
        Target(build=step.build, version=step.version),
        only_failed=True,
        task_ids=None,
        actor=act.actor,
        reason=act.reason,
    )
    return evolve(outcome, rerun=tuple(run.run_id for run in cleared))


def _failed_runs(host: Host, session: Session, act: Act) -> list[str]:
    """Failed runs of what this act takes off, oldest first: bound to releases of that build, or, where the
    same build is taken from an older version, those in a later one."""
    left = act.state.active_build
    step = act.decision.release
    if step is None or left is None:
        return []
    ids = [
        row.dag_version_id
        for row in releases.of_dag(session, act.state.dag_id)
        if row.build_id == left.id and row.release <= (act.state.active_release or 0)
    ]
    failed = host.reads.failed_runs(session, act.state.dag_id, ids)
    if step.version is None or step.build.id != left.id:
        return failed
    name = act.state.bundle_name
    bound = bindings.of_runs(session, act.state.dag_id, failed)
    versions = {
        run_id: plain(version)
        for run_id in failed
        if (rows := bound.get(run_id)) and (version := rows[-1].bundle_version) is not None
    }
    heads = bundles.versions(session, {(name, version) for version in (step.version, *versions.values())})
    back = heads.get((name, step.version))
    later = {version for (_, version), head in heads.items() if back is not None and head.seq > back.seq}
    return [run_id for run_id in failed if versions.get(run_id) in later]
