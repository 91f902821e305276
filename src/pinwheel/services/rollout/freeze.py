"""Freezes: no place of some Dags is released for a time. Made, lifted and listed by hand.

A freeze is a rule of the platform that nobody wrote into a document. It keeps its selector: Dags that this
means later are frozen too.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from pinwheel.core.errors import InvalidInput, NotFound, Refused, unknown_dag
from pinwheel.core.event import EventKind
from pinwheel.core.json import Json
from pinwheel.core.release.notation import MOST_NAMES
from pinwheel.core.release.rule import Rule
from pinwheel.core.release.serialized import rule_from_json, rule_to_json
from pinwheel.core.rollout.window import Freeze
from pinwheel.core.rollout.window_text import span_told
from pinwheel.core.rule_request import FreezeRequest, LiftRequest
from pinwheel.core.selector import Selector
from pinwheel.services import once
from pinwheel.services.audit import Told, tell
from pinwheel.services.ports.host import Host
from pinwheel.services.release.outcome import ACTOR
from pinwheel.services.rules.judging import Standing, subjects
from pinwheel.services.rules.telling import only_seen
from pinwheel.store import dags, rollouts, rules
from pinwheel.store.locking import begin_write
from pinwheel.store.rules import StoredRule

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

NAMED = 20
"""So many of the Dags that a freeze selects are named."""


@frozen(kw_only=True)
class FreezeView:
    """A freeze, as it is told to somebody who may see some Dags."""

    name: str | None
    """None: of a plan, which has none yet."""
    selector: Selector
    """Without the ids of Dags that may not be seen."""
    dags: int
    """So many Dags it selects now that may be seen."""
    dag_ids: tuple[str, ...]
    """The first of these."""
    since: datetime
    until: datetime | None
    """None: until it is lifted."""
    reason: str | None
    override: tuple[str, ...]
    """Who may override it, besides having the right; empty: all who have it."""
    document: str | None
    """The platform's document that has it; None: somebody made it by hand."""
    by: str
    at: datetime


@frozen(kw_only=True)
class FreezeChange:
    """What became of a freeze, or would."""

    changed: bool
    message: str
    freeze: FreezeView


def everywhere(_: Collection[str]) -> bool:
    """Somebody who may edit every Dag."""
    return True


def freeze(
    host: Host, request: FreezeRequest, *, actor: str, sees: once.Sees = once.all_of_them
) -> FreezeChange:
    """Let no place of the selected Dags be released; a plan says which, and writes nothing.

    It is in force when this returns: a release whose transaction has begun before may still be made. A repeat
    (see :mod:`pinwheel.services.once`) freezes nothing a second time.

    :raises NotFound: a Dag is named that there is not, or none is selected.
    :raises InvalidInput: it is over already, or can not be kept as a rule.
    :raises Conflict: the request id stands for another request.
    """
    wanted = _wanted(host, request, actor)

    def plan(session: Session) -> FreezeChange:
        dag_ids = _checked(host, session, request, wanted)
        return FreezeChange(
            changed=True,
            message="this would be frozen",
            freeze=evolve(_view(wanted, dag_ids, sees), name=None),
        )

    def work(session: Session) -> int:
        begin_write(session)
        now = host.unit.now()
        _checked(host, session, request, wanted)
        _lift_ended(session, now)
        made = rules.add_by_hand(session, wanted.rule, actor=actor, reason=request.reason, now=now)
        rollouts.wake(session, now)
        _record(host, session, EventKind.FREEZE, made, actor, request.reason, now)
        return made.id

    if request.plan:
        return host.unit.run(plan)
    # Not checked: what is wrong with it now was not when it was done, if it was.
    (dag_ids,) = host.unit.run(lambda session: _selected(host, session, [wanted]))
    done = once.carry_out(host, _request(request, actor, dag_ids, sees), MADE, work)
    return _done(host, done, EventKind.FREEZE, sees)


def lift(
    host: Host,
    request: LiftRequest,
    *,
    actor: str,
    may_lift_others: bool = True,
    may_edit: Callable[[Collection[str]], bool] = everywhere,
    sees: once.Sees = once.all_of_them,
) -> FreezeChange:
    """End a freeze that was made by hand.

    ``may_lift_others`` is the right to lift what somebody else made; without it one's own can be lifted by
    whoever *may_edit* all Dags that it selects now.

    :raises NotFound: no freeze in force is called so, or none that may be seen.
    :raises Refused: it is a document's, somebody else's, or selects Dags that may not be edited.
    :raises Conflict: the request id stands for another request.
    """

    def work(session: Session) -> int:
        begin_write(session)
        now = host.unit.now()
        stored, dag_ids = _called(host, session, request, now)
        if not may_lift_others:
            if not _may_be_told(stored, _view(stored, dag_ids, sees)):
                raise request.unknown
            _require_own(request, stored, actor, dag_ids, may_edit)
        if stored.document is not None:
            raise Refused(
                request.failed,
                found=f"it is a rule of the document {stored.document}",
                remedy=f"Change the document {stored.document}, from which it comes",
            )
        rules.lift(session, [stored.id], actor=actor, reason=request.reason, now=now)
        rollouts.wake(session, now)
        _record(host, session, EventKind.FREEZE_LIFTED, stored, actor, request.reason, now)
        return stored.id

    asked = once.Request(
        id=request.request_id,
        actor=actor,
        verb="lift_freeze",
        dag_ids=(),
        values={"name": request.name, "reason": request.reason},
        sees=sees,
    )
    return _done(host, once.carry_out(host, asked, MADE, work), EventKind.FREEZE_LIFTED, sees)


