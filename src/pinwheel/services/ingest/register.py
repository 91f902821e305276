"""Parsed files become builds, and builds of unpinned Dags become releases."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from attrs import evolve, frozen

from pinwheel.core import text
from pinwheel.core.build import Build
from pinwheel.core.chunks import chunks
from pinwheel.core.errors import InvalidInput
from pinwheel.core.records import DagFile, ManagedDag, NewParse
from pinwheel.services.ingest.accepting import imported_files, left_to_definers, record_broken, release_newest
from pinwheel.services.ingest.builds import Made, ParsedFile, make_builds
from pinwheel.services.ingest.refusing import reason_of, words
from pinwheel.services.ingest.task_windows import checked
from pinwheel.services.ingest.verify import tell
from pinwheel.services.ports.host import Host
from pinwheel.services.release.follow import follow
from pinwheel.services.release.outcome import Outcome
from pinwheel.services.release.stands import Showing, disprove, not_good, showing
from pinwheel.services.rules import facts
from pinwheel.services.rules.facts import Known
from pinwheel.store import builds, dags, files
from pinwheel.store.locking import begin_write
from pinwheel.store.refusals import may_pass

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

T = TypeVar("T")

TOGETHER = 50
"""Files whose earlier results are taken up in one transaction."""


def register(host: Host, parsed: ParsedFile) -> list[Outcome]:
    """Store what a parse gave, in one transaction, and release what is to be released at once.

    Late results (of a bundle version that is no longer the newest) make builds but neither become the
    newest build nor a release. Safe to repeat and to run from several processors at once.
    """
    return register_all(host, [parsed])


def register_all(host: Host, parsed: Sequence[ParsedFile]) -> list[Outcome]:
    """As :func:`register`, for many files in few transactions: most of the cost is per transaction."""
    outcomes: list[Outcome] = []
    for version in _apart(parsed, _place, lambda file: ()):
        mine = version
        if imported_files(version):
            mine = host.unit.run(partial(left_to_definers, parsed=version))
        mine = [checked(host, file) for file in mine]
        for together in _apart(mine, _place, lambda file: [content.dag_id for content in file.contents]):
            done = host.unit.run(partial(_register, host, together))
            _announce(host, done)
            outcomes += done
    return outcomes


def _place(file: ParsedFile) -> tuple[Hashable, str]:
    return (file.bundle_name, file.bundle_version, file.seq), file.path


def _apart(
    items: Iterable[T], place: Callable[[T], tuple[Hashable, str]], dag_ids: Callable[[T], Iterable[str]]
) -> list[list[T]]:
    """Groups, in order, each of one bundle version, in which no file and no Dag occurs twice."""
    groups: list[list[T]] = []
    seen: set[tuple[str, str]] = set()
    version: Hashable = None
    for item in items:
        at, path = place(item)
        own = {("file", path), *(("dag", dag_id) for dag_id in dag_ids(item))}
        if not groups or at != version or own & seen:
            groups.append([])
            seen, version = set(), at
        groups[-1].append(item)
        seen |= own
    return groups


def _announce(host: Host, outcomes: Iterable[Outcome]) -> None:
    host.unit.announce([{"kind": o.kind or "build", "dag_id": o.dag_id} for o in outcomes if o.changed])


def _register(host: Host, parsed: Sequence[ParsedFile], session: Session) -> list[Outcome]:
    begin_write(session)
    now = host.unit.now()
    bundle_name, bundle_version, seq = parsed[0].bundle_name, parsed[0].bundle_version, parsed[0].seq
    shown = showing(session, bundle_name, hold=True)
    parsed = _with_usable_paths(host, session, parsed)
    known = files.some(session, bundle_name, [file.path for file in parsed])
    found = {file.path: {content.dag_id for content in file.contents} for file in parsed}
    affected = _affected(
        session, bundle_name, found, known, broken=[file.path for file in parsed if file.error]
    )
    places = {c.dag_id: (bundle_name, file.path) for file in parsed for c in file.contents}
    refused = {dag_id for file in parsed for dag_id in file.refused}
    lost = _lost(known, {file.path: found[file.path] for file in parsed if not file.impure})
    concerned = {d for dag_ids in (*affected.values(), *lost.values()) for d in dag_ids}
    rows = dags.lock(session, concerned | refused, places)
    for file in parsed:
        # A Dag that was never stored is not managed, and so not broken.
        affected[file.path] |= file.refused & rows.keys()
    made = make_builds(host, session, parsed, rows, now=now)
    for file in parsed:
        if file.error:
            gone = _own(affected[file.path] - set(made), rows, bundle_name, file.path)
            record_broken(
                session,
                gone,
                bundle_name,
                bundle_version,
                file.path,
                file.error,
                seq=seq,
                now=now,
                without_variants=file.without_variants,
            )
    newest = [] if shown.is_late(seq) else list(parsed)
    ids = files.put_parses(session, [_parse_row(file, made, now=now) for file in newest])
    written = files.put_all(
        session,
        bundle_name,
        [
            _file_row(
                file,
                parse_id,
                affected[file.path],
                bool(file.impure),
                file.error,
                known.get(file.path),
                now,
                [made[content.dag_id].build for content in file.contents],
            )
            for file, parse_id in zip(newest, ids, strict=True)
        ],
    )
    taken = [file for file in newest if file.path in written]
    if taken:
        host.rows.show_errors(session, bundle_name, {file.path: file.errors for file in taken})
        held = {file.path: affected[file.path] | lost.get(file.path, set()) for file in taken}
        back = _disprove(session, shown, taken, held, made, rows)
        _no_longer(session, shown, held, made, rows)
    ruling = _ruling(session, shown, seq, rows)
    outcomes = release_newest(host, session, made, rows, shown=shown, seq=seq, now=now, known=ruling)
    if taken:
        # After the release: a warning needs its Dag's row.
        dag_ids = sorted(content.dag_id for file in taken for content in file.contents)
        host.rows.show_warnings(session, dag_ids, [warning for file in taken for warning in file.warnings])
        follow(host, session, bundle_name, {*made, *back}, ruled=_may_be_ruled(ruling))
        for file in taken:
            if file.missed is not None and file.path in known:
                tell(session, file, known[file.path], made, now=now)
    return outcomes


def _ruling(session: Session, shown: Showing, seq: int, rows: Mapping[str, ManagedDag]) -> Known | None:
    """What rules and rollouts there are for Dags that are released, and follow: asked once for both.

    None: nothing is released, so nobody asked.
    """
    if shown.is_late(seq) or not rows:
        return None
    # Of the bundle to which they move, if they do.
    there = {dag_id: evolve(row, bundle_name=shown.bundle_name) for dag_id, row in rows.items()}
    return facts.know(session, there, hold=True)


def _may_be_ruled(ruling: Known | None) -> bool:
    return ruling is None or not ruling.nothing


def _disprove(
    session: Session,
    shown: Showing,
    taken: Sequence[ParsedFile],
    held: Mapping[str, Collection[str]],
    made: Mapping[str, Made],
    rows: Mapping[str, ManagedDag],
) -> set[str]:
    """Of files of which a verification found that they give something else: their Dags."""
    disproved = {
        dag_id: made[dag_id].build.id if dag_id in made else None
        for file in taken
        if file.missed is not None
        for dag_id in _own(held[file.path], rows, shown.bundle_name, file.path)
    }
    disprove(session, shown, disproved)
    return set(disproved)


def _no_longer(
    session: Session,
    shown: Showing,
    affected: Mapping[str, Collection[str]],
    made: Mapping[str, Made],
    rows: Mapping[str, ManagedDag],
) -> None:
    """Dags of these files of which the head has no good build stand in it no longer."""
    gone = {
        dag_id
        for path, dag_ids in affected.items()
        for dag_id in _own(set(dag_ids) - made.keys(), rows, shown.bundle_name, path)
    }
    not_good(session, shown, gone)


def _with_usable_paths(host: Host, session: Session, parsed: Sequence[ParsedFile]) -> list[ParsedFile]:
    """Those whose path fits into a key; of the others only the reason is kept, where users look."""
    for file in parsed:
        if len(file.path) > text.FILE_PATH:
            error = InvalidInput(
                f"Cannot take in a Dag file whose path has {len(file.path)} characters",
                found=f"a path below its bundle can be of at most {text.FILE_PATH}",
                remedy="Move it to a folder with a shorter name; its Dags are not read until then",
            )
            path = text.fit(file.path, text.PATH)
            host.rows.show_errors(session, file.bundle_name, {path: {path: error.message}})
    return [file for file in parsed if len(file.path) <= text.FILE_PATH]


def _affected(
    session: Session,
    bundle_name: str,
    found: Mapping[str, set[str]],
    known: Mapping[str, DagFile],
    *,
    broken: Sequence[str],
) -> dict[str, set[str]]:
    """By file the Dags of it; of one that is broken also those that were in it."""
    affected = {path: set(dag_ids) for path, dag_ids in found.items()}
    for path, dag_ids in dags.ids_of_files(session, bundle_name, broken).items():
        affected[path] |= dag_ids
    for path in broken:
        affected[path] |= set(known[path].dag_ids if path in known else ())
    return affected


def _lost(known: Mapping[str, DagFile], found: Mapping[str, set[str]]) -> dict[str, set[str]]:
    """By file, the Dags that it held when it was known last and holds no longer.

    Not to be asked of files that read from outside the bundle: they lose Dags from one parse to the next.
    """
    return {path: set(known[path].dag_ids) - dag_ids for path, dag_ids in found.items() if path in known}


def _own(dag_ids: Iterable[str], rows: Mapping[str, ManagedDag], bundle_name: str, path: str) -> list[str]:
    """Those of these Dags that are the file's: a Dag of another file is not broken by this one."""
    place = (bundle_name, path)
    return sorted(
        d for d in dag_ids if d in rows and (rows[d].bundle_name, rows[d].relative_fileloc) == place
    )


