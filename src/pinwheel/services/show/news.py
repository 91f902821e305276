"""What changed since somebody looked: a small answer that may be asked for every two seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import frozen

from pinwheel.core.digest import digest_of
from pinwheel.services.ports.host import Host
from pinwheel.store import events, outcomes

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

MAX_NAMED = 1000


@frozen(kw_only=True)
class News:
    """``last_event_id`` is 0 before the first event; ``dag_ids`` are sorted and unique."""

    last_event_id: int
    dag_ids: tuple[str, ...]
    runs: str | None
    """Another text whenever a run began or ended, which is no event; None: asked of one Dag."""


def news(
    host: Host, *, after: int | None, dag_id: str | None, readable: Callable[[list[str]], set[str]]
) -> News:
    """The Dags that events after that one were about, those that *readable* lets through.

    Without ``after`` only the newest event's id. Usually one statement on an index, and for all Dags three
    more that tell of runs.
    """

    def work(session: Session) -> News:
        last = events.last_id(session)
        runs = _runs(host, session) if dag_id is None else None
        if after is None or last <= after:
            return News(last_event_id=last, dag_ids=(), runs=runs)
        found = events.dag_ids_after(session, after, dag_id=dag_id, limit=MAX_NAMED)
        return News(last_event_id=last, dag_ids=tuple(sorted(readable(found) if found else ())), runs=runs)

    return host.unit.run(work)


def _runs(host: Host, session: Session) -> str:
    """What tells that a run began or ended, and nothing of which one."""
    last, late = outcomes.newest(session)
    return digest_of([sorted(host.reads.running_runs(session)), last, late])[:16]
