"""Writing a revision of a Dag's timeline, in the caller's transaction and under the Dag's lock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from pinwheel.core.event import EventKind
from pinwheel.core.json import Json
from pinwheel.core.run.timeline import Era, differences, span_words
from pinwheel.services.audit import Told, tell
from pinwheel.services.ports.host import Host
from pinwheel.services.release import dated, whole
from pinwheel.store import builds, rollouts, timelines

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def revise(
    host: Host,
    session: Session,
    dag_id: str,
    eras: Sequence[Era],
    *,
    bundle_name: str,
    verb: str,
    actor: str,
    reason: str | None,
    overrides: Sequence[str] = (),
    request_id: str | None = None,
) -> int:
    """Write the next revision, and let what waits to start be judged by it; the number that it has.

    *overrides* are the rules past which that is done.
    """
    now = host.unit.now()
    newest = timelines.newest(session, [dag_id]).get(dag_id)
    before = newest.eras if newest is not None else ()
    number = (newest.number if newest is not None else 0) + 1
    timelines.add(
        session,
        timelines.Change(
            dag_id=dag_id,
            revision=number,
            verb=verb,
            actor=actor,
            reason=reason,
            at=now,
            request_id=request_id[:64] if request_id is not None else None,
        ),
        eras,
    )
    whole.make_needed(host, session, dag_id, eras)
    if verb == "set":
        _require_data(host, session, before, eras)
    # Runs that wait to start are judged by it, those too that were bound ahead by the revision before.
    dated.settle(host, session, [dag_id], now, anew=True)
    details: dict[str, Json] = {
        "revision": number,
        "changes": [sentence(was, will, (*before, *eras)) for was, will in differences(before, eras)],
        **({"overrides": list(overrides)} if overrides else {}),
    }
    # An era over the present holds what is on its way, and its end lets that go.
    rollouts.wake(session, now, [dag_id])
    kind = EventKind.TIMELINE_SET if verb == "set" else EventKind.TIMELINE_UNSET
    told = Told(
        kind=kind, actor=actor, dag_id=dag_id, bundle_name=bundle_name, reason=reason, details=details
    )
    tell(host, session, [told], now=now)
    return number


def _require_data(host: Host, session: Session, before: Sequence[Era], eras: Sequence[Era]) -> None:
    """Of places that are new, once their rows are made."""
    were = {(era.build_id, era.bundle_version) for era in before}
    new = sorted({(era.build_id, era.bundle_version) for era in eras} - were)
    loaded = builds.by_ids(session, {build_id for build_id, _ in new})
    for build_id, version in new:
        whole.require_its_data(host, session, loaded[build_id], version)


def end(host: Host, session: Session, dag_ids: Mapping[str, str], *, actor: str, reason: str) -> None:
    """No data of these Dags, each with its bundle, is for a build of its own any more.

    What was stays as history.
    """
    for dag_id, newest in sorted(timelines.newest(session, dag_ids).items()):
        if newest.eras:
            bundle = dag_ids[dag_id]
            revise(host, session, dag_id, (), bundle_name=bundle, verb="unset", actor=actor, reason=reason)


def ends_of(was: Era | None, will: Era | None) -> tuple[datetime | None, datetime | None]:
    """Of a stretch that changes."""
    era = will or was
    assert era is not None
    return era.starts_at, era.ends_at


def written(eras: Sequence[Era], edge: datetime | None) -> str | None:
    """An edge as somebody wrote it."""
    if edge is None:
        return None
    for era in eras:
        if era.starts_at == edge:
            return era.written_from
        if era.ends_at == edge:
            return era.written_until
    return edge.isoformat()


def sentence(was: Era | None, will: Era | None, every: Sequence[Era]) -> str:
    """What changes of a stretch; *every* are all eras that have its edges."""
    starts, ends = ends_of(was, will)
    span = span_words(written(every, starts), written(every, ends))
    before = f"build {was.build}" if was is not None else "the active release"
    after = f"build {will.build}" if will is not None else "the active release"
    if was is not None and will is not None and was.build == will.build:
        after += f" at {will.bundle_version[:12]}"
    return f"{span}: {before} → {after}"
