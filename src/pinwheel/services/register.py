"""A parsed file becomes builds, and builds of unpinned Dags become releases."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import field, frozen

from pinwheel.core.build import Build, BuildContent, varying_attributes
from pinwheel.core.release import Command, Track, Verb, decide
from pinwheel.services.ports import Host
from pinwheel.services.releasing import Act, Outcome, carry_out, load_states
from pinwheel.store import builds, dags, events, files, releases
from pinwheel.store.locking import begin_write, lock_dags

ACTOR = "pinwheel"

_CLOCKLIKE = frozenset({"clock", "random", "uuid"})
_FOLD_AFTER = 3
"""So many different serialized forms of one state of the inputs make a Dag unstable, whatever it read."""


@frozen(kw_only=True)
class ParsedFile:
    """What one parse of one Dag file in one bundle version gave."""

    bundle_name: str
    bundle_version: str
    seq: int
    """The bundle version's place in the order in which versions were newest."""
    path: str
    """The file, relative to the bundle; for Dags in a zip, the zip."""
    file_digest: str
    inputs_digest: str
    inputs: Mapping[str, Any]
    contents: Sequence[BuildContent]
    errors: Mapping[str, str] = field(factory=dict)
    """Why Dags of the file could not be made: path of the file (or inside the zip) to traceback."""
    warnings: Sequence[Mapping[str, str]] = ()
    """Airflow's own warnings on Dags of the file: ``dag_id``, ``warning_type``, ``message``."""
    impure: Sequence[Mapping[str, str]] = ()
    """What the parse read from outside the bundle; empty for a pure file."""
    environment: str = ""
    environment_details: Mapping[str, Any] = field(factory=dict)
    seconds: float | None = None
    unversioned_dags: frozenset[str] = frozenset()
    """Dags of the file that opt out of bundle versioning."""
    read_source: Callable[[str, str], bytes | None] = field(default=lambda path, digest: None)
    """Returns the content of a used file, given its path and digest."""

    @property
    def error(self) -> str | None:
        return "\n".join(self.errors[path] for path in sorted(self.errors)) or None


def register(host: Host, parsed: ParsedFile) -> list[Outcome]:
    """Store what a parse gave, in one transaction, and release what is to be released at once.

    Late results (of a bundle version that is no longer the newest) make builds but neither become the
    newest build nor a release. Safe to repeat and to run from several processors at once.
    """

    def work(session: Any) -> list[Outcome]:
        return _register(host, session, parsed)

    outcomes = host.run(work)
    host.announce([{"kind": o.kind or "build", "dag_id": o.dag_id} for o in outcomes if o.changed])
    return outcomes


def _register(host: Host, session: Any, parsed: ParsedFile) -> list[Outcome]:
    begin_write(session)
    now = host.now()
    dag_ids = sorted(content.dag_id for content in parsed.contents)
    affected = set(dag_ids)
    known = files.one(session, parsed.bundle_name, parsed.path)
    if parsed.error:
        affected |= set(dags.ids_of_file(session, parsed.bundle_name, parsed.path))
        affected |= set(known.dag_ids if known else ())
    for content in parsed.contents:
        dags.add(session, content.dag_id, bundle_name=parsed.bundle_name, relative_fileloc=parsed.path)
    if affected:
        lock_dags(session, affected)
    if parsed.environment:
        builds.remember_environment(session, parsed.environment, parsed.environment_details, now=now)
    made = {content.dag_id: _build_of(host, session, parsed, content, now=now) for content in parsed.contents}
    if parsed.error:
        _record_broken(
            session,
            affected - set(made),
            parsed.bundle_name,
            parsed.bundle_version,
            parsed.path,
            parsed.error,
            now=now,
        )
    if (known is None or known.seq <= parsed.seq) and _remember_file(
        session, parsed, made, known, affected, now=now
    ):
        host.show_errors(session, parsed.bundle_name, parsed.path, parsed.errors)
        host.show_warnings(session, dag_ids, parsed.warnings)
    return release_newest(
        host,
        session,
        {dag_id: item.build for dag_id, item in made.items()},
        bundle_name=parsed.bundle_name,
        path=parsed.path,
        seq=parsed.seq,
        now=now,
        folded=frozenset(dag_id for dag_id, item in made.items() if item.folded),
    )


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


@frozen(kw_only=True)
class _Made:
    build: Build
    folded: bool = False
    """The build existed and was written anew: nothing had run on it."""


