"""Questions to the Dag processor: can a build run at a version of its bundle? A row each, with the answer."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Any

from attrs import frozen
from sqlalchemy import delete, or_, select, update
from sqlalchemy.orm import Session

from pinwheel.core.record import Record
from pinwheel.store import tables as t
from pinwheel.store.locking import insert_missing

KEPT = timedelta(days=7)


@frozen(kw_only=True)
class TrialParse(Record):
    """A question, and the answer once there is one."""

    build_id: int
    bundle_version: str
    ok: bool | None
    """None: nobody has looked yet."""
    problem: str | None
    """What is wrong, by the name of the problem."""
    error: str | None
    """And in words."""
    runtime: str | None
    """Fingerprint of the runtime that its file was parsed with."""
    digest: str | None
    """Of the serialized Dag that the parse gave."""
    asked_at: datetime
    done_at: datetime | None


@frozen(kw_only=True)
class Question(Record):
    """What is to be looked at."""

    build_id: int
    bundle_version: str
    dag_id: str
    bundle_name: str
    relative_fileloc: str
    asked_at: datetime


def ask(session: Session, places: Collection[tuple[int, str]], *, now: datetime) -> None:
    """Ask about each of these builds at its version; an earlier answer is forgotten, and all of days ago."""
    session.execute(delete(t.trial_parse).where(t.trial_parse.c.asked_at < now - KEPT))
    for build_id, version in sorted(places):
        new = {"build_id": build_id, "bundle_version": version, "asked_at": now}
        if insert_missing(session, t.trial_parse, new, ("build_id", "bundle_version")):
            continue
        blank = {"ok": None, "problem": None, "error": None, "runtime": None, "digest": None, "done_at": None}
        session.execute(update(t.trial_parse).where(_is(build_id, version)).values(asked_at=now, **blank))


def of(session: Session, places: Collection[tuple[int, str]]) -> dict[tuple[int, str], TrialParse]:
    """What was asked about these builds at these versions."""
    wanted = [_is(*place) for place in sorted(places)]
    if not wanted:
        return {}
    rows = session.execute(select(t.trial_parse).where(or_(*wanted)))
    return {(row.build_id, row.bundle_version): TrialParse.from_row(row._mapping) for row in rows}


def open_questions(session: Session, since: datetime) -> list[Question]:
    """Those without an answer that were asked since then, oldest first: of earlier ones nobody waits."""
    query = (
        select(
            t.trial_parse.c.build_id,
            t.trial_parse.c.bundle_version,
            t.build.c.dag_id,
            t.build.c.bundle_name,
            t.build.c.relative_fileloc,
            t.trial_parse.c.asked_at,
        )
        .join(t.build, t.build.c.id == t.trial_parse.c.build_id)
        .where(t.trial_parse.c.done_at.is_(None), t.trial_parse.c.asked_at >= since)
        .order_by(t.trial_parse.c.asked_at)
    )
    return [Question.from_row(row._mapping) for row in session.execute(query)]


def answer(
    session: Session,
    question: Question,
    *,
    ok: bool,
    now: datetime,
    problem: str | None = None,
    error: str | None = None,
    runtime: str | None = None,
    digest: str | None = None,
) -> None:
    """Answer a question, unless it was asked anew since."""
    session.execute(
        update(t.trial_parse)
        .where(_is(question.build_id, question.bundle_version), t.trial_parse.c.asked_at == question.asked_at)
        .values(ok=ok, problem=problem, error=error, runtime=runtime, digest=digest, done_at=now)
    )


def _is(build_id: int, version: str) -> Any:
    return (t.trial_parse.c.build_id == build_id) & (t.trial_parse.c.bundle_version == version)
