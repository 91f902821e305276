"""A Dag's timeline as it is, as it was, and each of its revisions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import datetime, time
from itertools import zip_longest
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from attrs import evolve

from pinwheel.core.run.dates import DatedBy, date_of
from pinwheel.core.run.fit import Fit
from pinwheel.core.run.timeline import Era, Revision, as_of, era_at, said_by
from pinwheel.services.ports.host import Host
from pinwheel.services.run.known import known_dag
from pinwheel.services.timeline.known import Known, edge_words, known, moment
from pinwheel.services.timeline.runs import AllJudged, Judged, judge_all
from pinwheel.services.timeline.views import (
    Answer,
    EraView,
    RevisionView,
    RunCounts,
    RunsOnBuild,
    Said,
    Stretch,
    TimelineView,
    VariantView,
)
from pinwheel.store import segments, start_rules, timelines
from pinwheel.store.timelines import Change

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def show(
    host: Host,
    dag_id: str,
    *,
    at: str | None = None,
    when: str | None = None,
    runs: bool = True,
    tasks: bool = True,
) -> TimelineView:
    """The timeline of a Dag, with how its *runs* stand, and when which *tasks* of its build are absent.

    With *when*, a time as somebody writes it: the eras that were believed then. With *at*, a date: which
    build that is for.

    :raises NotFound, Refused: the Dag is not managed.
    :raises InvalidInput: one of the dates is none.
    """
    with known_dag(host, dag_id):
        return host.unit.run(lambda session: _show(host, session, dag_id, at, when, runs, tasks))


def revisions(host: Host, dag_id: str) -> list[RevisionView]:
    """Every revision of a Dag's timeline, newest first.

    :raises NotFound: the Dag is not managed, and never had a timeline.
    """

    def work(session: Session) -> list[RevisionView]:
        found = timelines.revisions(session, dag_id)
        if not found:
            known(host, session, dag_id)
        return [
            RevisionView(
                revision=made.revision,
                verb=made.verb,
                at=made.at,
                actor=made.actor,
                reason=made.reason,
                eras=tuple(EraView.of(era) for era in revision.eras),
            )
            for made, revision in reversed(found)
        ]

    with known_dag(host, dag_id):
        return host.unit.run(work)


def _show(
    host: Host, session: Session, dag_id: str, at: str | None, when: str | None, runs: bool, tasks: bool
) -> TimelineView:
    dag = known(host, session, dag_id)
    failed = f"Cannot show the timeline of {dag_id}"
    asked = moment(at, dag.zone, failed) if at is not None else None
    then = moment(when, dag.zone, failed) if when is not None else None
    every = timelines.revisions(session, dag_id)
    believed = every if then is None else _until(every, then)
    last, revision = believed[-1] if believed else (None, None)
    eras = revision.eras if revision is not None else ()
    if then is not None:
        # Neither which build was active then is known here, nor how runs stood.
        dag, runs = evolve(dag, active=None), False
    made = {change.revision: change for change, _ in every}
    return TimelineView(
        dag_id=dag_id,
        zone=dag.zone.key,
        dated_by=_dated_by(host, session, dag_id) if runs else None,
        dated=bool(start_rules.dated(session, [dag_id])),
        revision=last.revision if last is not None else 0,
        at=last.at if last is not None else None,
        actor=last.actor if last is not None else None,
        reason=last.reason if last is not None else None,
        stretches=tuple(_stretches(dag, eras, judge_all(host, session, dag, eras) if runs else None, made)),
        variants=tuple(_variants(session, dag)) if tasks else None,
        asked=Answer(at=asked, as_of=then, then=_said(believed, asked), now=_said(every, asked))
        if asked is not None
        else None,
    )


def _variants(session: Session, dag: Known) -> list[VariantView]:
    """The dates at which tasks of the active build are absent."""
    noted = segments.of_builds(session, [dag.active.id]) if dag.active is not None else {}
    found = [one for every in noted.values() for one in every if one.stretch]
    ends = [one.starts_at for one in found[1:]]
    return [
        VariantView(
            from_=_local_words(one.starts_at, dag.zone),
            until=_local_words(end, dag.zone),
            starts_at=one.starts_at,
            ends_at=end,
            absent=tuple(sorted(one.absent)),
        )
        for one, end in zip_longest(found, ends)
        if one.absent
    ]


def _local_words(at: datetime | None, zone: ZoneInfo) -> str | None:
    """An edge as the author of the file wrote it, more or less."""
    if at is None:
        return None
    local = at.astimezone(zone).replace(tzinfo=None)
    if local.time() == time.min:
        return edge_words(local.date().isoformat(), at, zone)
    return edge_words(
        local.isoformat(timespec="auto" if local.second or local.microsecond else "minutes"), at, zone
    )


def _dated_by(host: Host, session: Session, dag_id: str) -> DatedBy | None:
    newest = host.reads.runs(session, dag_id, run_id=None, limit=1)
    named = host.reads.row_ids(session, dag_id, [run.run_id for run in newest])
    dated = host.reads.dated_runs(session, list(named.values()))
    return date_of(dated[-1].dates).by if dated else None


def _stretches(
    dag: Known, eras: Sequence[Era], judged: AllJudged | None, made: dict[int, Change]
) -> list[Stretch]:
    """Eras and the gaps between and around them; without eras one gap without ends."""
    found: list[Stretch] = []
    starts, written = None, None
    closed = False
    for era in eras:
        if era.starts_at is not None and (starts != era.starts_at or not found):
            found.append(_gap(dag, judged, starts, era.starts_at, written, era.written_from))
        by = made.get(era.since_revision)
        found.append(
            Stretch(
                gap=False,
                from_=edge_words(era.written_from, era.starts_at, dag.zone),
                until=edge_words(era.written_until, era.ends_at, dag.zone),
                starts_at=era.starts_at,
                ends_at=era.ends_at,
                build=era.build,
                bundle_version=era.bundle_version,
                since_revision=era.since_revision,
                actor=by.actor if by is not None else None,
                reason=by.reason if by is not None else None,
                counts=_counts(judged, era.starts_at, era.ends_at),
            )
        )
        starts, written, closed = era.ends_at, era.written_until, era.ends_at is None
    if not closed:
        found.append(_gap(dag, judged, starts, None, written, None))
    return found


def _gap(
    dag: Known,
    judged: AllJudged | None,
    starts: datetime | None,
    ends: datetime | None,
    written_from: str | None,
    written_until: str | None,
) -> Stretch:
    return Stretch(
        gap=True,
        from_=edge_words(written_from, starts, dag.zone),
        until=edge_words(written_until, ends, dag.zone),
        starts_at=starts,
        ends_at=ends,
        build=dag.active.build if dag.active is not None else None,
        bundle_version=None,
        since_revision=None,
        actor=None,
        reason=None,
        counts=_counts(judged, starts, ends),
    )


def _counts(judged: AllJudged | None, starts: datetime | None, ends: datetime | None) -> RunCounts | None:
    if judged is None:
        return None
    inside = [each for each in judged.runs if holds(starts, ends, each)]
    fits = Counter(each.fit for each in inside)
    others = Counter(judged.number(each) for each in inside if each.fit is Fit.DIFFERS)
    return RunCounts(
        runs=len(inside),
        match=fits[Fit.MATCHES],
        by_hand=fits[Fit.BY_HAND],
        waiting=fits[Fit.WAITS],
        others=tuple(
            RunsOnBuild(build=build, runs=others[build])
            for build in sorted(others, key=lambda build: build or 0)
        ),
    )


def holds(starts: datetime | None, ends: datetime | None, judged: Judged) -> bool:
    """Whether the date of a run lies in a stretch."""
    at = judged.date.at
    return (starts is None or starts <= at) and (ends is None or at < ends)


def _until(every: Sequence[tuple[Change, Revision]], then: datetime) -> Sequence[tuple[Change, Revision]]:
    """The revisions that there were at a time."""
    last = as_of([revision for _, revision in every], then)
    return [] if last is None else [one for one in every if one[0].revision <= last.number]


def _said(every: Sequence[tuple[Change, Revision]], at: datetime) -> Said | None:
    """What the last of these revisions says of a date, and who made it say so."""
    if not every:
        return None
    revisions = [revision for _, revision in every]
    number = said_by(revisions, at)
    change = next(made for made, _ in every if made.revision == number)
    era = era_at(revisions[-1].eras, at)
    return Said(
        revision=number,
        at=change.at,
        actor=change.actor,
        reason=change.reason,
        build=era.build if era is not None else None,
        bundle_version=era.bundle_version if era is not None else None,
    )
