"""Carrying out what was decided of Dags whose places roll out: releases, rollouts, and what follows."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from attrs import evolve

from pinwheel.core.records import ManagedDag
from pinwheel.core.release.carried import Carried, Move, Surroundings, carried
from pinwheel.core.release.decide import Decision, Verb
from pinwheel.core.release.state import DagState, Kind
from pinwheel.core.rollout.decide import arrive
from pinwheel.core.rollout.effects import Act as Decided
from pinwheel.core.rollout.effects import Begin, Effect, RejectPlace, Save
from pinwheel.services.ports.host import Host
from pinwheel.services.release.carry_out import carry_out
from pinwheel.services.release.follow import follow_each
from pinwheel.services.release.loading import Loaded, load
from pinwheel.services.release.outcome import ACTOR, Act, Outcome
from pinwheel.services.rules import facts, judging, writing
from pinwheel.services.rules.facts import Known
from pinwheel.services.rules.writing import Moved
from pinwheel.store import bundles, dags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

TURNS = 3
"""So often what follows of something may make something follow: a rollout that ends lets another set out."""


def go(
    host: Host,
    session: Session,
    acts: Sequence[Act],
    known: Known,
    loaded: Loaded,
    *,
    now: datetime,
    batch: str | None = None,
    turns: int = TURNS,
) -> list[Outcome]:
    """Carry acts out on Dags that the caller has locked, with what their rollouts do, and what follows then.

    Writes everything, commits nothing. One outcome an act; where another release follows of it, that one's.
    """
    outcomes = carry_out(
        host,
        session,
        acts,
        now=now,
        contents=loaded.contents,
        versions=loaded.versions,
        batch=batch,
        ruled=not known.nothing,
    )
    moved = [_moved(act, outcome) for act, outcome in zip(acts, outcomes, strict=True) if act.moves]
    if moved:
        writing.write(host, session, moved, loaded.builds, now=now, batch=batch)
    released = {act.state.dag_id for act in acts if _was_judged(act)}
    if released and not known.standing.nothing:
        _in_force(host, session, known, released)
    next_ones = [act.state.dag_id for act in acts if act.then_next]
    looked = look_again(host, session, next_ones, now=now, batch=batch, turns=turns - 1) if turns else []
    then = {outcome.dag_id: outcome for outcome in looked}
    _follow_again(host, session, acts, then.keys())
    return [_both(outcome, then.get(outcome.dag_id)) for outcome in outcomes]


def _follow_again(host: Host, session: Session, acts: Sequence[Act], gone_on: Collection[str]) -> None:
    """Dags that stood still for a rollout follow again in the transaction that ends it.

    Not those of which it released something, nor those that have *gone on* by now.
    """
    free = []
    for act in acts:
        ends = any(isinstance(move, Save) and not move.rollout.live for move in act.moves)
        if ends and act.decision.release is None and act.state.dag_id not in gone_on:
            free.append((act.state.bundle_name, act.state.dag_id))
    follow_each(host, session, free)


def _was_judged(act: Act) -> bool:
    """Whether a release passed what its Dag is judged by: what goes back, comes back or changes its form did
    not, and no policy that holds less comes into force by it."""
    release, active = act.decision.release, act.state.active_build
    if release is None or release.kind not in (Kind.AUTO, Kind.PROMOTE):
        return False
    rolled_out = any(
        isinstance(move, Begin | Save) and move.rollout.released_at is not None for move in act.moves
    )
    return rolled_out or active is None or release.build.id != active.id


def look_again(
    host: Host,
    session: Session,
    dag_ids: Collection[str],
    *,
    now: datetime,
    batch: str | None = None,
    turns: int = TURNS,
) -> list[Outcome]:
    """Let the newest places of these locked Dags do what they do when they arrive."""
    if not dag_ids:
        return []
    rows = dags.rows(session, dag_ids)
    known = facts.know(session, rows, hold=True)
    newest = [row.newest_build_id for row in rows.values() if row.newest_build_id is not None]
    loaded = load(host, session, rows, others=known.build_ids, contents_of=newest)
    found = facts.find(host, session, known, loaded, now=now)
    acts = []
    for dag_id, state in sorted(loaded.states.items()):
        decided = arrive(found[dag_id].facts, now)
        if isinstance(decided, Decided) and decided.effects:
            made = what_is_carried(session, decided.effects, state, loaded, said=decided.said)
            acts.append(act_of(rows[dag_id], state, made, verb=Verb.ARRIVE.value, actor=ACTOR, reason=None))
    if not acts:
        return []
    return go(host, session, acts, known, loaded, now=now, batch=batch, turns=turns)


def verb_of(effects: Sequence[Effect]) -> Verb:
    """By which verb it is known what effects do to a Dag, where they release nothing."""
    rejects = any(isinstance(effect, RejectPlace) for effect in effects)
    return Verb.REJECT if rejects else Verb.ARRIVE


def what_is_carried(
    session: Session,
    effects: Sequence[Effect],
    state: DagState,
    loaded: Loaded,
    *,
    said: str,
    as_today: Decision | None = None,
) -> Carried:
    """What effects mean for a Dag.

    :raises Conflict: its active release is another than the one on which they were decided.
    """
    rejected = [effect for effect in effects if isinstance(effect, RejectPlace)]
    versions = {
        (state.bundle_name, place.version)
        for effect in rejected
        for place in (effect.place, effect.instead)
        if place is not None
    }
    rows = bundles.versions(session, versions) if versions else {}
    surroundings = Surroundings(
        state=state,
        builds=loaded.builds,
        newest=loaded.versions,
        seqs={version: row.seq for (_, version), row in rows.items()},
    )

    def today() -> Decision:
        return as_today if as_today is not None else Decision(steps=(), reason=said)

    return carried(effects, surroundings, said, today)


def act_of(
    row: ManagedDag,
    state: DagState,
    made: Carried,
    *,
    verb: str,
    actor: str,
    reason: str | None,
    overrides: tuple[str, ...] = (),
    not_before: datetime | None = None,
) -> Act:
    return Act(
        dag=row,
        state=state,
        decision=made.decision,
        verb=verb,
        actor=actor,
        reason=reason,
        moves=made.moves,
        then_next=made.then_next,
        overrides=overrides if made.past_rules else (),
        not_before=not_before,
    )


def _moved(act: Act, outcome: Outcome) -> Moved:
    released = outcome.release if act.decision.release is not None else None
    return Moved(
        dag_id=act.state.dag_id,
        bundle_name=act.state.bundle_name,
        moves=tuple(_numbered(move, released) for move in act.moves),
        actor=act.actor,
        reason=act.reason,
    )


def _numbered(move: Move, release: int | None) -> Move:
    """Of a rollout whose place takes effect with this act the number of that release is noted."""
    if isinstance(move, Begin | Save) and release is not None:
        rollout = move.rollout
        if rollout.released_at is not None and rollout.release is None:
            return evolve(move, rollout=evolve(rollout, release=release))
    return move


def _both(first: Outcome, then: Outcome | None) -> Outcome:
    """What became of a Dag of which one thing followed of another."""
    if then is None or not then.changed:
        return first
    return evolve(
        then,
        from_release=first.from_release,
        from_build=first.from_build,
        lifted=first.lifted or then.lifted,
        rejected=first.rejected if then.rejected is None else then.rejected,
        message=f"{first.message}; {then.message}",
        warnings=tuple(dict.fromkeys((*first.warnings, *then.warnings))),
    )


def _in_force(host: Host, session: Session, known: Known, dag_ids: Collection[str]) -> None:
    """With a release the newest policy of its repository is in force for a Dag, by its tags from now on.

    Airflow's rows have these tags already.
    """
    rows = dags.rows(session, dag_ids)
    subjects = judging.subjects(host, session, known.standing, rows)
    newest = {dag_id: known.standing.newest_for(subjects[dag_id]) for dag_id in rows}
    judging.put_in_force(session, rows, newest)
