"""A Dag of three builds whose rollouts meet every event and every act, one after the other, in each order.

:func:`explore` visits each state that can be reached, and checks the rules of section 3.3 of the design on
each step. Effects are carried out here, by code that knows nothing of how the product decides.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from datetime import datetime
from typing import Any

from attrs import evolve, frozen

from harness.rollouts import CHECK, HOUR, LATER, NOW, place
from pinwheel.core.errors import Conflict
from pinwheel.core.rollout import acts, decide, effects
from pinwheel.core.rollout.facts import Enough, Facts, Fired, Unclear, WatchSays
from pinwheel.core.rollout.gate import Answer, GateFacts, Verdict
from pinwheel.core.rollout.hold import Hold, HoldKind
from pinwheel.core.rollout.refusals import Deed
from pinwheel.core.rollout.state import Candidate, Cause, Rollout, Slot, State
from pinwheel.core.rollout.steps import Newer, Plan
from pinwheel.core.rollout.table import Verb

T = LATER + HOUR
"""For when somebody asks; it is :data:`LATER` until the clock has gone on."""
ERA = Hold(kind=HoldKind.ERA, reason="the past", since=NOW)
FREEZE = Hold(kind=HoldKind.FREEZE, reason="the month's end")


@frozen(kw_only=True)
class World:
    """A Dag, at first with one build, which is active."""

    plan: Plan
    """Of each build."""
    builds: int = 3
    """So many come."""
    windows: bool = True
    """They close and open."""
    rejects: bool = False
    """The newest place is rejected although it is on its way, as one of some versions can be."""
    eras: bool = False
    """One over the present may come and go."""
    newest: int = 1
    active: int = 1
    proven: int | None = 1
    pinned: bool = False
    closed: bool = False
    era: bool = False
    late: bool = False
    """The instant for which somebody asked has come."""
    rejected: frozenset[int] = frozenset()
    judged: bool = False
    """The check passed the build ahead, or a person skipped it."""
    aborted: frozenset[int] = frozenset()
    ahead: Rollout | None = None
    watched: Rollout | None = None
    stopped: Rollout | None = None

    @property
    def now(self) -> datetime:
        return T if self.late else LATER

    @property
    def live(self) -> tuple[Rollout, ...]:
        return tuple(each for each in (self.ahead, self.watched) if each is not None)


@frozen(kw_only=True)
class Machine:
    """What decides: the product's modules, or faulty ones."""

    decide: Any = decide
    acts: Any = acts


class RuleBroken(Exception):
    """A rule of the machine does not hold."""


def require(holds: object, rule: str) -> None:
    if not holds:
        raise RuleBroken(rule)


def facts_of(world: World, verdict: Verdict | None = None, watch: WatchSays | None = None) -> Facts:
    return Facts(
        dag_id="sales",
        ahead=world.ahead,
        watched=world.watched,
        newest=Candidate(
            place=place(world.newest),
            plan=world.plan,
            proven=place(world.proven) if world.proven else None,
        ),
        active=place(world.active),
        proven=place(world.proven) if world.proven else None,
        pinned=world.pinned,
        rejected=frozenset(map(place, world.rejected)),
        closed=(FREEZE,) if world.closed else (),
        era=ERA if world.era else None,
        gates=GateFacts(verdicts=(verdict,) if verdict is not None else ()),
        watch=watch,
        stopped=world.stopped,
    )


def verdict_on(build: int, answer: Answer) -> Verdict:
    return Verdict(subject=place(build), name=CHECK.name, answer=answer, actor="bot", at=LATER)


# --- carrying out


@frozen(kw_only=True)
class Step:
    """Who takes a step, and by which event or verb."""

    event: str
    verb: Verb | None = None

    @property
    def by_itself(self) -> bool:
        return self.verb is None


def carried_out(world: World, step: Step, done: tuple[effects.Effect, ...], machine: Machine) -> World:
    for effect in done:
        world = _carried_out(world, step, effect, machine)
    return world


