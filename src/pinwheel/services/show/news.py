"""What changed since somebody looked: a small answer that may be asked for every two seconds."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from attrs import frozen

from pinwheel.services.ports.host import Host
from pinwheel.store import events

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

MAX_NAMED = 1000


@frozen(kw_only=True)
class News:
    """``last_event_id`` is 0 before the first event; ``dag_ids`` are sorted and unique."""

    last_event_id: int
    dag_ids: tuple[str, ...]


def news(
    host: Host, *, after: int | None, dag_id: str | None, readable: Callable[[list[str]], set[str]]
) -> News:
    """The Dags that events after that one were about, those that *readable* lets through.

    Without ``after`` only the newest event's id. Usually one statement on an index.
    """

    def work(session: Session) -> News:
        last = events.last_id(session)
        if after is None or last <= after:
            return News(last_event_id=last, dag_ids=())
        found = events.dag_ids_after(session, after, dag_id=dag_id, limit=MAX_NAMED)
        return News(last_event_id=last, dag_ids=tuple(sorted(readable(found) if found else ())))

    return host.unit.run(work)
