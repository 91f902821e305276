"""The fleet: what runs in each Dag, what waits and why, what is broken, and how it goes since the release."""

from __future__ import annotations

from collections.abc import Callable, Collection
from datetime import datetime
from typing import Any

from attrs import frozen

from pinwheel.core.build import Build
from pinwheel.core.lookup import named
from pinwheel.core.why_held import why_held
from pinwheel.services.links import Links
from pinwheel.services.ports import DagCard, Host
from pinwheel.services.views import View, holds, instant, plain_version
from pinwheel.store import builds
from pinwheel.store import fleet as store

ERROR_TAIL = 20_000
"""So many of the last characters of a broken file's error are shown."""

STATES = ("held", "pinned", "broken", "failing")
ORDERS: dict[str, tuple[Callable[[Any], Any], bool]] = {
    "dag_id": (lambda row: row.dag_id, False),
    "-last_change": (lambda row: (_changed_at(row) is not None, _changed_at(row)), True),
}


@frozen(kw_only=True)
class Wish:
    """Which Dags to show. All that is given must hold; of ``tags`` any."""

    held: bool | None = None
    pinned: bool | None = None
    broken: bool | None = None
    failing: bool | None = None
    """Whether a run on the active release has failed."""
    tags: tuple[str, ...] = ()
    bundle: str | None = None
    owner: str | None = None
    text: str | None = None
    retired: bool = False
    order_by: str = "dag_id"
    limit: int = 50
    offset: int = 0


@frozen(kw_only=True)
class _Line:
    """One Dag with what the filters ask for."""

    row: Any
    held: bool
    pinned: bool
    broken: bool
    failing: bool


def fleet(host: Host, wish: Wish, readable: Callable[[], Collection[str]]) -> View:
    """One page of the fleet: ``dags``, how many there are, and ``counts`` of each state before its filter.

    The number of statements does not depend on the number of Dags.
    """

    def work(session: Any) -> View:
        lines = _lines(host, session, wish, set(readable()))
        wanted = {state: getattr(wish, state) for state in STATES}
        found = [
            line
            for line in lines
            if all(value in (None, getattr(line, state)) for state, value in wanted.items())
        ]
        key, down = ORDERS[wish.order_by]
        found.sort(key=lambda line: key(line.row), reverse=down)
        page = found[wish.offset : wish.offset + wish.limit]
        return {
            "dags": _page(host, session, page),
            "total_entries": len(found),
            "counts": {"all": len(lines)}
            | {state: sum(getattr(line, state) for line in lines) for state in STATES},
        }

    return host.run(work)


def choices(host: Host, readable: Callable[[], Collection[str]]) -> View:
    """What the filters can be set to: ``bundles``, ``owners`` and ``tags`` of the Dags that may be read."""

    def work(session: Any) -> View:
        allowed = set(readable())
        shown = [row for row in store.rows(session) if row.dag_id in allowed]
        owners, tags = host.owners_and_tags(session, [row.dag_id for row in shown])
        return {"bundles": sorted({row.bundle_name for row in shown}), "owners": owners, "tags": tags}

    return host.run(work)


def _lines(host: Host, session: Any, wish: Wish, readable: set[str]) -> list[_Line]:
    matching = host.matching(session, tags=wish.tags, owner=wish.owner, text=wish.text)
    broken = store.broken_files(session)
    failing = host.active_with_failures(session)
    return [
        _Line(
            row=row,
            held=bool(why_held(row)),
            pinned=row.pinned,
            broken=(row.bundle_name, row.relative_fileloc) in broken,
            failing=row.dag_version_id in failing,
        )
        for row in store.rows(session, bundle=wish.bundle, retired=wish.retired)
        if row.dag_id in readable and (matching is None or row.dag_id in matching)
    ]


def _page(host: Host, session: Any, page: list[_Line]) -> list[View]:
    rows = [line.row for line in page]
    ids = {row.active_build_id for row in rows} | {row.newest_build_id for row in rows}
    found = builds.by_ids(session, ids)
    errors = store.errors(session, {(r.bundle_name, r.relative_fileloc) for r in rows})
    links = Links.to(host, session, [(build.bundle_name, build.bundle_version) for build in found.values()])
    cards = host.cards(session, [row.dag_id for row in rows])
    counts = host.counts_by_version(session, [row.dag_version_id for row in rows if row.dag_version_id])
    return [
        _view(
            line,
            active=_build(named(found, line.row.active_build_id), links),
            newest=_build(named(found, line.row.newest_build_id), links),
            error=errors.get((line.row.bundle_name, line.row.relative_fileloc)),
            card=cards.get(line.row.dag_id),
            runs=counts.get(line.row.dag_version_id, {}),
        )
        for line in page
    ]


def _view(
    line: _Line, *, active: View | None, newest: View | None, error: Any, card: DagCard | None, runs: Any
) -> View:
    row = line.row
    return {
        "dag_id": row.dag_id,
        "display_name": card.display_name if card else row.dag_id,
        "owners": list(card.owners) if card else [],
        "tags": list(card.tags) if card else [],
        "paused": card.paused if card else None,
        "bundle": row.bundle_name,
        "path": row.relative_fileloc,
        "active_release": row.active_release,
        "released_at": instant(row.released_at),
        "active": active,
        "newest": newest,
        "behind": max(0, newest["build"] - active["build"]) if active and newest else 0,
        "held": line.held,
        "holds": holds(row),
        "retired": bool(row.retired),
        "pin": {
            "actor": row.track_actor,
            "reason": row.track_reason,
            "since": instant(row.track_since),
        }
        if line.pinned
        else None,
        "broken": {
            "bundle_version": plain_version(error.version),
            "error": (error.error or "")[-ERROR_TAIL:],
            "at": instant(error.broken_since or error.parsed_at),
            "path": error.relative_fileloc,
        }
        if error is not None
        else None,
        "runs": runs,
        "last_change": _last_change(row),
    }


def _build(build: Build | None, links: Links) -> View | None:
    if build is None:
        return None
    return {
        "build": build.build,
        "label": build.label,
        "bundle_version": plain_version(build.bundle_version),
        "url": links.of(build.bundle_name, build.bundle_version),
        "author": build.author,
        "message": build.message,
        "created_at": instant(build.created_at),
        "committed_at": instant(build.committed_at),
    }


def _pin_is_newer(row: Any) -> bool:
    return row.track_since is not None and (row.released_at is None or row.track_since > row.released_at)


def _changed_at(row: Any) -> datetime | None:
    found: datetime | None = row.track_since if _pin_is_newer(row) else row.released_at
    return found


def _last_change(row: Any) -> View | None:
    """The newer of the active release and of the last pin or unpin."""
    if _pin_is_newer(row):
        kind = "pin" if row.pinned else "unpin"
        actor, reason = row.track_actor, row.track_reason
    elif row.released_at is not None:
        kind, actor, reason = row.release_kind, row.release_actor, row.release_reason
    else:
        return None
    return {"kind": kind, "actor": actor, "reason": reason, "at": instant(_changed_at(row))}