def _carried_out(world: World, step: Step, effect: effects.Effect, machine: Machine) -> World:
    match effect:
        case effects.Begin(rollout=new):
            return _begun(world, step, new)
        case effects.Save(rollout=moved):
            return _saved(world, step, moved)
        case effects.Take(place=taken, by=by):
            if by is None:
                _may_take(world, step, taken.build_id)
            return evolve(world, active=taken.build_id)
        case effects.GoBack(place=taken):
            back, watched = taken.build_id, world.watched
            require(watched is not None and world.active != back, "it goes back from what is watched")
            require(back == world.proven, "it goes back to the proven place")
            require(back not in world.rejected, "it never goes back to a rejected place")
            require(not world.pinned, "nothing goes back by itself under a pin")
            require(not world.era, "an era decides, and nothing goes back by itself")
            return evolve(world, active=back)
        case effects.PinDag():
            return evolve(world, pinned=True)
        case effects.UnpinDag():
            return evolve(world, pinned=False)
        case effects.RejectPlace(place=rejected):
            return evolve(world, rejected=world.rejected | {rejected.build_id})
        case effects.LiftPlace(place=lifted):
            return evolve(world, rejected=world.rejected - {lifted.build_id})
        case effects.Prove(place=proven):
            require(world.active == proven.build_id, "what is proven is in force")
            return evolve(world, proven=proven.build_id)
        case effects.Record(verdict=said):
            return evolve(world, judged=world.judged or said.answer is Answer.SKIPPED)
        case effects.AsToday():
            return _as_today(world, step)
        case effects.Next():
            then = machine.decide.arrive(facts_of(world), world.now)
            return carried_out(world, Step(event="next"), then.effects, machine)


def _may_take(world: World, step: Step, build: int) -> None:
    """The rules for what is released by itself."""
    asked = next((each for each in world.live if each.place.build_id == build), None)
    require(build not in world.rejected, "automation never releases a rejected place")
    require(not world.closed, "automation never releases in a closed window")
    if world.pinned:
        wanted = asked is not None and asked.knows_pin and asked.asked_by is not None
        require(wanted, "automation never releases under a pin, but what somebody wants there")
    require(not (step.by_itself and build in world.aborted), "an abort wins over what was asked and not done")
    if asked is not None:
        require(not world.era, "a rollout never releases under an era")
        require(not asked.paused, "what is paused is not released")
        require(asked.not_before is None or asked.not_before <= world.now, "nothing comes before its instant")
    if world.plan.gates and not (asked and asked.knows_pin):
        require(asked and world.judged, "a verdict of one place never counts for another")
    if world.plan.release.by_hand:
        require(asked and asked.asked_by, "what is released by hand was asked for")


def _begun(world: World, step: Step, new: Rollout) -> World:
    build = new.place.build_id
    require(new.id == 0 and new.generation == 1, "what begins was never stored")
    new = _plain(evolve(new, id=build))
    if step.by_itself:
        judged = world.aborted | world.rejected
        require(build not in judged, "automation begins nothing that was aborted, or is rejected")
    if new.slot is Slot.AHEAD:
        require(world.ahead is None, "at most one is ahead")
        require(new.step == 0 and not (step.by_itself and new.asked_by), "each begins at its first step")
        world = evolve(world, ahead=new, judged=False)
    else:
        require(new.slot is Slot.WATCHED and world.watched is None, "at most one is watched")
        world = evolve(world, watched=new)
    return evolve(world, stopped=None, aborted=world.aborted - {build})


def _saved(world: World, step: Step, moved: Rollout) -> World:
    slot = "ahead" if world.ahead is not None and world.ahead.id == moved.id else "watched"
    before: Rollout | None = getattr(world, slot)
    require(before is not None and before.id == moved.id, "what is saved is live")
    assert before is not None
    require(moved.generation == before.generation + 1, "each write is one more")
    require((moved.place, moved.plan) == (before.place, before.plan), "place and plan are frozen")
    world = evolve(world, **{slot: None})
    moved = _plain(moved)
    if moved.slot is not None:
        name = "ahead" if moved.slot is Slot.AHEAD else "watched"
        require(getattr(world, name) is None, f"at most one is {name}")
        return evolve(world, **{name: moved})
    require(moved.asked_by is None or moved.state is State.RELEASED, "an ask ends with its rollout")
    if step.by_itself and before.slot is Slot.WATCHED and moved.state is State.SUPERSEDED:
        require(world.plan.newer is Newer.REPLACE, "while one is watched the next one waits at its release")
    if moved.state is State.ABORTED and moved.released_at is None:
        world = evolve(world, stopped=moved, aborted=world.aborted | {moved.place.build_id})
    return world


