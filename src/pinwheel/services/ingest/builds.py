"""What parses gave becomes builds: known ones are recognized, new ones stored."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from pinwheel.core import text
from pinwheel.core.build import Build, BuildContent
from pinwheel.core.digest import varying_attributes
from pinwheel.core.event import EventKind, brought_by
from pinwheel.core.json import Json, JsonObject
from pinwheel.core.parse.facts import WHOLE_TREE
from pinwheel.core.records import ManagedDag
from pinwheel.core.release.state import Track
from pinwheel.core.structure.windows import stretches
from pinwheel.services.ports.host import Host
from pinwheel.services.release import variants
from pinwheel.services.release.outcome import ACTOR
from pinwheel.store import builds, events, releases, segments

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

HELD_VALUES = "values that its code holds"
"""What differs of a Dag that serializes alike at each parse."""
_CLOCKLIKE = frozenset({"clock", "random", "uuid"})
_FOLD_AFTER = 3
"""So many different serialized forms of one state of the inputs make a Dag unstable, whatever it read."""

REWRITE_AFTER = 3600.0
"""Seconds after which an unstable Dag that no run has used is taken anew."""


def _fitted_errors(errors: Mapping[str, str]) -> dict[str, str]:
    return {text.fit(path, text.PATH): text.fit_end(error, text.ERROR) for path, error in errors.items()}


def _fitted_warnings(warnings: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    return [{**warning, "message": text.fit(warning["message"], text.MESSAGE)} for warning in warnings]


@frozen(kw_only=True)
class Missed:
    """What a verification tells beside its parse: the file depends on more than was seen."""

    paths: tuple[str, ...]
    """Some of what changed in the bundle since the file was last parsed or verified."""
    of: int
    """How many that are in all."""


@frozen(kw_only=True)
class ParsedFile:
    """What one parse of one Dag file in one bundle version gave. Texts are made fit to be stored."""

    bundle_name: str
    bundle_version: str
    seq: int
    """The bundle version's place in the order in which versions were newest."""
    path: str
    """The file, relative to the bundle; for Dags in a zip, the zip."""
    file_digest: str
    inputs_digest: str
    inputs: Mapping[str, Json]
    contents: Sequence[BuildContent]
    errors: Mapping[str, str] = field(factory=dict, converter=_fitted_errors)
    """Why Dags of the file could not be made: path of the file (or inside the zip) to traceback."""
    warnings: Sequence[Mapping[str, str]] = field(default=(), converter=_fitted_warnings)
    """Airflow's own warnings on Dags of the file: ``dag_id``, ``warning_type``, ``message``."""
    impure: Sequence[Mapping[str, str]] = ()
    """What the parse read from outside the bundle; empty for a pure file."""
    runtime: str = ""
    runtime_details: Mapping[str, Json] = field(factory=dict)
    seconds: float | None = None
    refused: frozenset[str] = frozenset()
    """Dags that the file holds too but of which no build can be stored; ``errors`` tell why."""
    without_variants: Mapping[str, str] = field(factory=dict)
    """Those of them that can not be without the tasks that have no place at some dates, and why."""
    unversioned_dags: frozenset[str] = frozenset()
    """Dags of the file that opt out of bundle versioning."""
    tree: str = ""
    """Of the bundle version; empty: it is not known."""
    missed: Missed | None = None
    """Given by a verification that found something else than was believed of the heads since the last."""
    unstable: bool = False
    """Verifications found something else each time."""
    read_source: Callable[[str, str], bytes | None] = field(default=lambda path, digest: None)
    """Returns the content of a used file, given its path and digest."""

    @property
    def error(self) -> str | None:
        return text.fit_end("\n".join(self.errors[path] for path in sorted(self.errors)), text.ERROR) or None

    @property
    def always(self) -> str | None:
        """The file's content, if it is to be parsed in each new tree while it has that."""
        asked = self.inputs.get("asked")
        return self.file_digest if isinstance(asked, Mapping) and WHOLE_TREE in asked else None


@frozen(kw_only=True)
class Made:
    """The build of one Dag in a parsed file."""

    build: Build
    path: str
    """The file that was parsed."""
    content: BuildContent | None = None
    """What was stored just now; None for a build that existed."""
    folded: bool = False
    """The build existed and was written anew: nothing had run on it."""


