"""What is known of Dags whose places roll out: a fixed number of statements, however many there are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from enum import Enum
from typing import TYPE_CHECKING

from attrs import field, frozen

from pinwheel.core.build import Build
from pinwheel.core.errors import InvalidInput
from pinwheel.core.records import ManagedDag
from pinwheel.core.release.judged_by import Judged
from pinwheel.core.release.rule import Subject, required, unknown_author_allowed
from pinwheel.core.release.stand import Head
from pinwheel.core.release.state import DagState
from pinwheel.core.rollout.facts import Facts, WatchSays
from pinwheel.core.rollout.gate import GateFacts, Verdict
from pinwheel.core.rollout.hold import ORDER, Hold, HoldKind
from pinwheel.core.rollout.state import Candidate, Contributor, Place, Rollout, Slot, State
from pinwheel.core.rollout.steps import Approve, Gate, Plan, Wait
from pinwheel.core.rollout.verdict import frozen_before, proves
from pinwheel.core.rollout.watched import Run
from pinwheel.core.run.mark import is_marked
from pinwheel.services.ports.host import Host
from pinwheel.services.rules import judging, watching
from pinwheel.services.rules.authors import Between, authors
from pinwheel.services.rules.judging import Standing
from pinwheel.services.rules.required import Asker, unmet
from pinwheel.store import bundles, rollouts, rules, timelines, verdicts

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class Known:
    """What rules, policies and rollouts there are for some Dags, read under their locks."""

    standing: Standing
    rollouts: Mapping[str, tuple[Rollout, ...]] = field(factory=dict)
    """By Dag, those that have not ended, and the newest."""
    ways_back: frozenset[int] = frozenset()
    """Of Dags with a release under watch: the builds that were proven last, which it may go back to."""

    @property
    def nothing(self) -> bool:
        """The Dags are as without any of these."""
        return self.standing.nothing and not self.rollouts

    @property
    def build_ids(self) -> set[int]:
        """Of the builds of rollouts that have not ended, and of those that these go back to."""
        live = [each for some in self.rollouts.values() for each in some if each.live]
        places = [place for each in live for place in (each.place, each.proven) if place is not None]
        return {place.build_id for place in places} | self.ways_back

    def live(self, dag_id: str, slot: Slot) -> Rollout | None:
        return next((each for each in self.rollouts.get(dag_id, ()) if each.slot is slot), None)

    def stopped(self, dag_id: str) -> Rollout | None:
        """The Dag's last rollout, if it was aborted before it was released."""
        last = self.rollouts[dag_id][-1] if dag_id in self.rollouts else None
        aborted = last is not None and last.state is State.ABORTED and last.released_at is None
        return last if aborted else None


NOTHING = Known(standing=Standing())


@frozen(kw_only=True)
class Asked:
    """What somebody names, who asks for something of a Dag."""

    place: Place | None = None
    """None: its newest."""
    at: datetime | None = None
    """When it is to be released."""
    by: str | None = None
    """Who lets it take effect at once, without a rollout."""
    alone: bool = False
    """It is this place that rules are asked of, whatever rollout is ahead."""


class OfRuns(Enum):
    """What facts have of runs."""

    NONE = "nothing"
    WATCHED = "what watches say"
    """Nothing is released or begun by them: nobody asks what runs before came to."""
    ALL = "what runs before came to, too"


@frozen(kw_only=True)
class Around:
    """Some managed Dags, and where their builds stand."""

    rows: Mapping[str, ManagedDag]
    states: Mapping[str, DagState]
    builds: Mapping[int, Build] = field(factory=dict)
    """By id: the active and the newest builds, and those asked for."""
    versions: Mapping[int, str] = field(factory=dict)
    """By id of a build, the newest version in which it stands."""

    def newest(self, dag_id: str) -> Place | None:
        build = self.states[dag_id].newest_build
        if build is None or build.id not in self.versions:
            return None
        return Place(build_id=build.id, version=self.versions[build.id])

    def active(self, dag_id: str) -> Place | None:
        state = self.states[dag_id]
        if state.active_build is None or state.version is None:
            return None
        return Place(build_id=state.active_build.id, version=state.version)

    def gone(self, dag_id: str) -> str | None:
        """Why none of the Dag's places can be held."""
        state = self.states[dag_id]
        if state.retired:
            return "the Dag is retired"
        if not state.versioned:
            return f"its bundle {state.bundle_name} keeps no versions"
        # A build that sets this is held as any other, as long as there is one that can stay.
        present = state.active_build or state.newest_build
        if present is not None and not present.versioned:
            return "the Dag sets disable_bundle_versioning"
        return None