def _file_row(
    file: ParsedFile | _Again,
    parse_id: int,
    dag_ids: Iterable[str],
    impure: bool,
    error: str | None,
    before: DagFile | None,
    now: datetime,
    gave: Iterable[Build],
) -> DagFile:
    since = before.broken_since if before and before.error else None
    row = DagFile(
        bundle_name=file.bundle_name,
        relative_fileloc=file.path,
        seq=file.seq,
        version=file.bundle_version,
        parse_id=parse_id,
        dag_ids=sorted(dag_ids),
        impure=impure,
        error=error,
        broken_since=(since or now) if error else None,
        pending_seq=None,
        parsed_at=now,
        unstable=any(build.unstable for build in gave),
    )
    if isinstance(file, ParsedFile):
        return evolve(
            row,
            verified_seq=file.seq,
            verified_tree=file.tree or None,
            verified_at=now,
            always=file.always,
            unstable=row.unstable or file.unstable,
        )
    if before is None:
        return row
    # An earlier parse that is taken over is no verification
    return evolve(
        row,
        verified_seq=before.verified_seq,
        verified_at=before.verified_at,
        always=file.file_digest if before.always == file.file_digest else None,
    )


def _parse_row(file: ParsedFile, made: Mapping[str, Made], *, now: datetime) -> NewParse:
    return NewParse(
        bundle_name=file.bundle_name,
        relative_fileloc=file.path,
        file_digest=file.file_digest,
        inputs_digest=file.inputs_digest,
        runtime=file.runtime,
        inputs=dict(file.inputs),
        impure=[dict(item) for item in file.impure],
        builds={content.dag_id: made[content.dag_id].build.id for content in file.contents},
        error=file.error,
        seconds=file.seconds,
        parsed_at=now,
    )