def listed(host: Host, *, sees: once.Sees = once.all_of_them) -> list[FreezeView]:
    """The freezes that hold or will hold, those of documents first.

    Somebody who may see none of the Dags that one names is not told of it.
    """

    def work(session: Session) -> list[FreezeView]:
        found = _in_force(session, host.unit.now())
        selected = _selected(host, session, found)
        asked = {dag_id for dag_ids in selected for dag_id in dag_ids}
        asked |= {dag_id for each in found for dag_id in each.rule.dags.ids}
        seen = set(sees(sorted(asked))) if asked else set()
        views = [
            (each, _view(each, dag_ids, seen.intersection))
            for each, dag_ids in zip(found, selected, strict=True)
        ]
        return [view for each, view in views if _may_be_told(each, view)]

    return host.unit.run(work)


# What is asked for


def _wanted(host: Host, request: FreezeRequest, actor: str) -> StoredRule:
    """The freeze as it would be stored now."""
    return StoredRule(
        id=0,
        rule=_rule(request),
        document=None,
        actor=actor,
        reason=request.reason,
        at=host.unit.now(),
    )


def _checked(host: Host, session: Session, request: FreezeRequest, wanted: StoredRule) -> list[str]:
    """The Dags that it selects now, if it can be made now."""
    if request.until is not None and request.until <= host.unit.now():
        raise InvalidInput(
            request.failed,
            found="it would be over already",
            remedy="Give an instant to come as its end, or none: then it holds until it is lifted",
        )
    selector = request.selection.selector
    known = dags.rows(session, selector.ids)
    for dag_id in selector.ids:
        if dag_id not in known:
            raise unknown_dag(dag_id)
    (dag_ids,) = _selected(host, session, [wanted])
    if not dag_ids:
        raise NotFound(
            request.failed, found="no Dag matches", remedy="List what there is with: pinwheel status"
        )
    return dag_ids


def _rule(request: FreezeRequest) -> Rule:
    """:raises InvalidInput: what is kept of it could not be read again."""
    selector = request.selection.selector
    for noun, given in (("ids", selector.ids), ("globs", selector.globs), ("tags", selector.tags)):
        if len(given) > MOST_NAMES:
            raise InvalidInput(
                request.failed,
                found=f"{len(given)} {noun} are given",
                remedy=f"Give at most {MOST_NAMES}, or select by glob, tag or bundle",
            )
    # "All" beside tags or a bundle says nothing more than these: a rule has one form of it.
    narrowed = bool(selector.tags or selector.bundle)
    rule = Rule(
        name="freeze",
        dags=evolve(selector, everything=False) if narrowed else selector,
        body=Freeze(since=request.since, until=request.until, reason=request.reason),
        override=request.override,
    )
    try:
        if rule_from_json(rule_to_json(rule)) == rule:
            return rule
        found = "it would be another one"
    except ValueError as error:
        found = str(error)
    raise InvalidInput(request.failed, found=f"it can not be kept ({found})", remedy="Say it in another way")


def _request(request: FreezeRequest, actor: str, dag_ids: Sequence[str], sees: once.Sees) -> once.Request:
    return once.Request(
        id=request.request_id,
        actor=actor,
        verb="freeze",
        dag_ids=tuple(dag_ids),
        selector=request.selection.selector,
        values={
            "reason": request.reason,
            "since": request.since.isoformat() if request.since is not None else None,
            "until": request.until.isoformat() if request.until is not None else None,
            "override": list(request.override),
        },
        sees=sees,
    )


def _called(
    host: Host, session: Session, request: LiftRequest, now: datetime
) -> tuple[StoredRule, list[str]]:
    named = [stored for stored in _in_force(session, now) if stored.rule.name == request.name]
    if not named:
        raise request.unknown
    # Names are unique; were they not, what was made by hand is what can be lifted by hand.
    stored = named[-1]
    (dag_ids,) = _selected(host, session, [stored])
    return stored, dag_ids