@frozen(kw_only=True)
class Found:
    """What is known of one Dag, and by which policy it is judged."""

    facts: Facts
    judged: Judged
    subject: Subject

    @property
    def concerns(self) -> bool:
        """More than a pin or a rejection says what becomes of places of the Dag."""
        known, plan = self.facts, self.judged.choice.plan
        if known.active is None:
            return False
        rollouts = (known.ahead, known.watched, known.stopped)
        return bool(known.closed) or any(rollouts) or not plan.at_once or plan.watch is not None


def know(
    session: Session, rows: Mapping[str, ManagedDag], *, every: bool = False, hold: bool = False
) -> Known:
    """One statement where there is nothing; else three more, and a fourth where a policy that is in force for
    one of these Dags is retired. *every*: these are all Dags that there are. With *hold*, for who holds the
    Dags, their rollouts are locked."""
    former = any(row.policy_id is not None for row in rows.values())
    if not former and not rules.anything(session, None if every else rows, former=False):
        return NOTHING
    return read(session, rows, every=every, hold=hold)


def read(
    session: Session, rows: Mapping[str, ManagedDag], *, every: bool = False, hold: bool = False
) -> Known:
    """As :func:`know`, where there is something."""
    found = rollouts.of_dags(session, None if every else rows, hold=hold)
    watched = [dag_id for dag_id, some in found.items() if any(each.slot is Slot.WATCHED for each in some)]
    proven = (rows[dag_id].proven_build_id for dag_id in watched if dag_id in rows)
    return Known(
        standing=judging.load(session, rows),
        rollouts=found,
        ways_back=frozenset(build_id for build_id in proven if build_id is not None),
    )


def find(
    host: Host,
    session: Session,
    known: Known,
    around: Around,
    *,
    now: datetime,
    asked: Mapping[str, Asked] | None = None,
    runs: OfRuns = OfRuns.ALL,
) -> dict[str, Found]:
    """The facts of each Dag of *around*, by its id.

    *runs* is what is read of runs: whoever only tells why places are held asks for none of them.
    """
    wanted = asked or {}
    subjects = judging.subjects(host, session, known.standing, around.rows)
    judged = {
        dag_id: known.standing.judged(subject, around.rows[dag_id].policy_id)
        for dag_id, subject in subjects.items()
    }
    eras = _eras(session, around.rows, now)
    places = {dag_id: _places(known, around, dag_id, wanted.get(dag_id)) for dag_id in around.rows}
    seqs = _seqs(session, around, places)
    said = _verdicts(session, known, around, places, judged)
    idle = _idle(host, session, known, judged)
    watches = _watches(host, session, known, around, said, now) if runs is not OfRuns.NONE else {}
    ran = _ran_before(host, session, known, around, judged) if runs is OfRuns.ALL else {}
    wrote = _authors(host, session, known, around, wanted, judged)
    nobody = _not_approvers(host, session, known)
    found = {}
    for dag_id, subject in subjects.items():
        ask = wanted.get(dag_id) or Asked()
        newest, ahead = ask.place or around.newest(dag_id), known.live(dag_id, Slot.AHEAD)
        gates = required(judged[dag_id].choice.rules)
        is_ahead = ahead is not None and ahead.place == newest
        own = ahead if not ask.alone or is_ahead else None
        place = own.place if own is not None else newest
        gate_facts = GateFacts(
            verdicts=tuple(said.get(dag_id, ())),
            bundle=subject.bundle,
            digests=frozenset(_digests(around, place)),
            idle=idle.get(dag_id),
            unknown_author_allowed=unknown_author_allowed(judged[dag_id].choice.rules),
            not_approvers=nobody if nobody is not None else _every_actor(said.get(dag_id, ())),
        )
        authors_of = ahead.authors if ahead is not None and is_ahead else wrote.get(dag_id)
        asker = Asker(by=ask.by) if ask.alone else None
        closed = known.standing.closed(subject, now)
        active = around.active(dag_id)
        proven = active if proves(ran.get(dag_id, ())) else _proven(around.rows[dag_id])
        missing = () if place is None else unmet(gates, own, place, gate_facts, now, asker)
        facts = Facts(
            dag_id=dag_id,
            ahead=ahead,
            watched=known.live(dag_id, Slot.WATCHED),
            newest=_candidate(newest, judged[dag_id], gates, proven, authors_of),
            active=active,
            active_release=around.states[dag_id].active_release,
            proven=proven,
            before=frozen_before(ran[dag_id], _number(around, active)) if dag_id in ran else None,
            pinned=around.states[dag_id].pinned,
            gone=around.gone(dag_id),
            rejected=frozenset(
                each for each in places[dag_id] if _is_rejected(around, seqs, dag_id, each, subject.bundle)
            ),
            closed=tuple(sorted((*closed, *missing), key=lambda hold: ORDER[hold.kind])),
            closed_then=known.standing.closed(subject, ask.at) if ask.at is not None else (),
            era=eras.get(dag_id),
            gates=gate_facts,
            watch=watches.get(dag_id),
            stopped=known.stopped(dag_id),
        )
        found[dag_id] = Found(facts=facts, judged=judged[dag_id], subject=subject)
    return found