def _build_of(host: Host, session: Any, parsed: ParsedFile, content: BuildContent, *, now: datetime) -> _Made:
    versioned = content.dag_id not in parsed.unversioned_dags
    found = builds.by_digest(session, content.dag_id, content.digest)
    if found is None:
        found = _completed_adoption(session, content)
    if found is not None:
        if found.bundle_version != content.bundle_version or found.bundle_name != content.bundle_name:
            builds.remember_version(session, found.id, content.bundle_name, content.bundle_version, now=now)
        return _Made(build=found)
    _store_sources(session, content.files, parsed.read_source)
    siblings = builds.by_inputs(session, content.dag_id, content.inputs_digest, content.environment)
    varying = _varies(session, siblings, content, parsed.impure)
    if varying:
        row = dags.rows(session, [content.dag_id])[content.dag_id]
        if row.track == Track.PINNED and row.active_build_id == siblings[0].id:
            return _Made(build=siblings[0])
        if folded := _foldable(host, session, siblings):
            return _Made(build=_fold(session, folded, content, varying, now=now), folded=True)
    added = builds.add(session, content, now=now, versioned=versioned)
    if varying:
        builds.amend(session, added.id, unstable=list(varying))
    events.add(
        session,
        "build",
        now=now,
        actor=ACTOR,
        dag_id=content.dag_id,
        bundle_name=content.bundle_name,
        build=added.build,
        digest=added.digest,
        bundle_version=content.bundle_version,
    )
    reread = builds.by_number(session, content.dag_id, added.build)
    assert reread is not None
    return _Made(build=reread)


def _completed_adoption(session: Any, content: BuildContent) -> Build | None:
    """The adopted build that this parse turns out to be, with what the parse knows filled in.

    Airflow kept no record of the inputs, so only the same bundle version and the same serialized Dag
    prove that both are one.
    """
    first = builds.by_number(session, content.dag_id, 1)
    if first is None or not first.adopted or first.inputs_digest:
        return None
    if (first.bundle_version, first.serialized_digest) != (content.bundle_version, content.serialized_digest):
        return None
    builds.amend(
        session,
        first.id,
        digest=content.digest,
        inputs_digest=content.inputs_digest,
        serialized=dict(content.serialized),
        files={**builds.files(session, first.id), **content.files},
        environment=content.environment,
        parse_seconds=content.parse_seconds,
        pure=content.pure,
        bundle_name=content.bundle_name,
        relative_fileloc=content.relative_fileloc,
    )
    return builds.by_number(session, content.dag_id, 1)


def _store_sources(session: Any, used: Mapping[str, str], read: Callable[[str, str], bytes | None]) -> None:
    missing = builds.missing_sources(session, used.values())
    found: dict[str, bytes] = {}
    for path, digest in used.items():
        if digest in missing and digest not in found and (content := read(path, digest)) is not None:
            found[digest] = content
    builds.add_sources(session, found)


def _varies(
    session: Any, siblings: Sequence[Build], content: BuildContent, impure: Sequence[Mapping[str, str]]
) -> tuple[str, ...]:
    """The attributes by which the Dag is unstable; empty when it is not, or not yet known to be."""
    if not siblings:
        return ()
    outside = {str(item.get("kind")) for item in impure} - _CLOCKLIKE
    if outside and not siblings[0].unstable and len(siblings) < _FOLD_AFTER:
        return ()
    stored = builds.serialized(session, [siblings[0].id])[siblings[0].id]
    return varying_attributes(stored, content.serialized)


def _foldable(host: Host, session: Any, siblings: Sequence[Build]) -> Build | None:
    """The newest build of the same inputs, if nothing ever ran on it, so that it may be written anew."""
    newest = siblings[0]
    ids = [row.dag_version_id for row in releases.of_dag(session, newest.dag_id) if row.build_id == newest.id]
    trial = releases.trial_of(session, newest.id)
    if trial is not None:
        ids.append(trial.dag_version_id)
    return newest if host.unused(session, ids) == set(ids) else None


def _fold(
    session: Any, folded: Build, content: BuildContent, varying: tuple[str, ...], *, now: datetime
) -> Build:
    builds.amend(
        session,
        folded.id,
        digest=content.digest,
        serialized_digest=content.serialized_digest,
        serialized=dict(content.serialized),
        bundle_name=content.bundle_name,
        bundle_version=content.bundle_version,
        parse_seconds=content.parse_seconds,
        unstable=sorted({*folded.unstable, *varying})[:10],
    )
    if not folded.unstable:
        events.add(
            session,
            "unstable",
            now=now,
            actor=ACTOR,
            dag_id=content.dag_id,
            bundle_name=content.bundle_name,
            attributes=list(varying),
        )
    events.add(
        session,
        "folded",
        now=now,
        actor=ACTOR,
        dag_id=content.dag_id,
        bundle_name=content.bundle_name,
        build=folded.build,
        digest=content.digest,
        replaced_digest=folded.digest,
    )
    reread = builds.by_number(session, content.dag_id, folded.build)
    assert reread is not None
    return reread