def _require_own(
    request: LiftRequest,
    stored: StoredRule,
    actor: str,
    dag_ids: Sequence[str],
    may_edit: Callable[[Collection[str]], bool],
) -> None:
    if stored.document is None and stored.actor != actor:
        raise Refused(
            request.failed,
            found=f"{stored.actor} made it, and you may not change rules",
            remedy=f"Ask {stored.actor}, or somebody who may change rules and policies",
        )
    if not may_edit(dag_ids):
        raise Refused(
            request.failed,
            found="it selects Dags that you may not edit",
            remedy="Ask somebody who may change rules and policies",
        )


# What there is


def _in_force(session: Session, now: datetime) -> list[StoredRule]:
    return [stored for stored in rules.live(session) if (body := _body(stored)) and not _ended(body, now)]


def _lift_ended(session: Session, now: datetime) -> None:
    # Whatever asks the rules reads all that were not lifted: those that have ended do not pile up there.
    ended = [
        stored.id
        for stored in rules.live(session)
        if stored.document is None and (body := _body(stored)) and _ended(body, now)
    ]
    rules.lift(session, ended, actor=ACTOR, reason="it has ended", now=now)


def _body(stored: StoredRule) -> Freeze | None:
    return stored.rule.body if isinstance(stored.rule.body, Freeze) else None


def _ended(body: Freeze, now: datetime) -> bool:
    return body.until is not None and body.until <= now


def _selected(host: Host, session: Session, found: Sequence[StoredRule]) -> list[list[str]]:
    """Of each rule, the Dags that it selects now, sorted; of those that are retired the ones it names."""
    if not found:
        return []
    rows = dags.rows(session)
    about = subjects(host, session, Standing(rules=tuple(found)), rows)
    return [
        sorted(
            dag_id
            for dag_id, subject in about.items()
            if stored.rule.selects(subject) and (not rows[dag_id].retired or dag_id in stored.rule.dags.ids)
        )
        for stored in found
    ]


# What is told


def _view(stored: StoredRule, dag_ids: Sequence[str], sees: once.Sees) -> FreezeView:
    body, selector = _body(stored), stored.rule.dags
    assert body is not None
    asked = {*dag_ids, *selector.ids}
    seen = set(sees(sorted(asked))) if asked else set()
    shown = sorted(seen.intersection(dag_ids))
    return FreezeView(
        name=stored.rule.name,
        selector=only_seen(selector, seen),
        dags=len(shown),
        dag_ids=tuple(shown[:NAMED]),
        since=body.since or stored.at,
        until=body.until,
        reason=body.reason,
        override=stored.rule.override,
        document=stored.document,
        by=stored.actor,
        at=stored.at,
    )


def _may_be_told(stored: StoredRule, view: FreezeView) -> bool:
    """Not where it names Dags, and whoever asks may see none of those that it selects."""
    return bool(view.dags) or not stored.rule.dags.ids


def _done(host: Host, done: once.Done[int], kind: EventKind, sees: once.Sees) -> FreezeChange:
    """What is told of a freeze that was made or lifted."""

    def work(session: Session) -> FreezeChange:
        stored = rules.one(session, done.answer)
        assert stored is not None
        (dag_ids,) = _selected(host, session, [stored])
        said = "it holds" if kind is EventKind.FREEZE else "it holds no more"
        return FreezeChange(
            changed=not done.repeated,
            message="this request was carried out before" if done.repeated else said,
            freeze=_view(stored, dag_ids, sees),
        )

    change = host.unit.run(work)
    if change.changed:
        host.unit.announce([{"kind": kind.value, "rule": change.freeze.name or ""}])
    return change


def _record(
    host: Host,
    session: Session,
    kind: EventKind,
    stored: StoredRule,
    actor: str,
    reason: str,
    now: datetime,
) -> None:
    body = _body(stored)
    assert body is not None
    span = span_told(body.since or stored.at, body.until)
    selector = stored.rule.dags
    rows = dags.rows(session, selector.ids) if selector.names_only else {}
    # Of each Dag that is named one of its own: whoever may see that is told of no other.
    about: list[tuple[str | None, str | None, str]] = [
        (row.dag_id, row.bundle_name, f"{row.dag_id} {span}") for row in rows.values()
    ] or [(None, None, f"{selector.words} {span}")]
    told = [
        Told(
            kind=kind,
            actor=actor,
            dag_id=dag_id,
            bundle_name=bundle_name,
            reason=reason,
            details={"rule": stored.rule.name, "message": message},
        )
        for dag_id, bundle_name, message in about
    ]
    tell(host, session, told, now=now)


def _number(kept: Json) -> int:
    assert isinstance(kept, int)
    return kept


MADE: once.Form[int] = once.Form(version=1, write=lambda rule_id: rule_id, readers={1: _number})
"""What is kept of an answer is the id of the rule: a repeat tells of it what may be told then."""
