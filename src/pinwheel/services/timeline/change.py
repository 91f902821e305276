"""Set and unset eras: a new revision of a Dag's timeline, in one transaction."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from attrs import asdict, evolve, frozen

from pinwheel.core.errors import Conflict, InvalidInput, PinwheelError, Refused
from pinwheel.core.event import EventKind
from pinwheel.core.request import EraWish, TimelineRequest, TimelineVerb
from pinwheel.core.request_values import MOST_ERAS
from pinwheel.core.run.fit import Fit
from pinwheel.core.run.timeline import Era, differences, era_at, ordered, set_era, unset_span
from pinwheel.services import once
from pinwheel.services.ports.host import Host
from pinwheel.services.release.revise import ends_of, revise, sentence, written
from pinwheel.services.rules.overriding import Who
from pinwheel.services.run.known import known_dag
from pinwheel.services.timeline import rules
from pinwheel.services.timeline.known import Known, edge_words, known, moment
from pinwheel.services.timeline.place import Standpoint, judged, placed
from pinwheel.services.timeline.quotes import Quotes, Reads, all_of_it
from pinwheel.services.timeline.runs import judge_all
from pinwheel.services.timeline.sensors import new_in_vain
from pinwheel.services.timeline.show import holds
from pinwheel.services.timeline.surroundings import of_assets, of_versions
from pinwheel.services.timeline.views import CHANGED, ChangedStretch, TimelineChange
from pinwheel.store import builds, trial_parses
from pinwheel.store.locking import lock_dags
from pinwheel.store.trial_parses import TrialParse

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

PATIENCE = 30.0
"""Seconds in which a Dag processor has looked at a build, or is not waited for any longer."""
LOOK = 0.25
GOOD_FOR = timedelta(minutes=10)
"""A good answer of a Dag processor counts as long: a plan and what follows it ask once."""
TOO_OLD = GOOD_FOR + timedelta(minutes=1)
"""No answer counts as long: what could be imported then may not be now. The wait is part of it."""
ELSEWHERE = "workers may have other images: what imports here may not import there"


@frozen(kw_only=True)
class Decided:
    """What a request makes of a timeline."""

    known: Known
    after: tuple[Era, ...]
    new: tuple[tuple[EraWish, Standpoint], ...]
    """Places that the timeline did not have, which a Dag processor is to look at."""

    @property
    def changes(self) -> tuple[tuple[Era | None, Era | None], ...]:
        return differences(self.known.eras, self.after)

    @property
    def warnings(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(said for _, place in self.new for said in place.warnings))


def change(
    host: Host,
    request: TimelineRequest,
    *,
    actor: str,
    names: frozenset[str] = frozenset(),
    sees: once.Sees = once.all_of_them,
    reads: Reads = all_of_it,
    sleep: Callable[[float], None] = time.sleep,
) -> TimelineChange:
    """Make a new revision of a Dag's timeline; a plan says what it would be, and writes nothing of it.

    Where a place is new, a Dag processor looks first whether it can be fetched and imported. A repeat (see
    :mod:`pinwheel.services.once`) changes nothing and gives what the first one gave. *reads* says what may be
    told of the errors of files, *names* by which else the actor goes where a rule says who may override it.

    :raises Conflict: ``expected_revision`` is not the newest, a rule lets no release happen, or the request
        id stands for another request.
    :raises InvalidInput: the dates can not be, or two eras overlap.
    :raises NotFound, Refused: a build can not run in its era, or the actor may not override a rule.
    """
    quotes, who = Quotes(host, reads), Who(actor=actor, names=names)
    with known_dag(host, request.dag_id):
        _let_it_be_looked_at(host, request, sleep)
        if request.plan:
            return quotes.told(
                host.unit.run(lambda session: _plan(host, session, request, who, sees, quotes))
            )
        done = once.carry_out(
            host,
            _request(request, actor, sees),
            CHANGED,
            lambda session: _carry_out(host, session, request, who, quotes),
        )
    if done.repeated:
        return evolve(done.answer, changed=False, message="this request was carried out before")
    if done.answer.changed:
        host.unit.announce([{"kind": _kind(request, done.answer).value, "dag_id": request.dag_id}])
    return quotes.told(done.answer)


def _let_it_be_looked_at(host: Host, request: TimelineRequest, sleep: Callable[[float], None]) -> None:
    """Ask for what is not known of new places, and wait for it."""

    def ask(session: Session) -> set[tuple[int, str]]:
        try:
            decided = decide(host, session, known(host, session, request.dag_id), request)
        except PinwheelError:
            # Said again, under the lock; of a repeat it is none.
            return set()
        places = {(place.build.id, place.version) for _, place in decided.new}
        now = host.unit.now()
        if not places or not host.deployment.live_processors(session):
            return set()
        known_now = trial_parses.of(session, places)
        fresh = {
            place
            for place, answer in known_now.items()
            if answer.ok and answer.done_at is not None and answer.done_at >= now - GOOD_FOR
        }
        trial_parses.ask(session, places - fresh, now=now)
        return places - fresh

    places = host.unit.run(ask)
    waited = 0.0
    while places and waited < PATIENCE:
        sleep(LOOK)
        waited += LOOK
        answers = host.unit.run(partial(trial_parses.of, places=places))
        places = {place for place in places if place not in answers or answers[place].ok is None}


def decide(host: Host, session: Session, dag: Known, request: TimelineRequest) -> Decided:
    """What the request makes of the timeline; nothing is written.

    :raises Conflict, InvalidInput, NotFound, Refused: as :func:`change`.
    """
    if request.expected_revision is not None and request.expected_revision != dag.revision:
        raise Conflict(
            request.failed,
            found=f"its newest revision is {dag.revision}, not {request.expected_revision}",
            remedy=f"Look again (pinwheel timeline show {dag.dag_id}) and repeat with the number you see",
            problem="stale-revision",
            dag_id=dag.dag_id,
            expected_revision=request.expected_revision,
            active_revision=dag.revision,
        )
    if dag.row.retired and request.eras and request.verb is not TimelineVerb.UNSET:
        raise Refused(
            request.failed,
            found="the Dag is retired: the newest version of its bundle does not hold it",
            remedy="Push it again, or bring it back as it was, and repeat: "
            f"pinwheel pin {dag.dag_id} --build N",
            dag_id=dag.dag_id,
        )
    after = dag.eras if request.verb is not TimelineVerb.PUT else ()
    new: list[tuple[EraWish, Standpoint]] = []
    for wish in request.eras:
        if request.verb is TimelineVerb.UNSET:
            after = unset_span(after, _span(dag, wish, f"Cannot unset {wish.words}"))
            continue
        era = _kept(dag, wish) if request.verb is TimelineVerb.PUT else None
        if era is None:
            place = placed(host, session, dag, wish, reason=request.reason)
            new.append((wish, place))
            era = evolve(
                _span(dag, wish, wish.failed),
                build_id=place.build.id,
                build=place.build.build,
                bundle_version=place.version,
                since_revision=dag.revision + 1,
            )
        after = set_era(after, era) if request.verb is TimelineVerb.SET else ordered([*after, era])
    if len(after) > MOST_ERAS:
        raise InvalidInput(
            request.failed,
            found=f"it would have {len(after):,} eras",
            remedy=f"A timeline has at most {MOST_ERAS:,}",
        )
    before = {(era.build_id, era.bundle_version) for era in dag.eras}
    unknown = [(wish, place) for wish, place in new if (place.build.id, place.version) not in before]
    return Decided(known=dag, after=after, new=tuple(unknown))


def _span(dag: Known, wish: EraWish, failed: str) -> Era:
    """The dates of an era, without its place."""
    return Era(
        starts_at=moment(wish.starts, dag.zone, failed) if wish.starts is not None else None,
        ends_at=moment(wish.until, dag.zone, failed) if wish.until is not None else None,
        written_from=wish.starts,
        written_until=wish.until,
        zone=dag.zone.key,
        build_id=0,
        build=wish.build or 0,
        bundle_version=wish.bundle_version or "",
    )


def _kept(dag: Known, wish: EraWish) -> Era | None:
    """The era that stays as it is, by its dates as they were written or as they are shown.

    A zone that changed since moves nothing, nor does a newer version.
    """
    return next(
        (
            era
            for era in dag.eras
            if (wish.starts, wish.until)
            in (
                (era.written_from, era.written_until),
                (
                    edge_words(era.written_from, era.starts_at, dag.zone),
                    edge_words(era.written_until, era.ends_at, dag.zone),
                ),
            )
            and wish.build in (None, era.build)
            and wish.bundle_version in (None, era.bundle_version)
        ),
        None,
    )


def _plan(
    host: Host, session: Session, request: TimelineRequest, who: Who, sees: once.Sees, quotes: Quotes
) -> TimelineChange:
    decided = decide(host, session, known(host, session, request.dag_id), request)
    warnings = _warnings(host, session, request, decided, quotes)
    if decided.changes:
        rules.ask(host, session, request, decided.known, decided.changes, who)
        places = {(place.build.id, place.version): place for _, place in decided.new}.values()
        warnings = (
            *(of_versions(session, place) for place in places),
            *warnings,
            *of_assets(host, session, {place.build for place in places}),
            *new_in_vain(host, session, decided.known, decided.after, sees),
        )
    return _told(host, session, decided, warnings)


def _carry_out(
    host: Host, session: Session, request: TimelineRequest, who: Who, quotes: Quotes
) -> TimelineChange:
    dag = known(host, session, request.dag_id, lock_dags(session, [request.dag_id]))
    decided = decide(host, session, dag, request)
    warnings = _warnings(host, session, request, decided, quotes)
    if not decided.changes:
        return _told(host, session, decided, warnings)
    past = rules.ask(host, session, request, dag, decided.changes, who)
    answers = _answers(host, session, decided)
    eras = tuple(
        evolve(era, runtime=answer.runtime)
        if era.since_revision > dag.revision and (answer := answers.get((era.build_id, era.bundle_version)))
        else era
        for era in decided.after
    )
    revise(
        host,
        session,
        dag.dag_id,
        eras,
        bundle_name=dag.row.bundle_name,
        verb="unset" if request.verb is TimelineVerb.UNSET or not eras else "set",
        actor=who.actor,
        reason=request.reason,
        overrides=past,
        request_id=request.request_id,
    )
    return _told(host, session, decided, warnings)


def _warnings(
    host: Host, session: Session, request: TimelineRequest, decided: Decided, quotes: Quotes
) -> tuple[str, ...]:
    """What is to be said before, or with, the change; what must not be ends it."""
    present = _of_present(decided, host.unit.now())
    elsewhere = (ELSEWHERE,) if decided.new or any(will is not None for _, will in decided.changes) else ()
    if not decided.new:
        return (*present, *elsewhere)
    answers = _answers(host, session, decided)
    processors = host.deployment.live_processors(session)
    parsed = {place.build.runtime for _, place in decided.new}
    runtimes = builds.runtimes(session, parsed | {one.runtime for one in answers.values() if one.runtime})
    said = judged(
        session, request, decided.new, answers, processors=processors, runtimes=runtimes, quotes=quotes
    )
    return (*present, *decided.warnings, *said, *elsewhere)


def _of_present(decided: Decided, now: datetime) -> tuple[str, ...]:
    """What a new era means that holds the present, or one that holds it for another while."""
    was, will = era_at(decided.known.eras, now), era_at(decided.after, now)
    if will is None or (was is not None and _place(was) == _place(will) and was.ends_at == will.ends_at):
        return ()
    return (
        f"data of {will.words}, the present among it, is for build {will.build}: releases and "
        "rollbacks have no effect on new runs meanwhile",
    )


def _place(era: Era) -> tuple[int, str]:
    return era.build_id, era.bundle_version


def _answers(host: Host, session: Session, decided: Decided) -> dict[tuple[int, str], TrialParse]:
    """What a Dag processor said of the new places lately."""
    found = trial_parses.of(session, [(place.build.id, place.version) for _, place in decided.new])
    since = host.unit.now() - TOO_OLD
    return {place: one for place, one in found.items() if one.done_at is not None and one.done_at >= since}


def _told(host: Host, session: Session, decided: Decided, warnings: tuple[str, ...]) -> TimelineChange:
    dag, changes = decided.known, decided.changes
    found = judge_all(host, session, dag, decided.after)
    spans = [ends_of(was, will) for was, will in changes]
    inside = [each for each in found.runs if any(holds(starts, ends, each) for starts, ends in spans)]
    waiting = sum(each.fit is Fit.WAITS for each in inside)
    revision = dag.revision + 1 if changes else dag.revision
    every = (*dag.eras, *decided.after)
    return TimelineChange(
        dag_id=dag.dag_id,
        changed=bool(changes),
        message="; ".join(sentence(was, will, every) for was, will in changes)
        or "the timeline says so already",
        revision=revision,
        from_revision=dag.revision,
        changes=tuple(_stretch(was, will, every) for was, will in changes),
        runs=len(inside),
        differ=sum(each.fit is Fit.DIFFERS for each in inside),
        queued=waiting,
        warnings=warnings,
    )


def _stretch(was: Era | None, will: Era | None, every: Sequence[Era]) -> ChangedStretch:
    starts, ends = ends_of(was, will)
    return ChangedStretch(
        from_=written(every, starts),
        until=written(every, ends),
        starts_at=starts,
        ends_at=ends,
        from_build=was.build if was is not None else None,
        to_build=will.build if will is not None else None,
        bundle_version=will.bundle_version if will is not None else None,
    )


def _kind(request: TimelineRequest, answer: TimelineChange) -> EventKind:
    unset = request.verb is TimelineVerb.UNSET or (request.verb is TimelineVerb.PUT and not request.eras)
    return EventKind.TIMELINE_UNSET if unset else EventKind.TIMELINE_SET


def _request(asked: TimelineRequest, actor: str, sees: once.Sees) -> once.Request:
    return once.Request(
        id=asked.request_id,
        actor=actor,
        verb="timeline",
        dag_ids=(asked.dag_id,),
        values={
            "verb": asked.verb.value,
            "eras": [asdict(era) for era in asked.eras],
            "reason": asked.reason,
            "expected_revision": asked.expected_revision,
            "force": asked.force,
            "unchecked": asked.unchecked,
            **({"now": True} if asked.now else {}),
        },
        sees=sees,
    )