def _remember_file(
    session: Any,
    parsed: ParsedFile,
    made: Mapping[str, _Made],
    known: Any,
    affected: set[str],
    *,
    now: datetime,
) -> bool:
    """Make this the newest known state of the file; False when a newer bundle version got there first."""
    parse_id = files.add_parse(
        session,
        bundle_name=parsed.bundle_name,
        relative_fileloc=parsed.path,
        file_digest=parsed.file_digest,
        inputs_digest=parsed.inputs_digest,
        environment=parsed.environment,
        inputs=dict(parsed.inputs),
        impure=[dict(item) for item in parsed.impure],
        builds={dag_id: item.build.id for dag_id, item in made.items()},
        error=parsed.error,
        seconds=parsed.seconds,
        now=now,
    )
    return files.put(
        session,
        parsed.bundle_name,
        parsed.path,
        seq=parsed.seq,
        version=parsed.bundle_version,
        parse_id=parse_id,
        dag_ids=sorted(affected),
        impure=bool(parsed.impure),
        error=parsed.error,
        broken_since=(known.broken_since if known and known.error else now) if parsed.error else None,
        parsed_at=now,
    )


def release_newest(
    host: Host,
    session: Any,
    made: Mapping[str, Build],
    *,
    bundle_name: str,
    path: str,
    seq: int,
    now: datetime,
    folded: frozenset[str] = frozenset(),
) -> list[Outcome]:
    """Make builds the newest of their Dags and release those of unpinned ones.

    A Dag that another file holds too stays with that file until a newer version of the bundle shows that
    it is gone from there; until then it is only on the shelf.
    """
    rows = dags.rows(session, made)
    accepted = {}
    for dag_id, build in made.items():
        row = rows[dag_id]
        elsewhere = (row.bundle_name, row.relative_fileloc) != (bundle_name, path)
        if elsewhere and row.newest_build_id is not None and _still_there(session, row, dag_id):
            events.add(
                session,
                "duplicate",
                now=now,
                actor=ACTOR,
                dag_id=dag_id,
                bundle_name=bundle_name,
                reason=f"{path} holds the Dag too; it stays with {row.bundle_name}: {row.relative_fileloc}",
                path=path,
                owner=f"{row.bundle_name}: {row.relative_fileloc}",
            )
            continue
        if not elsewhere and row.newest_seq > seq:
            continue
        accepted[dag_id] = build
        dags.change(
            session,
            dag_id,
            newest_build_id=build.id,
            newest_seq=seq,
            bundle_name=bundle_name,
            relative_fileloc=path,
            missing_since=None,
        )
    if not accepted:
        return []
    states = load_states(host, session, sorted(accepted))
    acts = [
        Act(
            state=states[dag_id],
            decision=decide(
                states[dag_id], Command(verb=Verb.ARRIVE, build=build, rewritten=dag_id in folded)
            ),
            verb=Verb.ARRIVE.value,
            actor=ACTOR,
            reason=_reason(build),
        )
        for dag_id, build in sorted(accepted.items())
    ]
    return carry_out(host, session, acts, now=now)


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
        for dag_id in row.builds:
            dags.add(session, dag_id, bundle_name=bundle_name, relative_fileloc=path)
        if affected:
            lock_dags(session, affected)
        newest = files.put(
            session,
            bundle_name,
            path,
            seq=seq,
            version=bundle_version,
            parse_id=parse_id,
            dag_ids=sorted(affected),
            impure=bool(row.impure),
            error=row.error,
            broken_since=(known.broken_since if known and known.error else now) if row.error else None,
            parsed_at=now,
        )
        if not newest:
            return []
        if row.error:
            gone = affected - set(row.builds)
            _record_broken(session, gone, bundle_name, bundle_version, path, row.error, now=now)
        host.show_errors(session, bundle_name, path, {path: row.error} if row.error else {})
        found = builds.by_ids(session, row.builds.values())
        made = {dag_id: found[build_id] for dag_id, build_id in row.builds.items() if build_id in found}
        for build in made.values():
            if build.bundle_version != bundle_version:
                builds.remember_version(session, build.id, bundle_name, bundle_version, now=now)
        return release_newest(host, session, made, bundle_name=bundle_name, path=path, seq=seq, now=now)

    outcomes = host.run(work)
    host.announce([{"kind": o.kind or "build", "dag_id": o.dag_id} for o in outcomes if o.changed])
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