def _plain(each: Rollout) -> Rollout:
    """Without what grows for ever, what only people read, and which cause it is that has paused it."""
    return evolve(
        each,
        generation=1,
        attempt=1,
        cause=each.cause if each.cause in (None, Cause.PERSON) else Cause.ERROR,
        why=None,
        promoters=frozenset(),
        asked_at=None,
        began_at=NOW,
        since=NOW,
        paused_at=None,
        released_at=NOW if each.released_at else None,
        ended_at=None,
        set_aside=NOW if each.set_aside else None,
        proven=None,
    )


def _as_today(world: World, step: Step) -> World:
    match step.verb:
        case Verb.PIN:
            return evolve(world, pinned=True)
        case Verb.ROLLBACK:
            back = next((b for b in range(world.active - 1, 0, -1) if b not in world.rejected), None)
            if back is None:
                raise Conflict("Cannot roll back", found="nothing is before it")
            return evolve(world, pinned=True, active=back, rejected=world.rejected | {world.active})
        case Verb.REJECT:
            return evolve(world, rejected=world.rejected | {world.newest})
        case Verb.PROMOTE:
            return evolve(world, active=world.newest, rejected=world.rejected - {world.newest})
        case Verb.UNPIN:
            require(not world.pinned, "a pin ends as rollouts say")
            return world
        case _:
            raise RuleBroken(f"{step} is not as today")


# --- what may happen

Next = tuple[Step, World]


def steps(world: World, machine: Machine) -> Iterator[Next]:
    """Each step from here: what happens by itself, and each act that is not refused."""
    yield from _outside(world, machine)
    for event, watch in WATCH.items():
        yield looked(world, event, machine, watch=watch)
    if world.plan.gates:
        for answer in (Answer.PASSED, Answer.FAILED, Answer.ERROR):
            for build in range(2, world.builds + 1):
                yield looked(world, answer.value, machine, verdict_on(build, answer))
    both = world.watched is not None and world.ahead is not None
    for verb in ACTS:
        for on_watched in (False, True) if both else (False,):
            try:
                yield acted(world, deed_of(verb, world, watched=on_watched), machine)
            except Conflict:
                continue


ACTS = [verb for verb in Verb if verb not in (Verb.FREEZE, Verb.CLOSE)]
"""Those that have effects."""


def deed_of(verb: Verb, world: World, *, watched: bool) -> Deed:
    return Deed(
        verb=verb,
        by="ada",
        reason="so",
        watched=watched,
        at=T if verb is Verb.PROMOTE_AT else None,
        place=place(world.newest),
    )


FIRED = Fired(said="worse", at=LATER)
WATCH: dict[str, WatchSays | None] = {
    "tick": None,
    "enough": Enough(said="well"),
    "fired": FIRED,
    "fired long ago": evolve(FIRED, at=NOW - HOUR),
    "fired everywhere": evolve(FIRED, not_alone=True),
    "unclear": Unclear(said="?", cause=Cause.NO_RUNS, at=LATER),
}


def _outside(world: World, machine: Machine) -> Iterator[Next]:
    if world.newest < world.builds:
        yield arrives(world, machine)
    if world.windows:
        yield Step(event="window"), evolve(world, closed=not world.closed)
    if world.rejects:
        yield Step(event="rejects"), evolve(world, rejected=world.rejected | {world.newest})
    if world.eras:
        yield Step(event="era"), evolve(world, era=not world.era)
    if not world.late and world.ahead is not None and world.ahead.not_before is not None:
        yield Step(event="time"), evolve(world, late=True)


