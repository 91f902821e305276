"""What somebody does to a Dag's rollout: approve, reject, pause, resume, retry, skip, restart, abort."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import asdict, evolve, frozen

from pinwheel.core.errors import ON_ROLLOUT, Conflict
from pinwheel.core.json import Json, JsonObject
from pinwheel.core.release.rule import Require, named
from pinwheel.core.rollout.acts import act as done
from pinwheel.core.rollout.facts import Facts
from pinwheel.core.rollout.refusals import Deed, refused
from pinwheel.core.rollout.state import Rollout
from pinwheel.core.rollout.table import No, Verb
from pinwheel.core.rule_request import RolloutRequest
from pinwheel.services import once
from pinwheel.services.ports.host import Host
from pinwheel.services.release.going import act_of, go, verb_of, what_is_carried
from pinwheel.services.release.loading import load, managed
from pinwheel.services.rollout.show import RolloutView, views
from pinwheel.services.rules import facts
from pinwheel.services.rules.facts import Found, Known
from pinwheel.services.rules.overriding import Who, require_leave
from pinwheel.store import rollouts
from pinwheel.store.locking import lock_dags

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class RolloutActed:
    """What became of a Dag's rollout, or would become of it."""

    dag_id: str
    plan: bool
    changed: bool
    message: str
    rollout: RolloutView | None
    """As it is since then; after a restart the new one. None: the Dag's newest place was released at once."""


@frozen(kw_only=True)
class _Kept:
    """What is kept of an answer: a repeat is told how the rollout is by then."""

    rollout: int | None
    changed: bool
    message: str
    kind: str | None
    """Of the release that it made."""


def act(host: Host, request: RolloutRequest, who: Who, *, sees: once.Sees = once.all_of_them) -> RolloutActed:
    """Do it, in one transaction; a plan says what would be done, and changes nothing.

    A repeat (see :mod:`pinwheel.services.once`) changes nothing.

    :raises Conflict: it is refused in the state in which the Dag's rollout is (fact ``problem``), the rollout
        has moved since it was seen, or the request id stands for another request.
    :raises NotFound: the Dag is not managed.
    :raises Refused: the actor may not approve this, or a rule says that others may skip.
    """
    if request.plan:
        return host.rehearse(lambda rehearsed: _carried_out(rehearsed, request, who, sees))
    return _carried_out(host, request, who, sees)


def _carried_out(host: Host, request: RolloutRequest, who: Who, sees: once.Sees) -> RolloutActed:
    # A plan is undone, and so takes no request id.
    noted = _noted(request if not request.plan else evolve(request, request_id=None), who, sees)
    answer = once.carry_out(host, noted, KEPT, lambda session: _act(host, session, request, who))
    kept = answer.answer
    if answer.repeated:
        kept = evolve(kept, changed=False, message="this request was carried out before")
    elif kept.changed:
        host.unit.announce([{"kind": kept.kind or "rollout", "dag_id": request.dag_id}])
    return RolloutActed(
        dag_id=request.dag_id,
        plan=request.plan,
        changed=kept.changed,
        message=kept.message,
        rollout=host.unit.run(lambda session: _seen(host, session, kept.rollout)),
    )


def _noted(request: RolloutRequest, who: Who, sees: once.Sees) -> once.Request:
    return once.Request(
        id=request.request_id,
        actor=who.actor,
        # The word of another request that is also called so would be a repeat of this one
        verb=f"{ON_ROLLOUT}{request.verb.value}",
        dag_ids=(request.dag_id,),
        values={
            "reason": request.reason,
            "watched": request.watched,
            "rollout": request.rollout,
            "expected_generation": request.expected_generation,
        },
        sees=sees,
    )


def _seen(host: Host, session: Session, rollout_id: int | None) -> RolloutView | None:
    found = rollouts.one(session, rollout_id) if rollout_id is not None else None
    return views(host, session, [found])[0] if found is not None else None