def make_builds(
    host: Host,
    session: Session,
    parsed: Sequence[ParsedFile],
    rows: Mapping[str, ManagedDag],
    *,
    now: datetime,
) -> dict[str, Made]:
    """Find or store the build of each Dag of these files, by Dag id.

    The files are of one bundle version, no Dag is in two of them, and the caller has locked the Dags, whose
    rows it passes on.
    """
    contents = [content for file in parsed for content in file.contents]
    alike = builds.alike(session, contents)
    made: dict[str, Made] = {}
    new: list[tuple[ParsedFile, BuildContent, list[Build]]] = []
    for file in parsed:
        for content in file.contents:
            # Runs of a build find its files in its bundle: the same of another bundle is another build.
            known = [
                build for build in alike.get(content.dag_id, []) if build.bundle_name == content.bundle_name
            ]
            if any(build.digest in content.digests for build in alike.get(content.dag_id, ())):
                content = _of_its_bundle(content, known)
            found = next((build for build in known if build.digest == content.digest), None)
            found = found or _of_former_rule(session, content, known)
            found = found or _completed_adoption(session, content, known)
            if found is not None:
                made[content.dag_id] = Made(build=found, path=file.path)
            else:
                new.append((file, content, _siblings(content, known)))
    if not new:
        return made
    _store_sources(session, [(file, content) for file, content, _ in new])
    _remember_runtimes(session, {file.runtime: file for file, _, _ in new}, now=now)
    added: list[tuple[ParsedFile, builds.NewBuild]] = []
    for file, content, siblings in new:
        varying = _varies(session, siblings, content, file.impure)
        if varying:
            row = rows[content.dag_id]
            if row.track == Track.PINNED and row.active_build_id == siblings[0].id:
                made[content.dag_id] = Made(build=siblings[0], path=file.path)
                continue
            if folded := _foldable(host, session, siblings):
                build, anew = _fold(host, session, folded, content, varying, now=now)
                made[content.dag_id] = Made(build=build, path=file.path, folded=anew)
                continue
        versioned = content.dag_id not in file.unversioned_dags
        added.append((file, builds.NewBuild(content=content, versioned=versioned, unstable=varying)))
    return made | _add(host, session, added, now=now)


def _add(
    host: Host, session: Session, added: Sequence[tuple[ParsedFile, builds.NewBuild]], *, now: datetime
) -> dict[str, Made]:
    stored = [
        _with_segments(host, session, build, item.content.serialized, told_at=now)
        for build, (_, item) in zip(
            builds.add(session, [item for _, item in added], now=now), added, strict=True
        )
    ]
    events.add_all(
        session,
        [
            {
                "at": now,
                "kind": EventKind.BUILD,
                "dag_id": build.dag_id,
                "bundle_name": build.bundle_name,
                "actor": ACTOR,
                "reason": None,
                "batch": brought_by(build.bundle_name, build.bundle_version, seq=file.seq),
                "details": {
                    "build": build.build,
                    "digest": build.digest,
                    "bundle_version": build.bundle_version,
                },
            }
            for build, (file, _) in zip(stored, added, strict=True)
        ],
    )
    return {
        build.dag_id: Made(build=build, path=file.path, content=item.content)
        for build, (file, item) in zip(stored, added, strict=True)
    }


def _with_segments(
    host: Host,
    session: Session,
    build: Build,
    serialized: Mapping[str, Json],
    *,
    told_at: datetime | None = None,
) -> Build:
    """The build, of which is noted when which of its tasks are absent.

    With ``told_at`` an event says why that can not be for its bundle.
    """
    found = stretches(serialized)
    # Of a Dag that opts out of versions nothing else than its newest code ever runs
    if not found or not build.versioned:
        return build
    if not host.deployment.most_segments():
        return build
    why = variants.hindrance(host, session, build.bundle_name, build.bundle_version)
    if why is not None:
        if told_at is not None:
            variants.tell_none(session, build, why, now=told_at)
        return build
    variants.note(session, build, serialized, found)
    return evolve(build, windowed=True)


def _of_its_bundle(content: BuildContent, known: Sequence[Build]) -> BuildContent:
    """The content, told apart from the same of a build of another bundle."""
    own = any(build.digest in content.digests for build in known)
    return content if own else evolve(content, told_apart=True)


def _siblings(content: BuildContent, known: Iterable[Build]) -> list[Build]:
    """Builds from the same inputs, parsed in the same runtime; newest first."""
    same = (content.inputs_digest, content.runtime)
    return [build for build in known if (build.inputs_digest, build.runtime) == same]


def _of_former_rule(session: Session, content: BuildContent, known: Iterable[Build]) -> Build | None:
    """The build of the same content whose digest an earlier Pinwheel made, with the digest of today."""
    found = next((build for build in known if build.digest == content.former_digest), None)
    if found is None or content.former_digest == content.digest:
        return found
    builds.amend(
        session,
        found.id,
        digest=content.digest,
        serialized_digest=content.serialized_digest,
        reach=builds.as_reach(content),
    )
    return evolve(found, digest=content.digest, serialized_digest=content.serialized_digest)


def _completed_adoption(session: Session, content: BuildContent, known: Iterable[Build]) -> Build | None:
    """The adopted build that this parse turns out to be, with what the parse knows filled in.

    Airflow kept no record of the inputs, so only the same bundle version and the same serialized Dag
    prove that both are one.
    """
    first = next((build for build in known if build.adopted and build.build == 1), None)
    if first is None or first.inputs_digest:
        return None
    if first.bundle_version != content.bundle_version:
        return None
    if first.serialized_digest not in (content.serialized_digest, content.former_serialized_digest):
        return None
    builds.amend(
        session,
        first.id,
        digest=content.digest,
        serialized_digest=content.serialized_digest,
        inputs_digest=content.inputs_digest,
        reach=builds.as_reach(content),
        serialized=dict(content.serialized),
        files={**builds.files(session, first.id), **content.files},
        runtime=content.runtime,
        parse_seconds=content.parse_seconds,
        pure=content.pure,
        bundle_name=content.bundle_name,
        relative_fileloc=content.relative_fileloc,
    )
    return builds.by_ids(session, [first.id])[first.id]