def _authors(
    host: Host,
    session: Session,
    known: Known,
    around: Around,
    wanted: Mapping[str, Asked],
    judged: Mapping[str, Judged],
) -> Mapping[str, tuple[Contributor, ...] | None]:
    """Who had a part in the places that persons must approve and that have not set out yet."""
    asking: dict[str, tuple[Build, Place]] = {}
    for dag_id, of in judged.items():
        ask, ahead = wanted.get(dag_id), known.live(dag_id, Slot.AHEAD)
        place = (ask.place if ask is not None else None) or around.newest(dag_id)
        if place is None or (ahead is not None and ahead.place == place):
            continue
        build = around.builds.get(place.build_id)
        if build is not None and any(isinstance(gate, Approve) for gate in of.choice.plan.gates):
            asking[dag_id] = build, place
    if not asking:
        return {}
    versions = {
        (around.rows[dag_id].bundle_name, version)
        for dag_id, (_, place) in asking.items()
        for version in (place.version, around.states[dag_id].version)
        if version is not None
    }
    rows = bundles.versions(session, versions)
    between = {}
    for dag_id, (build, place) in asking.items():
        name, state = around.rows[dag_id].bundle_name, around.states[dag_id]
        at, before = rows.get((name, place.version)), rows.get((name, state.version or ""))
        if at is not None:
            between[dag_id] = Between(
                active=state.active_build,
                active_seq=before.seq if before is not None else None,
                candidate=build,
                seq=at.seq,
            )
    try:
        return authors(host, session, between)
    except InvalidInput:
        # Nobody can say who they are until the configuration is put right: that costs an approval more.
        return {}


def _not_approvers(host: Host, session: Session, known: Known) -> frozenset[str] | None:
    """Users that are no persons; None: nobody can say who is until the configuration is put right."""
    live = [each for some in known.rollouts.values() for each in some if each.live]
    if not any(isinstance(gate, Approve) for each in live for gate in each.plan.gates):
        return frozenset()
    try:
        return host.deployment.people(session).not_approvers
    except InvalidInput:
        return None


def _every_actor(said: Iterable[Verdict]) -> frozenset[str]:
    return frozenset(each.actor for each in said)


def _candidate(
    newest: Place | None,
    judged: Judged,
    gates: tuple[Gate, ...],
    proven: Place | None,
    wrote: tuple[Contributor, ...] | None,
) -> Candidate | None:
    if newest is None:
        return None
    policy = judged.in_force
    return Candidate(
        place=newest,
        plan=judged.choice.plan,
        required=gates,
        policy=judged.choice.policy.name if policy is not None else None,
        revision=policy.revision if policy is not None else None,
        authors=wrote,
        proven=proven if judged.choice.plan.watch is not None else None,
    )


def _watches(
    host: Host,
    session: Session,
    known: Known,
    around: Around,
    said: Mapping[str, Sequence[Verdict]],
    now: datetime,
) -> Mapping[str, WatchSays]:
    """What the watches of released places say. Nothing is read of what a person has to go on with."""
    live = {dag_id: known.live(dag_id, Slot.WATCHED) for dag_id in around.rows}
    watched = {dag_id: each for dag_id, each in live.items() if each is not None and not each.paused}
    if not watched:
        return {}
    checks = {
        dag_id: GateFacts(
            verdicts=tuple(said.get(dag_id, ())),
            bundle=around.rows[dag_id].bundle_name,
            digests=frozenset(_digests(around, each.place)),
        )
        for dag_id, each in watched.items()
        if each.plan.rollback.also
    }
    builds = {dag_id: _number(around, each.place) for dag_id, each in watched.items()}
    return watching.judged(host, session, watched, builds=builds, checks=checks, now=now)


def _number(around: Around, place: Place | None) -> int | None:
    """The number of a place's build, as people know it."""
    build = around.builds.get(place.build_id) if place is not None else None
    return build.build if build is not None else None


def _ran_before(
    host: Host, session: Session, known: Known, around: Around, judged: Mapping[str, Judged]
) -> Mapping[str, tuple[Run, ...]]:
    """Of Dags of which what is released next is watched, and nothing is yet: the last runs of the active
    build. While something is watched, that says whether the active place is a way back."""
    plans: dict[str, list[Plan]] = {}
    for dag_id in around.rows:
        if known.live(dag_id, Slot.WATCHED) is None:
            ahead = known.live(dag_id, Slot.AHEAD)
            plans[dag_id] = [judged[dag_id].choice.plan, *([ahead.plan] if ahead is not None else [])]
    active = {
        dag_id: state.active_build.id
        for dag_id, state in around.states.items()
        if state.active_build is not None and any(plan.watch for plan in plans.get(dag_id, ()))
    }
    if not active:
        return {}
    deadlines = [dag_id for dag_id in active if any(plan.rollback.deadline for plan in plans[dag_id])]
    found = watching.before(host, session, active, deadlines=deadlines)
    return {dag_id: found.get(dag_id, ()) for dag_id in active}


