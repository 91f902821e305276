"""Parsed files become builds, and builds of unpinned Dags become releases."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any

from pinwheel.core.build import Build
from pinwheel.core.release import Command, Verb, decide
from pinwheel.services.making import Made, ParsedFile, make_builds
from pinwheel.services.ports import Host
from pinwheel.services.releasing import ACTOR, Act, Outcome, carry_out, load_states
from pinwheel.store import builds, dags, events, files
from pinwheel.store.locking import begin_write

__all__ = ["ParsedFile", "register", "register_all", "release_newest", "reuse"]


def register(host: Host, parsed: ParsedFile) -> list[Outcome]:
    """Store what a parse gave, in one transaction, and release what is to be released at once.

    Late results (of a bundle version that is no longer the newest) make builds but neither become the
    newest build nor a release. Safe to repeat and to run from several processors at once.
    """
    return register_all(host, [parsed])


def register_all(host: Host, parsed: Sequence[ParsedFile]) -> list[Outcome]:
    """As :func:`register`, for many files in few transactions: most of the cost is per transaction."""
    outcomes: list[Outcome] = []
    for together in _apart(parsed):
        done = host.run(partial(_register, host, together))
        _announce(host, done)
        outcomes += done
    return outcomes


def _apart(parsed: Iterable[ParsedFile]) -> list[list[ParsedFile]]:
    """Groups, in order, each of one bundle version, in which no file and no Dag occurs twice."""
    groups: list[list[ParsedFile]] = []
    seen: set[tuple[str, str]] = set()
    version = None
    for file in parsed:
        own = {("file", file.path), *(("dag", content.dag_id) for content in file.contents)}
        at = (file.bundle_name, file.bundle_version, file.seq)
        if at != version or own & seen:
            groups.append([])
            seen, version = set(), at
        groups[-1].append(file)
        seen |= own
    return groups


def _announce(host: Host, outcomes: Iterable[Outcome]) -> None:
    host.announce([{"kind": o.kind or "build", "dag_id": o.dag_id} for o in outcomes if o.changed])


def _register(host: Host, parsed: Sequence[ParsedFile], session: Any) -> list[Outcome]:
    begin_write(session)
    now = host.now()
    bundle_name, seq = parsed[0].bundle_name, parsed[0].seq
    known = files.some(session, bundle_name, [file.path for file in parsed])
    affected = {file.path: _affected(session, file, known.get(file.path)) for file in parsed}
    places = {c.dag_id: (bundle_name, file.path) for file in parsed for c in file.contents}
    rows = dags.lock(session, {d for dag_ids in affected.values() for d in dag_ids}, places)
    made = make_builds(host, session, parsed, rows, now=now)
    for file in parsed:
        if file.error:
            gone = affected[file.path] - set(made)
            _record_broken(session, gone, bundle_name, file.bundle_version, file.path, file.error, now=now)
    _remember_files(host, session, parsed, made, known, affected, now=now)
    return release_newest(host, session, made, rows, bundle_name=bundle_name, seq=seq, now=now)


def _affected(session: Any, file: ParsedFile, known: Any) -> set[str]:
    """The Dags of a file; of one that is broken also those that were in it."""
    found = {content.dag_id for content in file.contents}
    if file.error:
        found |= set(dags.ids_of_file(session, file.bundle_name, file.path))
        found |= set(known.dag_ids if known else ())
    return found


def _record_broken(
    session: Any,
    dag_ids: set[str],
    bundle_name: str,
    bundle_version: str,
    path: str,
    error: str,
    *,
    now: datetime,
) -> None:
    """Remember that these Dags could not be made from the file in this bundle version."""
    for dag_id in sorted(dag_ids):
        if builds.add_broken(session, dag_id, bundle_name, bundle_version, path, error, now=now):
            events.add(
                session,
                "broken",
                now=now,
                actor=ACTOR,
                dag_id=dag_id,
                bundle_name=bundle_name,
                bundle_version=bundle_version,
                path=path,
                error=_last_line(error),
            )


def _remember_files(
    host: Host,
    session: Any,
    parsed: Sequence[ParsedFile],
    made: Mapping[str, Made],
    known: Mapping[str, Any],
    affected: Mapping[str, set[str]],
    *,
    now: datetime,
) -> None:
    """Make this the newest known state of the files, but where a newer bundle version got there first."""
    newest = [file for file in parsed if file.path not in known or known[file.path].seq <= file.seq]
    ids = files.add_parses(session, [_parse_row(file, made, now=now) for file in newest])
    shown: list[ParsedFile] = []
    for file, parse_id in zip(newest, ids, strict=True):
        before = known.get(file.path)
        row = {
            "bundle_name": file.bundle_name,
            "relative_fileloc": file.path,
            "seq": file.seq,
            "version": file.bundle_version,
            "parse_id": parse_id,
            "dag_ids": sorted(affected[file.path]),
            "impure": bool(file.impure),
            "error": file.error,
            "broken_since": _broken_since(file.error, before, now),
            "parsed_at": now,
        }
        if files.put(session, row, known=before is not None):
            shown.append(file)
    if shown:
        host.show_errors(session, shown[0].bundle_name, {file.path: file.errors for file in shown})
        dag_ids = sorted(content.dag_id for file in shown for content in file.contents)
        host.show_warnings(session, dag_ids, [warning for file in shown for warning in file.warnings])


def _parse_row(file: ParsedFile, made: Mapping[str, Made], *, now: datetime) -> dict[str, Any]:
    return {
        "bundle_name": file.bundle_name,
        "relative_fileloc": file.path,
        "file_digest": file.file_digest,
        "inputs_digest": file.inputs_digest,
        "environment": file.environment,
        "inputs": dict(file.inputs),
        "impure": [dict(item) for item in file.impure],
        "builds": {content.dag_id: made[content.dag_id].build.id for content in file.contents},
        "error": file.error,
        "seconds": file.seconds,
        "parsed_at": now,
    }


def _broken_since(error: str | None, before: Any, now: datetime) -> datetime | None:
    if not error:
        return None
    since: datetime | None = before.broken_since if before and before.error else None
    return since or now


def release_newest(
    host: Host,
    session: Any,
    made: Mapping[str, Made],
    rows: Mapping[str, Any],
    *,
    bundle_name: str,
    seq: int,
    now: datetime,
) -> list[Outcome]:
    """Make builds the newest of their Dags, whose locked rows are given, and release those of unpinned ones.

    A Dag that another file holds too stays with that file until a newer version of the bundle shows that
    it is gone from there; until then it is only on the shelf.
    """
    accepted = _accepted(session, made, rows, bundle_name=bundle_name, seq=seq, now=now)
    if not accepted:
        return []
    dags.change_each(
        session,
        [
            {
                "dag_id": dag_id,
                "newest_build_id": item.build.id,
                "newest_seq": seq,
                "bundle_name": bundle_name,
                "relative_fileloc": item.path,
                "missing_since": None,
            }
            for dag_id, item in sorted(accepted.items())
        ],
    )
    states = load_states(host, session, sorted(accepted))
    acts = [
        Act(
            state=states[dag_id],
            decision=decide(
                states[dag_id], Command(verb=Verb.ARRIVE, build=item.build, rewritten=item.folded)
            ),
            verb=Verb.ARRIVE.value,
            actor=ACTOR,
            reason=_reason(item.build),
        )
        for dag_id, item in sorted(accepted.items())
    ]
    contents = {item.build.id: item.content for item in accepted.values() if item.content is not None}
    return carry_out(host, session, acts, now=now, contents=contents)


def _accepted(
    session: Any,
    made: Mapping[str, Made],
    rows: Mapping[str, Any],
    *,
    bundle_name: str,
    seq: int,
    now: datetime,
) -> dict[str, Made]:
    accepted = {}
    for dag_id, item in made.items():
        row = rows[dag_id]
        elsewhere = (row.bundle_name, row.relative_fileloc) != (bundle_name, item.path)
        owner = f"{row.bundle_name}: {row.relative_fileloc}"
        if elsewhere and row.newest_build_id is not None and _still_there(session, row, dag_id):
            events.add(
                session,
                "duplicate",
                now=now,
                actor=ACTOR,
                dag_id=dag_id,
                bundle_name=bundle_name,
                reason=f"{item.path} holds the Dag too; it stays with {owner}",
                path=item.path,
                owner=owner,
            )
        elif elsewhere or row.newest_seq <= seq:
            accepted[dag_id] = item
    return accepted


def reuse(
    host: Host, *, bundle_name: str, bundle_version: str, seq: int, path: str, parse_id: int
) -> list[Outcome]:
    """Take the result of an earlier parse whose inputs are those of this bundle version.

    What a commit brings back is not parsed again, but it is the newest build again.
    """

    def work(session: Any) -> list[Outcome]:
        begin_write(session)
        now = host.now()
        row = files.parses(session, [parse_id])[parse_id]
        known = files.one(session, bundle_name, path)
        if known is not None and known.seq > seq:
            return []
        affected = set(row.builds)
        if row.error:
            affected |= set(dags.ids_of_file(session, bundle_name, path))
            affected |= set(known.dag_ids if known else ())
        rows = dags.lock(session, affected, dict.fromkeys(row.builds, (bundle_name, path)))
        newest = files.put(
            session,
            {
                "bundle_name": bundle_name,
                "relative_fileloc": path,
                "seq": seq,
                "version": bundle_version,
                "parse_id": parse_id,
                "dag_ids": sorted(affected),
                "impure": bool(row.impure),
                "error": row.error,
                "broken_since": _broken_since(row.error, known, now),
                "parsed_at": now,
            },
            known=known is not None,
        )
        if not newest:
            return []
        if row.error:
            gone = affected - set(row.builds)
            _record_broken(session, gone, bundle_name, bundle_version, path, row.error, now=now)
        host.show_errors(session, bundle_name, {path: {path: row.error} if row.error else {}})
        found = builds.by_ids(session, row.builds.values())
        made = {
            dag_id: Made(build=found[build_id], path=path)
            for dag_id, build_id in row.builds.items()
            if build_id in found
        }
        again = [item.build.id for item in made.values() if item.build.bundle_version != bundle_version]
        builds.remember_versions(session, again, bundle_name, bundle_version, now=now)
        return release_newest(host, session, made, rows, bundle_name=bundle_name, seq=seq, now=now)

    outcomes = host.run(work)
    _announce(host, outcomes)
    return outcomes


def _still_there(session: Any, row: Any, dag_id: str) -> bool:
    owner = files.one(session, row.bundle_name, row.relative_fileloc)
    return owner is not None and dag_id in owner.dag_ids


def _reason(build: Build) -> str | None:
    if build.message:
        return build.message.strip().splitlines()[0][:200]
    return None


def _last_line(error: str) -> str:
    lines = error.strip().splitlines()
    return lines[-1][:500] if lines else ""