def _act(host: Host, session: Session, request: RolloutRequest, who: Who) -> _Kept:
    dag_id = request.dag_id
    rows = managed(host, session, [dag_id], lock_dags(session, [dag_id]))
    now, row = host.unit.now(), rows[dag_id]
    known = facts.know(session, rows)
    ids = {*known.build_ids, *([row.newest_build_id] if row.newest_build_id is not None else [])}
    loaded = load(host, session, rows, others=ids, contents_of=ids)
    found = facts.find(host, session, known, loaded, now=now)[dag_id]
    target, deed = _aimed(session, request, who, found.facts)
    if request.verb is Verb.SKIP and target is not None:
        _require_may_skip(known, found, target, who)
    decided = done(deed, found.facts, now)
    state = loaded.states[dag_id]
    made = what_is_carried(session, decided.effects, state, loaded, said=decided.said)
    own = act_of(
        row,
        state,
        made,
        verb=verb_of(decided.effects).value,
        actor=who.actor,
        reason=request.reason,
    )
    (outcome,) = go(host, session, [own], known, loaded, now=now)
    if target is None or request.verb is Verb.RESTART:
        last = rollouts.of_dags(session, [dag_id]).get(dag_id, ())
        target = next((each for each in last if each.live and each != found.facts.watched), None)
    return _Kept(
        rollout=target.id if target is not None else None,
        changed=outcome.changed,
        message=outcome.message,
        kind=outcome.kind,
    )


def _aimed(session: Session, request: RolloutRequest, who: Who, known: Facts) -> tuple[Rollout | None, Deed]:
    """The rollout that is meant, and what is done to it.

    :raises Conflict: it is not the one that was seen, or a reject means none.
    """
    watched = request.watched
    if request.rollout is not None and known.ahead is not None and known.watched is not None:
        watched = watched or request.rollout == known.watched.id
    deed = Deed(
        verb=request.verb,
        by=who.actor,
        reason=request.reason,
        watched=watched,
        expected_generation=request.expected_generation,
    )
    target = known.watched if watched else known.ahead or known.watched
    if request.rollout is not None and (target is None or target.id != request.rollout):
        seen = rollouts.one(session, request.rollout)
        held = seen is not None and seen == known.stopped and target is None
        if not (held and request.verb is Verb.RESTART):
            ended = f"rollout {request.rollout} has ended" + (f": {seen.state}" if seen is not None else "")
            raise refused(No.STALE_GENERATION, deed, known, ended)
        # Of one that has ended nothing moves: what was seen of it is as it was.
        deed = evolve(deed, expected_generation=None)
    if request.verb is Verb.REJECT and target is None:
        raise Conflict(
            request.failed,
            found="nothing of it is on its way",
            remedy=f"To reject a build: pinwheel reject {request.dag_id} --build N",
            dag_id=request.dag_id,
            problem=No.NOTHING_LIVE.value,
        )
    return target, deed


def _require_may_skip(known: Known, found: Found, rollout: Rollout, who: Who) -> None:
    """:raises Refused: the gate at which the rollout is is required by a rule that others may override."""
    gate = rollout.at_gate
    if gate is None:
        return
    requiring = [
        each
        for each in known.standing.about(found.subject)
        if isinstance(each.rule.body, Require) and named(gate) in map(named, each.rule.body.gates)
    ]
    failed = f"Cannot skip a gate of {rollout.dag_id}"
    require_leave(requiring, who, rollout.dag_id, failed=failed, remedy="Ask one of them")


def _kept_1(kept: Json) -> _Kept:
    one = JsonObject.of(kept)
    return _Kept(
        rollout=one.number_or_none("rollout"),
        changed=one.flag("changed"),
        message=one.text("message"),
        kind=one.text_or_none("kind"),
    )


KEPT: once.Form[_Kept] = once.Form(version=1, write=asdict, readers={1: _kept_1})
