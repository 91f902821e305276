"""Promote, pin, unpin and roll back: one Dag or many, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from pinwheel.core.build import Build
from pinwheel.core.errors import Conflict, InvalidInput, NotFound, PinwheelError, Refused, spoken
from pinwheel.core.lookup import named
from pinwheel.core.records import ManagedDag
from pinwheel.core.release.decide import Command, Verb, decide
from pinwheel.core.release.newer import is_newer
from pinwheel.core.release.stand import Head
from pinwheel.core.release.state import DagState
from pinwheel.core.request import ChangeRequest
from pinwheel.core.rollout.refusals import not_before_words
from pinwheel.services import once
from pinwheel.services.ingest import faults
from pinwheel.services.ports.host import Host
from pinwheel.services.release import keeping, staged, targets
from pinwheel.services.release.going import go
from pinwheel.services.release.loading import Loaded, known_and_not, load
from pinwheel.services.release.outcome import OUTCOMES, Act, Outcome, outcome_of
from pinwheel.services.release.stands import last_shown, place_named, stood_another
from pinwheel.services.rules import facts
from pinwheel.services.rules.facts import NOTHING, Known
from pinwheel.services.rules.overriding import Who
from pinwheel.services.run import rerun
from pinwheel.services.timeline import rolled_back
from pinwheel.store import builds, rejections, releases
from pinwheel.store.locking import lock_dags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

REHEARSED = 50
"""Of so many Dags of a plan that is done, and undone, of which more follows: they are locked meanwhile."""
NEXT = "then its newest place goes on as if it had just arrived"
"""What a plan says of the others."""


@frozen(kw_only=True)
class Change:
    """A request to change what runs, the Dags that its selection means by now, and who asks.

    A repeat (see :mod:`pinwheel.services.once`) is one of the same selector; ``sees`` tells which Dags the
    actor may see, ``sees_runs`` of which the runs: of no others is a run named or counted.
    """

    request: ChangeRequest
    dag_ids: Sequence[str]
    actor: str
    sees: once.Sees = once.all_of_them
    sees_runs: once.Sees = once.all_of_them
    names: frozenset[str] = frozenset()
    """By which else the actor goes, where a rule says who may override it."""
    decides: bool = True
    """The actor may approve and reject at gates."""


@frozen(kw_only=True)
class Refusal:
    """Why one Dag of a plan can not take the change."""

    dag_id: str
    error: PinwheelError


@frozen(kw_only=True)
class Plan:
    """What a change would do of all its Dags, in order of id."""

    outcomes: tuple[Outcome, ...]
    refused: tuple[Refusal, ...]


def apply(host: Host, change: Change) -> list[Outcome]:
    """Carry the change out on all its Dags or on none, and say what became of each, in order of id.

    Dags that it leaves out (``skip_refused``) are not among them. Of a plan say what would become of them;
    nothing is kept.

    :raises NotFound: a Dag, build or release does not exist.
    :raises Conflict: ``expected_release`` is stale, or the request id stands for another request.
    :raises Refused: one of the Dags can not take the change.
    """
    if change.request.plan:
        planned = plan(host, change)
        if planned.refused:
            raise planned.refused[0].error
        return list(planned.outcomes)
    _check(change)
    wanted = _wanted(change)

    def work(session: Session) -> list[Outcome]:
        acts, loaded, dated, known = _decide_all(host, session, change, lock_dags(session, wanted))
        outcomes = go(host, session, acts, known, loaded, now=host.unit.now())
        if change.request.verb is Verb.ROLLBACK:
            outcomes = rolled_back.carry_out(host, session, change.request, dated, acts, outcomes)
        if change.request.reruns:
            outcomes = rerun.carried_out(
                host,
                session,
                acts,
                outcomes,
                rolled_back.eras_of(change.request, dated),
                whole=change.request.rerun_whole,
            )
        return _with_bundles(session, acts, outcomes)

    done = once.carry_out(host, _request(change), OUTCOMES, work)
    if done.repeated:
        seen = set(change.sees([outcome.dag_id for outcome in done.answer]))
        return _told(change, [_repeated(outcome) for outcome in done.answer if outcome.dag_id in seen])
    outcomes = _told(change, done.answer)
    host.unit.announce(
        [{"kind": o.kind or change.request.verb.value, "dag_id": o.dag_id} for o in outcomes if o.changed]
    )
    return outcomes


def plan(host: Host, change: Change) -> Plan:
    """What the change would do, and every Dag that can not take it with its reason; nothing is kept.

    :raises NotFound, InvalidInput: the request itself can not be answered for any Dag.
    """
    _check(change)
    planned, going_on = host.unit.run(lambda session: _plan(host, session, change))
    some = evolve(change, dag_ids=going_on[:REHEARSED])
    if not some.dag_ids:
        return planned
    tried = host.rehearse(lambda host: host.unit.run(lambda session: _rehearsed(host, session, some)))
    return _merged(planned, tried, left=going_on[REHEARSED:])


def left_out(request: ChangeRequest, dag_ids: Sequence[str]) -> list[str]:
    """Those of the Dags that the request leaves out."""
    return sorted(set(dag_ids).intersection(request.skip_refused))


def _wanted(change: Change) -> list[str]:
    return sorted(set(change.dag_ids).difference(change.request.skip_refused))


def _plan(host: Host, session: Session, change: Change) -> tuple[Plan, list[str]]:
    """Also the Dags of which more follows than is said: their newest place is looked at after that."""
    refused: list[Refusal] = []
    acts, _, dated, _ = _decide_all(host, session, change, refused=refused)
    asked = change.request
    outcomes = [outcome_of(act) for act in acts]
    if asked.verb is Verb.ROLLBACK:
        outcomes = rolled_back.plan(asked, dated, acts, outcomes)
    # Of one Dag it is said too what could run again: whoever decides chooses by that.
    if asked.reruns or (asked.verb is Verb.ROLLBACK and len(acts) == 1):
        how = rerun.How.of(failed=asked.rerun_failed, whole=asked.rerun_whole)
        eras = rolled_back.eras_of(asked, dated)
        outcomes = rerun.planned(host, session, acts, outcomes, how, eras)
    told = _told(change, _with_bundles(session, acts, outcomes))
    going_on = [act.state.dag_id for act in acts if act.then_next]
    return Plan(outcomes=tuple(told), refused=tuple(refused)), going_on


def _rehearsed(host: Host, session: Session, change: Change) -> Plan:
    """All that becomes of these Dags; whoever calls it undoes it."""
    refused: list[Refusal] = []
    locked = lock_dags(session, _wanted(change))
    acts, loaded, _, known = _decide_all(host, session, change, locked, refused=refused)
    outcomes = go(host, session, acts, known, loaded, now=host.unit.now())
    # Another release may have the number by then.
    unnumbered = [evolve(each, release=None) if each.kind is not None else each for each in outcomes]
    return Plan(outcomes=tuple(_with_bundles(session, acts, unnumbered)), refused=tuple(refused))


def _merged(planned: Plan, tried: Plan, *, left: Collection[str]) -> Plan:
    """A plan with what was tried of some of its Dags; of those that are *left* it says that more follows."""
    found = {each.dag_id: each for each in tried.outcomes}
    no = {each.dag_id for each in tried.refused}
    outcomes = [
        evolve(each, message=f"{each.message}; {NEXT}")
        if each.dag_id in left
        else found.get(each.dag_id, each)
        for each in planned.outcomes
        if each.dag_id not in no
    ]
    refused = sorted((*planned.refused, *tried.refused), key=lambda refusal: refusal.dag_id)
    return Plan(outcomes=tuple(outcomes), refused=tuple(refused))


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
            **({"rerun_whole": True} if asked.rerun_whole else {}),
            **({"skip_refused": sorted(set(asked.skip_refused))} if asked.skip_refused else {}),
            **({} if asked.bundle_version is None else {"bundle_version": asked.bundle_version}),
            **({} if asked.eras is None else {"eras": asked.eras}),
            **({} if asked.at is None else {"at": asked.at.isoformat()}),
            **({"now": True} if asked.now else {}),
        },
        sees=change.sees,
    )


def _repeated(outcome: Outcome) -> Outcome:
    message = "this request was carried out before"
    if outcome.not_before is not None:
        message = f"{message}: {not_before_words(outcome.not_before)}"
    return evolve(outcome, changed=False, message=message)


def _told(change: Change, outcomes: Sequence[Outcome]) -> list[Outcome]:
    """The outcomes without the runs that the actor may not see."""
    naming = [outcome.dag_id for outcome in outcomes if outcome.failed_runs or outcome.rerun]
    hidden = set(naming).difference(change.sees_runs(naming)) if naming else set()
    return [
        evolve(outcome, failed_runs=(), rerun=(), rerun_tasks=0, rerun_mixed=0)
        if outcome.dag_id in hidden
        else outcome
        for outcome in outcomes
    ]


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
    if not _wanted(change):
        raise NotFound(asked.failed, found="every Dag is left out", remedy="Leave one in")


def _decide_all(
    host: Host,
    session: Session,
    change: Change,
    locked: Mapping[str, ManagedDag] | None = None,
    *,
    refused: list[Refusal] | None = None,
) -> tuple[list[Act], Loaded, rolled_back.Timelines, Known]:
    """What is to be done with each Dag; *locked* are their rows, None for a plan, which writes nothing.

    A Dag that can not take the change ends it, or is noted in *refused*.
    """

    def no(dag_id: str, error: PinwheelError) -> None:
        if refused is None:
            raise error
        refused.append(Refusal(dag_id=dag_id, error=error))

    asked = change.request
    dag_ids = _wanted(change)
    rows, unknown = known_and_not(host, session, dag_ids, locked)
    for dag_id, error in unknown.items():
        no(dag_id, error)
    if not rows:
        return [], Loaded(rows={}, states={}), rolled_back.NONE, NOTHING
    dag_ids = list(rows)
    ledger = keeping.ledger(session, dag_ids[0]) if asked.to_release is not None else None
    rejected = rejections.of_dags(session, dag_ids)
    build_ids = targets.targets(session, asked, rows, ledger or (), rejected)
    at: Head | None = None
    if asked.bundle_version is not None:
        at, stood = place_named(session, rows[dag_ids[0]], asked.bundle_version, verb=asked.verb)
        if asked.to_release is None and asked.build is None:
            build_ids = {dag_ids[0]: stood}
    known = facts.know(session, rows, hold=locked is not None)
    loaded = load(
        host,
        session,
        rows,
        others=(*build_ids.values(), *known.build_ids),
        numbered=(dag_ids[0], asked.build) if asked.build is not None else None,
        contents_of=() if locked is None else (*build_ids.values(), *targets.waiting(asked, rows)),
        rejected=rejected,
        in_force=at is not None,
    )
    rolls_back = asked.verb is Verb.ROLLBACK
    dated = rolled_back.load(host, session, rows) if rolls_back else rolled_back.NONE
    commands = {
        dag_id: _command(asked, loaded, dag_id, named(loaded.builds, build_ids.get(dag_id)), at)
        for dag_id in dag_ids
    }
    found = staged.find(host, session, asked, commands, known, loaded, by=change.actor)
    acts = []
    for dag_id in dag_ids:
        state, command = loaded.states[dag_id], commands[dag_id]
        if at is not None and command.build is not None and command.build.id != stood:
            there = builds.by_ids(session, [stood])[stood]
            raise stood_another(asked.verb, command.build, there, at.version)
        releases_it = asked.verb not in (Verb.REJECT, Verb.LIFT)
        if releases_it and command.build is not None and command.build != state.active_build:
            keeping.require(host, session, command.build, verb=asked.verb.value, ledger=ledger)
        state = _with_order(session, state, command)
        try:
            decision = decide(state, command)
            if dag_id in dated.present:
                rolled_back.require_choice(asked, dag_id, dated.present[dag_id])
            forward = dag_id in found and _goes_forward(session, state, command)
            wish = staged.Wish(asked=asked, command=command, dag_id=dag_id, today=decision, forward=forward)
            who = Who(actor=change.actor, names=change.names, decides=change.decides)
            acts.append(staged.act(host, session, wish, who, loaded, known=known, found=found.get(dag_id)))
        except (Conflict, NotFound, Refused) as error:
            no(dag_id, error)
    if refused is not None:
        refused.sort(key=lambda refusal: refusal.dag_id)
    return acts, loaded, dated, known


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


def _goes_forward(session: Session, state: DagState, command: Command) -> bool:
    """Whether a rollback names what is newer than what is active, or was never in force: no way back,
    whatever it is called."""
    active, build, at = state.active_build, command.build, command.at
    if command.verb is not Verb.ROLLBACK or active is None or build is None:
        return False
    if build.id == active.id:
        present = state.in_force
        return at is not None and present is not None and at.seq > present.seq
    if releases.of_build(session, build.id) is None:
        return True
    shown = last_shown(session, state.bundle_name, {build.id, active.id})
    return is_newer(build, active, newest=state.newest_build, shown=shown)


def _with_order(session: Session, state: DagState, command: Command) -> DagState:
    """With what tells whether the build that is asked for is newer than the active one: only promote asks."""
    if command.verb is not Verb.PROMOTE or command.build is None or state.active_build is None:
        return state
    asked = {command.build.id, state.active_build.id}
    return evolve(state, shown=last_shown(session, state.bundle_name, asked))