def _remember_runtimes(session: Session, parsed: Mapping[str, ParsedFile], *, now: datetime) -> None:
    for fingerprint, file in sorted(parsed.items()):
        if fingerprint:
            builds.remember_runtime(session, fingerprint, file.runtime_details, now=now)


def _store_sources(session: Session, used: Iterable[tuple[ParsedFile, BuildContent]]) -> None:
    readers = {
        digest: (path, file.read_source) for file, content in used for path, digest in content.files.items()
    }
    found: dict[str, bytes] = {}
    for digest in builds.missing_sources(session, readers):
        path, read = readers[digest]
        if (content := read(path, digest)) is not None:
            found[digest] = content
    builds.add_sources(session, found)


def _varies(
    session: Session, siblings: Sequence[Build], content: BuildContent, impure: Sequence[Mapping[str, str]]
) -> tuple[str, ...]:
    """The attributes by which the Dag is unstable; empty when it is not, or not yet known to be."""
    if not siblings:
        return ()
    outside = {str(item.get("kind")) for item in impure} - _CLOCKLIKE
    if outside and not siblings[0].unstable and len(siblings) < _FOLD_AFTER:
        return ()
    stored = builds.serialized(session, [siblings[0].id])[siblings[0].id]
    # The same form from the same files, and yet another content: what its code holds differs
    return varying_attributes(stored, content.serialized) or (HELD_VALUES,)


def _foldable(host: Host, session: Session, siblings: Sequence[Build]) -> Build | None:
    """The newest build of the same inputs, if nothing ever ran on it, so that it may be written anew."""
    newest = siblings[0]
    ids = [row.dag_version_id for row in releases.of_dag(session, newest.dag_id) if row.build_id == newest.id]
    trial = releases.trial_of(session, newest.id)
    if trial is not None:
        ids.append(trial.dag_version_id)
    ids += segments.versions_of(session, newest.id)
    return newest if host.reads.unused(session, ids) == set(ids) else None


def _fold(
    host: Host,
    session: Session,
    folded: Build,
    content: BuildContent,
    varying: tuple[str, ...],
    *,
    now: datetime,
) -> tuple[Build, bool]:
    """The build that a parse of the same inputs is folded into, and whether it was written anew.

    Only the first time, and when that was long ago: what always varies would else rewrite Airflow's rows
    at each parse. Each time is counted, in one event a build.
    """
    known = events.newest(session, content.dag_id, EventKind.FOLDED)
    if known is not None and known.details.get("build") != folded.build:
        known = None
    before = JsonObject(
        {"count": 0, "rewritten_at": folded.created_at.isoformat(), **(known.details if known else {})}
    )
    count = before.number("count") + 1
    details = {**before.fields, "build": folded.build, "count": count, "last_at": now.isoformat()}
    attributes = sorted({*folded.unstable, *varying})[:10]
    taken = datetime.fromisoformat(before.text("rewritten_at"))
    anew = not folded.unstable or now - taken >= timedelta(seconds=REWRITE_AFTER)
    if anew:
        details |= {
            "rewritten_at": now.isoformat(),
            "digest": content.digest,
            "replaced_digest": folded.digest,
        }
        builds.amend(
            session,
            folded.id,
            digest=content.digest,
            serialized_digest=content.serialized_digest,
            serialized=dict(content.serialized),
            reach=builds.as_reach(content),
            bundle_name=content.bundle_name,
            bundle_version=content.bundle_version,
            parse_seconds=content.parse_seconds,
            unstable=attributes,
        )
        noted = segments.of_builds(session, [folded.id]).get(folded.id, ())
        if noted or stretches(content.serialized):
            host.rows.delete_unused_versions(session, segments.versions_of(session, folded.id))
            segments.forget(session, [folded.id])
            _with_segments(host, session, folded, content.serialized)
            if not all(one.stretch for one in noted):
                # An era's runs wait until the keeper has made that row of the new content.
                segments.add_whole(session, folded.dag_id, folded.id)
    elif attributes != sorted(folded.unstable):
        builds.amend(session, folded.id, unstable=attributes)
    told: dict[EventKind, Mapping[str, Json]] = {
        EventKind.UNSTABLE: {} if folded.unstable else {"attributes": list(varying)},
        EventKind.FOLDED: {} if known else details,
    }
    for kind, said in told.items():
        if said:
            events.add(
                session,
                kind,
                now=now,
                actor=ACTOR,
                dag_id=content.dag_id,
                bundle_name=content.bundle_name,
                details=said,
            )
    if known is not None:
        events.recount(session, known.id, details)
    return builds.by_ids(session, [folded.id])[folded.id], anew