@frozen(kw_only=True)
class _Again:
    """A file whose content was parsed before: that parse holds for this bundle version too."""

    bundle_name: str
    bundle_version: str
    seq: int
    path: str
    parse_id: int
    file_digest: str
    builds: Mapping[str, int]
    error: str | None
    impure: bool
    refused: frozenset[str] = frozenset()


def reuse_all(
    host: Host,
    *,
    bundle_name: str,
    bundle_version: str,
    seq: int,
    files: Sequence[tuple[str, int]],
    between: Callable[[], object] = lambda: None,
) -> set[str]:
    """Take the results of earlier parses whose inputs are those of this bundle version; the files taken.

    What a commit brings back is not parsed again, but it is the newest build again. ``files`` are paths with
    the id of the parse. One transaction takes :data:`TOGETHER` files; ``between`` is called after each, for
    whoever must not be silent for long. Safe to repeat and to run from several processors at once.

    A file that the database refuses becomes an import error with the reason, and counts as taken. Raises
    what may pass: the database was away or busy. What was taken until then stays.
    """
    taken: set[str] = set()
    for chunk in chunks(files, TOGETHER):
        again = _again(host, bundle_name, bundle_version, seq, chunk)
        for together in _apart(again, lambda item: (seq, item.path), lambda item: item.builds):
            gone: set[str] = set()
            _announce(host, _reuse_some(host, together, gone))
            taken |= {item.path for item in together} - gone
        between()
    return taken