def arrives(world: World, machine: Machine) -> Next:
    """The next build."""
    arrived, step = evolve(world, newest=world.newest + 1), Step(event="arrives")
    done = machine.decide.arrive(facts_of(arrived), arrived.now).effects
    return step, carried_out(arrived, step, done, machine)


def acted(world: World, deed: Deed, machine: Machine) -> Next:
    """An act of a person.

    :raises Conflict: it is refused.
    """
    step = Step(event="watched" if deed.watched else "ahead", verb=deed.verb)
    done = machine.acts.act(deed, facts_of(world), world.now).effects
    return step, carried_out(world, step, done, machine)


def looked(
    world: World,
    event: str,
    machine: Machine,
    verdict: Verdict | None = None,
    watch: WatchSays | None = None,
) -> Next:
    """A look of the keeper at each live rollout, with the facts of the moment."""
    step, now = Step(event=event), world.now
    for each in world.live:
        if each not in world.live:
            continue
        done = machine.decide.decide(each, facts_of(world, verdict, watch), now).effects
        passes = verdict is not None and verdict.answer is Answer.PASSED
        if each is world.ahead and passes and verdict.subject == each.place:
            world = evolve(world, judged=True)
        world = carried_out(world, step, done, machine)
    return step, world


def alike(world: World) -> World:
    """Without what can not matter any more."""
    live = [each.place.build_id for each in world.live]
    named = {world.newest, world.active, world.proven, *live}
    timed = world.ahead is not None and world.ahead.not_before is not None
    return evolve(
        world,
        rejected=world.rejected & named,
        aborted=world.aborted & {world.newest},
        judged=world.judged and world.ahead is not None,
        late=world.late and timed,
    )


# --- rules


def require_rules(before: World, step: Step, after: World) -> None:
    if after.watched is not None:
        require(after.watched.place.build_id == after.active, "what is watched is what is active")
        require(not after.pinned, "nothing is watched under a pin")
    if after.ahead is not None:
        require(after.pinned == after.ahead.knows_pin, "under a pin is ahead what knew it, and ends with it")
        if step.event == "arrives" and after.ahead != before.ahead:
            require(after.ahead.place.build_id == after.newest, "the newest is ahead")
    if step.by_itself:
        if before.pinned:
            require(after.pinned, "automation ends no pin")
        went_back = after.active < before.active
        if went_back:
            require(after.pinned and not after.live, "after a rollback it is pinned, and nothing is live")
            require(before.active in after.rejected, "what was rolled back is rejected")
        for was, now in ((before.ahead, after.ahead), (before.watched, after.watched)):
            same = was is not None and now is not None and was.place == now.place
            require(not same or now.paused or not was.paused, "a pause ends by a person")
    if step.verb is Verb.PAUSE and after.ahead is not None and step.event == "ahead":
        require(after.ahead.asked_by is None, "a pause ends what was asked for")
    if not after.live and after.newest != after.active:
        free = not (after.pinned or after.newest in after.rejected or after.newest in after.aborted)
        require(not free, "no place is forgotten")


def require_ways_out(world: World, machine: Machine) -> None:
    """Every live state has a way out by hand."""
    for each in world.live:
        _, then = acted(world, deed_of(Verb.ABORT, world, watched=each is world.watched), machine)
        require(each not in then.live, "every live state has a way out by hand")


def explore(first: World, machine: Machine | None = None, most: int = 100_000) -> tuple[int, int]:
    """How many states and steps there are; each has been looked at.

    :raises RuleBroken: a rule does not hold.
    """
    machine = machine or Machine()
    seen, todo, count = {first}, deque([first]), 0
    while todo:
        world = todo.popleft()
        require_ways_out(world, machine)
        for step, then in steps(world, machine):
            require_rules(world, step, then)
            count += 1
            then = alike(then)
            if then not in seen:
                seen.add(then)
                todo.append(then)
        assert len(seen) < most, "there is no end"
    return len(seen), count
