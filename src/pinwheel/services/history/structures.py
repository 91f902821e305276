"""Structures of a Dag's versions. What was computed is kept: same content, same structure."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping
from threading import Lock
from typing import TYPE_CHECKING, TypeAlias
from uuid import UUID

from pinwheel.core.errors import NotFound
from pinwheel.core.json import Json
from pinwheel.core.structure.layout import Layout, layout
from pinwheel.core.structure.without import without
from pinwheel.services.history.versions import parse_key
from pinwheel.services.ports.host import Host
from pinwheel.store import builds, releases, segments

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_KEPT = 64

Source: TypeAlias = int | tuple[int, int] | UUID
"""Whose serialized Dag: of a build of ours, of it in one of its segments, or of a version of Airflow."""


class _Kept:
    """The structures used last, by content."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._lock = Lock()
        self._items: OrderedDict[tuple[str, str], Layout] = OrderedDict()

    def get(self, key: tuple[str, str]) -> Layout | None:
        with self._lock:
            found = self._items.get(key)
            if found is not None:
                self._items.move_to_end(key)
            return found

    def put(self, key: tuple[str, str], value: Layout) -> None:
        with self._lock:
            self._items[key] = value
            self._items.move_to_end(key)
            while len(self._items) > self._size:
                self._items.popitem(last=False)


_kept = _Kept(_KEPT)


def layouts(host: Host, session: Session, dag_id: str, keys: Collection[str]) -> dict[str, Layout]:
    """Structures by version key; versions that are not known any more are left out."""
    sources = _sources(host, session, dag_id, keys)
    found: dict[str, Layout] = {}
    missing: dict[str, tuple[tuple[str, str], Source]] = {}
    for key, (content, source) in sources.items():
        known = _kept.get(content)
        if known is not None:
            found[key] = known
        else:
            missing[key] = (content, source)
    texts = _serialized(host, session, [source for _, source in missing.values()])
    for key, (content, source) in missing.items():
        if source in texts:
            found[key] = _kept.get(content) or layout(texts[source])
            _kept.put(content, found[key])
    return found


def serialized(host: Host, session: Session, dag_id: str, key: str) -> Mapping[str, Json]:
    """The serialized Dag of one version.

    :raises NotFound: there is no such version.
    """
    source = _sources(host, session, dag_id, [key]).get(key)
    texts = _serialized(host, session, [source[1]]) if source else {}
    if source is None or source[1] not in texts:
        raise no_version(dag_id, key)
    return texts[source[1]]


def no_version(dag_id: str, key: str) -> NotFound:
    return NotFound(
        f"Cannot show version {key} of {dag_id}",
        found="there is no such version",
        remedy="Take a key of the history: r5 is release 5, t3 a trial of build 3, v2 Airflow's version 2, "
        "r5.2 release 5 without the tasks that are absent in segment 2 of its build",
        dag_id=dag_id,
        version=key,
    )


def _sources(
    host: Host, session: Session, dag_id: str, keys: Collection[str]
) -> dict[str, tuple[tuple[str, str], Source]]:
    """By version key: what identifies the content, and the id of the row that holds it."""
    parsed = {key: parts for key in set(keys) if (parts := parse_key(key)) is not None}
    released = releases.by_number(session, dag_id, [n for kind, n, _ in parsed.values() if kind == "r"])
    tried = builds.ids_by_number(session, dag_id, [n for kind, n, _ in parsed.values() if kind == "t"])
    named = {
        **{("r", number): row.build_id for number, row in released.items()},
        **{("t", number): build_id for number, build_id in tried.items()},
    }
    found_builds = builds.by_ids(session, named.values())
    found: dict[str, tuple[tuple[str, str], Source]] = {}
    for key, (kind, number, position) in parsed.items():
        if (build_id := named.get((kind, number))) is None:
            continue
        digest = found_builds[build_id].serialized_digest
        if position is None:
            found[key] = (dag_id, digest), build_id
        else:
            found[key] = (dag_id, f"{digest}.{position}"), (build_id, position)
    before = {
        key: version_id
        for key, (kind, number, _) in parsed.items()
        if kind == "v" and (version_id := host.reads.version_id_of(session, dag_id, number)) is not None
    }
    hashes = host.reads.serialized_hashes(session, before.values()) if before else {}
    for key, version_id in before.items():
        if version_id in hashes:
            found[key] = ((dag_id, hashes[version_id]), version_id)
    return found


def _serialized(
    host: Host, session: Session, sources: Collection[Source]
) -> dict[Source, Mapping[str, Json]]:
    build_ids = [source for source in sources if isinstance(source, int)]
    for_dates = [source for source in sources if isinstance(source, tuple)]
    version_ids = [source for source in sources if isinstance(source, UUID)]
    texts: dict[Source, Mapping[str, Json]] = {}
    if build_ids:
        texts.update(builds.serialized(session, build_ids).items())
    if for_dates:
        texts.update(_without_absent(session, for_dates).items())
    if version_ids:
        texts.update(host.reads.serialized(session, version_ids).items())
    return texts


def _without_absent(
    session: Session, sources: Collection[tuple[int, int]]
) -> dict[tuple[int, int], Mapping[str, Json]]:
    """Serialized Dags without the tasks that have no place in a segment of their builds."""
    whole = builds.serialized(session, {build_id for build_id, _ in sources})
    known = segments.of_builds(session, whole.keys())
    absent = {(one.build_id, one.position): one.absent for rows in known.values() for one in rows}
    return {
        source: without(whole[source[0]], absent[source])
        for source in sources
        if source[0] in whole and source in absent
    }