def _again(
    host: Host, bundle_name: str, bundle_version: str, seq: int, wanted: Sequence[tuple[str, int]]
) -> list[_Again]:
    parses = host.unit.run(lambda session: files.results(session, [parse_id for _, parse_id in wanted]))
    return [
        _Again(
            bundle_name=bundle_name,
            bundle_version=bundle_version,
            seq=seq,
            path=path,
            parse_id=parse_id,
            file_digest=row.file_digest,
            builds=row.builds,
            error=row.error,
            impure=bool(row.impure),
        )
        for path, parse_id in wanted
        if (row := parses.get(parse_id)) is not None
    ]


def _reuse_some(host: Host, again: Sequence[_Again], gone: set[str]) -> list[Outcome]:
    try:
        return host.unit.run(partial(_reuse, host, again, gone))
    except Exception as error:
        if may_pass(error):
            raise
        if len(again) > 1:
            return [outcome for item in again for outcome in _reuse_some(host, [item], gone)]
        (item,) = again
        if item.refused or not item.builds:
            raise
        reason = reason_of(item.path, {"": words(error)})
        refused = evolve(item, builds={}, error=reason, refused=frozenset(item.builds))
        return host.unit.run(partial(_reuse, host, [refused], gone))


def _reuse(host: Host, again: Sequence[_Again], gone: set[str], session: Session) -> list[Outcome]:
    """``gone`` gets the files whose builds were pruned meanwhile: these are to be parsed."""
    begin_write(session)
    now = host.unit.now()
    bundle_name, bundle_version, seq = again[0].bundle_name, again[0].bundle_version, again[0].seq
    shown = showing(session, bundle_name, hold=True)
    if shown.is_late(seq):
        return []
    known = files.some(session, bundle_name, [item.path for item in again])
    affected = _affected(
        session,
        bundle_name,
        {item.path: set(item.builds) for item in again},
        known,
        broken=[item.path for item in again if item.error],
    )
    places = {dag_id: (bundle_name, item.path) for item in again for dag_id in item.builds}
    refused = {dag_id for item in again for dag_id in item.refused}
    lost = _lost(known, {item.path: set(item.builds) for item in again if not item.impure})
    concerned = {d for dag_ids in (*affected.values(), *lost.values()) for d in dag_ids}
    rows = dags.lock(session, concerned | refused, places)
    for item in again:
        affected[item.path] |= item.refused & rows.keys()
    # Only now: whoever removes builds holds their Dags
    found = builds.by_ids(session, [build_id for item in again for build_id in item.builds.values()])
    gone |= {item.path for item in again if not found.keys() >= set(item.builds.values())}
    again = [item for item in again if item.path not in gone]
    written = files.put_all(
        session,
        bundle_name,
        [
            _file_row(
                item,
                item.parse_id,
                affected[item.path],
                item.impure,
                item.error,
                known.get(item.path),
                now,
                [found[build_id] for build_id in item.builds.values()],
            )
            for item in again
        ],
    )
    again = [item for item in again if item.path in written]
    if not again:
        return []
    for item in again:
        if item.error:
            broken = _own(affected[item.path] - set(item.builds), rows, bundle_name, item.path)
            record_broken(
                session, broken, bundle_name, bundle_version, item.path, item.error, seq=seq, now=now
            )
    host.rows.show_errors(
        session, bundle_name, {item.path: {item.path: item.error} if item.error else {} for item in again}
    )
    made = {
        dag_id: Made(build=found[build_id], path=item.path)
        for item in again
        for dag_id, build_id in item.builds.items()
    }
    held = {item.path: affected[item.path] | lost.get(item.path, set()) for item in again}
    _no_longer(session, shown, held, made, rows)
    ruling = _ruling(session, shown, seq, rows)
    outcomes = release_newest(host, session, made, rows, shown=shown, seq=seq, now=now, known=ruling)
    follow(host, session, bundle_name, made, ruled=_may_be_ruled(ruling))
    return outcomes
