"""What somebody asks of a Dag whose places roll out, or that a rule binds: acts of the table of rollouts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from pinwheel.core.errors import InvalidInput, Refused, spoken
from pinwheel.core.release.carried import Carried, Move
from pinwheel.core.release.decide import Command, Decision, Lift
from pinwheel.core.release.decide import Verb as Change
from pinwheel.core.request import ChangeRequest
from pinwheel.core.rollout import table
from pinwheel.core.rollout.acts import act as done
from pinwheel.core.rollout.decide import holds
from pinwheel.core.rollout.effects import Begin, Effect, LiftPlace, Save
from pinwheel.core.rollout.facts import Facts
from pinwheel.core.rollout.refusals import Deed, refused
from pinwheel.core.rollout.state import Place
from pinwheel.services.ports.host import Host
from pinwheel.services.release.going import act_of, what_is_carried
from pinwheel.services.release.loading import Loaded
from pinwheel.services.release.outcome import Act
from pinwheel.services.rules import facts
from pinwheel.services.rules.facts import Asked, Found, Known
from pinwheel.services.rules.overriding import Who, overridden

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_VERBS = {
    Change.PROMOTE: table.Verb.PROMOTE,
    Change.PIN: table.Verb.PIN,
    Change.UNPIN: table.Verb.UNPIN,
    Change.ROLLBACK: table.Verb.ROLLBACK,
    Change.REJECT: table.Verb.REJECT,
    Change.LIFT: table.Verb.LIFT,
}


def find(
    host: Host,
    session: Session,
    asked: ChangeRequest,
    commands: Mapping[str, Command],
    known: Known,
    loaded: Loaded,
    *,
    by: str,
) -> dict[str, Found]:
    """What is known of the Dags of a change of somebody's; nothing where neither a rule nor a policy nor a
    rollout is, and nothing is asked for later.

    :raises InvalidInput: it is asked for not before an instant that has passed.
    """
    now = host.unit.now()
    if asked.at is not None and asked.at <= now:
        raise InvalidInput(
            asked.failed,
            found=f"{asked.at.astimezone(UTC):%Y-%m-%d %H:%M UTC} has passed",
            remedy="Leave --at out, or give an instant to come",
        )
    if known.nothing and asked.at is None:
        return {}
    places = {dag_id: _asked(asked, command, loaded, by) for dag_id, command in commands.items()}
    return facts.find(host, session, known, loaded, now=now, asked=places)


def _asked(asked: ChangeRequest, command: Command, loaded: Loaded, by: str) -> Asked:
    named = asked.verb in (Change.PROMOTE, Change.PIN, Change.ROLLBACK)
    # What takes effect at once takes it past its own rollout.
    alone = asked.now or asked.verb in (Change.PIN, Change.ROLLBACK)
    place = _place(command, loaded) if named else None
    return Asked(place=place, at=asked.at, by=by, alone=alone)


def _place(command: Command, loaded: Loaded) -> Place | None:
    """The place that is named."""
    if command.build is None:
        return None
    version = command.at.version if command.at is not None else loaded.versions.get(command.build.id)
    return Place(build_id=command.build.id, version=version) if version is not None else None


@frozen(kw_only=True)
class Wish:
    """A change as it concerns one Dag."""

    asked: ChangeRequest
    command: Command
    dag_id: str
    today: Decision
    """What it would do without rollouts."""
    forward: bool = False
    """Of a rollback: it names a build that is newer than the active one, or that was never in force."""


def act(
    host: Host,
    session: Session,
    wish: Wish,
    who: Who,
    loaded: Loaded,
    *,
    known: Known,
    found: Found | None,
) -> Act:
    """What a change does to one Dag.

    :raises Conflict: it is refused in the state in which the Dag's rollouts are, or a rule is closed.
    :raises Refused: the actor may not override a rule that is closed.
    """
    now, asked, state = host.unit.now(), wish.asked, loaded.states[wish.dag_id]
    overrides: tuple[str, ...] = ()
    made = Carried(decision=wish.today)
    deed = None if found is None else _deed(wish, who, found)
    if found is not None and deed is not None:
        overrides = _overridden(known, found, who, asked, now)
        decided = done(deed, _with_lifted(found.facts, deed, wish.today), now)
        made = what_is_carried(
            session, decided.effects, state, loaded, said=decided.said, as_today=wish.today
        )
        if waits := _waits(made.moves, _after(decided.effects, found.facts), now):
            reason = f"{made.decision.reason}; it waits: {waits}"
            made = evolve(made, decision=evolve(made.decision, reason=reason))
    return act_of(
        loaded.rows[wish.dag_id],
        state,
        evolve(made, past_rules=bool(overrides)),
        verb=asked.verb.value,
        actor=who.actor,
        reason=asked.reason,
        overrides=overrides,
        not_before=asked.at,
    )


def _deed(wish: Wish, who: Who, found: Found) -> Deed | None:
    """What it is among the acts on rollouts; None: it is none of them.

    :raises Refused: it decides on a gate, and the actor may not.
    """
    asked, command, known = wish.asked, wish.command, found.facts
    if not found.concerns and asked.at is None:
        return None
    verb, build = _VERBS[asked.verb], command.build
    if verb is table.Verb.PROMOTE:
        if asked.at is not None:
            verb = table.Verb.PROMOTE_AT
        elif asked.now:
            verb = table.Verb.PROMOTE_NOW
    ahead = known.ahead
    if asked.verb is Change.PROMOTE and ahead is not None and build and ahead.place.build_id != build.id:
        raise refused(table.No.OTHER_AHEAD, Deed(verb=verb, by=who.actor), known)
    if verb is table.Verb.REJECT and (ahead is None or build is None or ahead.place.build_id != build.id):
        return None
    if verb is table.Verb.REJECT and not who.decides:
        raise Refused(
            f"Cannot {spoken(asked.verb)} {known.dag_id}",
            found=f"its rollout is on its way, and you ({who.actor}) may not approve and reject there",
            remedy=f"Hold it for those who may: pinwheel rollout pause {known.dag_id}",
            dag_id=known.dag_id,
        )
    lifted = None
    if verb is table.Verb.LIFT:
        if build is None:
            return None
        version = known.newest.place.version if known.newest is not None else ""
        lifted = Place(build_id=build.id, version=version)
    return Deed(
        verb=verb,
        by=who.actor,
        reason=asked.reason,
        at=asked.at,
        place=lifted,
        takes=wish.today.release is not None and (wish.forward or (verb is table.Verb.PIN and not asked.now)),
    )


def _with_lifted(known: Facts, deed: Deed, today: Decision) -> Facts:
    """The facts with the rejections that are lifted, of a place that they do not name otherwise."""
    if deed.place is None or not any(isinstance(step, Lift) for step in today.steps):
        return known
    return evolve(known, rejected=known.rejected | {deed.place})


def _overridden(known: Known, found: Found, who: Who, asked: ChangeRequest, now: datetime) -> tuple[str, ...]:
    """The rules, and the policy, past which somebody releases.

    :raises Refused: a rule says that others may.
    """
    if not asked.now:
        return ()
    failed = f"Cannot {spoken(asked.verb)} {found.facts.dag_id} now"
    rules = overridden(known, found, who, now, failed=failed)
    steps = found.facts.ahead.plan.gates if found.facts.ahead is not None else found.judged.choice.plan.gates
    policy = [f"policy {found.judged.choice.policy.name}"] if steps and asked.verb is Change.PROMOTE else []
    return (*rules, *policy)


def _after(effects: Sequence[Effect], known: Facts) -> Facts:
    """What is known when the rejections are lifted that the effects lift."""
    lifted = {effect.place.build_id for effect in effects if isinstance(effect, LiftPlace)}
    return evolve(known, rejected=frozenset(each for each in known.rejected if each.build_id not in lifted))


def _waits(moves: tuple[Move, ...], known: Facts, now: datetime) -> str | None:
    """What a rollout that set out or moved waits for, in words."""
    live = [move.rollout for move in moves if isinstance(move, Begin | Save) and move.rollout.live]
    held = holds(live[-1], evolve(known, ahead=live[-1]), now) if live else ()
    return held[0].said if held else None