def _proven(row: ManagedDag) -> Place | None:
    if row.proven_build_id is None or row.proven_version is None:
        return None
    return Place(build_id=row.proven_build_id, version=row.proven_version)


def _places(known: Known, around: Around, dag_id: str, ask: Asked | None) -> frozenset[Place]:
    """All places of the Dag that its facts name."""
    live = [known.live(dag_id, slot) for slot in Slot]
    named_ones = [
        around.newest(dag_id),
        around.active(dag_id),
        ask.place if ask is not None else None,
        _proven(around.rows[dag_id]),
        *(each.place for each in live if each is not None),
        *(each.proven for each in live if each is not None),
    ]
    return frozenset(place for place in named_ones if place is not None)


def _seqs(
    session: Session, around: Around, places: Mapping[str, Iterable[Place]]
) -> Mapping[tuple[str, str], int]:
    """Where versions stand in their bundles' order, of Dags of which some versions are rejected."""
    pairs = {
        (around.rows[dag_id].bundle_name, place.version)
        for dag_id, state in around.states.items()
        if any(each.of_versions for each in state.rejections)
        for place in places[dag_id]
    }
    rows = bundles.versions(session, pairs) if pairs else {}
    return {pair: row.seq for pair, row in rows.items()}


def _is_rejected(
    around: Around, seqs: Mapping[tuple[str, str], int], dag_id: str, place: Place, bundle: str
) -> bool:
    state, build = around.states[dag_id], around.builds.get(place.build_id)
    if build is None or not state.rejections:
        return False
    seq = seqs.get((bundle, place.version))
    if seq is None:
        return state.rejects(build)
    return state.rejection_of(build, Head(seq=seq, version=place.version)) is not None


def _eras(session: Session, rows: Mapping[str, ManagedDag], now: datetime) -> dict[str, Hold]:
    """The eras over the present. Nothing is read of Dags whose runs are not judged by date."""
    dated = [dag_id for dag_id, row in rows.items() if is_marked(row.row_version)]
    covering = timelines.covering(session, now, dated) if dated else {}
    return {
        dag_id: Hold(
            kind=HoldKind.ERA,
            reason=found.reason or f"its timeline names build {found.era.build} for the present",
            since=found.at,
            until=found.era.ends_at,
            by=found.actor,
        )
        for dag_id, found in covering.items()
    }


def _digests(around: Around, place: Place | None) -> list[str]:
    build = around.builds.get(place.build_id) if place is not None else None
    return [build.digest] if build is not None else []


def _verdicts(
    session: Session,
    known: Known,
    around: Around,
    places: Mapping[str, Iterable[Place]],
    judged: Mapping[str, Judged],
) -> dict[str, list[Verdict]]:
    """What was said of the places of Dags with gates; of the others nothing is read."""
    gated = {
        dag_id
        for dag_id in around.rows
        if known.live(dag_id, Slot.AHEAD) is not None
        or judged[dag_id].choice.plan.gates
        or ((watched := known.live(dag_id, Slot.WATCHED)) is not None and watched.plan.rollback.also)
    }
    if not gated:
        return {}
    named_ones = {dag_id: list(places[dag_id]) for dag_id in gated}
    every = [place for some in named_ones.values() for place in some]
    ahead = [live.id for dag_id in gated if (live := known.live(dag_id, Slot.AHEAD)) is not None]
    stored = verdicts.about(
        session,
        rollouts=ahead,
        build_ids=[place.build_id for place in every],
        versions=[place.version for place in every],
        digests=[digest for place in every for digest in _digests(around, place)],
    )
    # Which of them counts for a place is said by the gate: only those of other Dags are left out here.
    return {
        dag_id: [each.verdict for each in stored if each.dag_id in (None, dag_id)] for dag_id in sorted(gated)
    }


def _idle(host: Host, session: Session, known: Known, judged: Mapping[str, Judged]) -> Mapping[str, bool]:
    asking = [
        dag_id
        for dag_id, of in judged.items()
        if _waits_idle(known.live(dag_id, Slot.AHEAD)) or any(map(_is_idle, required(of.choice.rules)))
    ]
    if not asking:
        return {}
    busy = host.reads.busy(session, asking)
    return {dag_id: dag_id not in busy for dag_id in asking}


def _waits_idle(rollout: Rollout | None) -> bool:
    return rollout is not None and _is_idle(rollout.at_gate)


def _is_idle(gate: Gate | None) -> bool:
    return isinstance(gate, Wait) and gate.idle
