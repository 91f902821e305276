"""Which file a Dag belongs to, and what becomes of a build that arrives: the newest one, and a release."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from types import MappingProxyType
from typing import TYPE_CHECKING

from attrs import evolve

from pinwheel.core import text
from pinwheel.core.build import Build
from pinwheel.core.event import EventKind, brought_by
from pinwheel.core.json import JsonObject
from pinwheel.core.parse.definers import Holder, definers
from pinwheel.core.records import DagFile, ManagedDag
from pinwheel.core.release.carried import Carried
from pinwheel.core.release.decide import Command, Verb, decide, released_again
from pinwheel.core.release.state import DagState
from pinwheel.core.rollout.decide import arrive
from pinwheel.core.rollout.effects import AsToday, Take, Wait
from pinwheel.services.ingest.builds import Made, ParsedFile
from pinwheel.services.ports.host import Host
from pinwheel.services.release.going import act_of, go, what_is_carried
from pinwheel.services.release.loading import Loaded, load
from pinwheel.services.release.outcome import ACTOR, Act, Outcome
from pinwheel.services.release.stands import Showing, became_known
from pinwheel.services.rules import facts, judging
from pinwheel.services.rules.facts import Found, Known
from pinwheel.store import builds, bundles, dags, events, files

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def release_newest(
    host: Host,
    session: Session,
    made: Mapping[str, Made],
    rows: Mapping[str, ManagedDag],
    *,
    shown: Showing,
    seq: int,
    now: datetime,
    known: Known | None = None,
) -> list[Outcome]:
    """Make builds the newest of their Dags, whose locked rows are given, and release those of unpinned ones.

    Nothing happens when the version with this ``seq`` is no longer what the bundle shows.
    A Dag that another file holds too stays with that file until a newer version of the bundle shows that
    it is gone from there (:mod:`settle`, which also tells of such Dags); until then it is only on the shelf.
    But a file that only imported the Dag's own does not keep it. *known* is what rules and rollouts there
    are, from a caller who has asked already.
    """
    if shown.is_late(seq):
        return []
    bundle_name = shown.bundle_name
    accepted = _accepted(session, made, rows, bundle_name=bundle_name, seq=seq)
    if not accepted:
        return []
    became_known(session, shown, {dag_id: item.build.id for dag_id, item in accepted.items()})
    rows = {
        dag_id: evolve(
            rows[dag_id],
            newest_build_id=item.build.id,
            newest_seq=seq,
            bundle_name=bundle_name,
            relative_fileloc=item.path,
            missing_since=None,
        )
        for dag_id, item in sorted(accepted.items())
    }
    dags.write(session, rows.values(), _MOVED)
    known = known if known is not None else facts.know(session, rows, hold=True)
    loaded = load(host, session, rows, others=known.build_ids)
    found = {} if known.nothing else facts.find(host, session, known, loaded, now=now)
    acts = [
        _act(session, rows[dag_id], item, loaded, found.get(dag_id), now)
        for dag_id, item in sorted(accepted.items())
    ]
    in_force = {dag_id: judging.of_repository(each.judged) for dag_id, each in found.items()}
    judging.put_in_force(session, rows, in_force)
    batch = brought_by(bundle_name, shown.head.version, seq=seq) if shown.head is not None else None
    loaded = evolve(loaded, contents=_contents(session, accepted.values()))
    return go(host, session, acts, known, loaded, now=now, batch=batch)


def _act(
    session: Session, row: ManagedDag, item: Made, loaded: Loaded, found: Found | None, now: datetime
) -> Act:
    """What becomes of a build that arrives."""
    state = loaded.states[row.dag_id]
    today = decide(state, Command(verb=Verb.ARRIVE, build=item.build, rewritten=item.folded))
    if found is None or not found.concerns:
        made = Carried(decision=today)
    else:
        comes_back = state.retired and not state.pinned
        decided = arrive(evolve(found.facts, gone=None) if comes_back else found.facts, now)
        if comes_back and today.steps and (decided.effects or isinstance(decided, Wait)):
            # As it was released last, until what it is in its bundle now may be released.
            today = evolve(released_again(state), reason="it is in its bundle again")
        takes = any(isinstance(effect, Take) for effect in decided.effects)
        # Of a build that is active already only its form may be another: nothing waits for that.
        first = (AsToday(),) if _is_active(state, item.build) or (comes_back and not takes) else ()
        made = what_is_carried(
            session, (*first, *decided.effects), state, loaded, said=decided.said, as_today=today
        )
    act = act_of(row, state, made, verb=Verb.ARRIVE.value, actor=ACTOR, reason=_reason(item.build))
    return evolve(act, told=item.folded and _is_active(state, item.build))


_MOVED = ("newest_build_id", "newest_seq", "bundle_name", "relative_fileloc", "missing_since")
"""What says in a Dag's row which build is its newest."""


def _contents(session: Session, made: Collection[Made]) -> dict[int, builds.StoredContent]:
    """By id of the build what a parse just gave, so that it need not be read back."""
    places = {
        (item.build.bundle_name, item.build.bundle_version) for item in made if item.content is not None
    }
    versions = bundles.versions(session, places)
    found = {}
    for item in made:
        if item.content is not None:
            version = versions.get((item.build.bundle_name, item.build.bundle_version))
            found[item.build.id] = builds.StoredContent(
                serialized=builds.as_stored(item.content.serialized),
                files=item.content.files,
                bundle_path=version.path if version else None,
                version_data=version.version_data if version else None,
            )
    return found


def _is_active(state: DagState, build: Build) -> bool:
    return state.active_build is not None and state.active_build.id == build.id and not state.retired


def _accepted(
    session: Session, made: Mapping[str, Made], rows: Mapping[str, ManagedDag], *, bundle_name: str, seq: int
) -> dict[str, Made]:
    return {
        dag_id: item
        for dag_id, item in made.items()
        if _is_accepted(session, item, rows[dag_id], (bundle_name, item.path), seq)
    }


def _is_accepted(session: Session, item: Made, row: ManagedDag, place: tuple[str, str], seq: int) -> bool:
    if (row.bundle_name, row.relative_fileloc) == place:
        return row.newest_seq <= seq
    if row.newest_build_id is None or not _still_there(session, row):
        return True
    return (
        row.bundle_name == place[0]
        and row.newest_seq <= seq
        and _defines(session, row, row.newest_build_id, item)
    )


def _defines(session: Session, row: ManagedDag, newest: int, item: Made) -> bool:
    """Whether the Dag's present file only imported it from this one."""
    used = builds.files_of(session, [newest, item.build.id])
    holders = [
        _holder(session, row.relative_fileloc, used.get(newest, {})),
        _holder(session, item.path, used.get(item.build.id, {})),
    ]
    return definers(row.dag_id, holders) == {item.path}


def _holder(session: Session, path: str, used: Mapping[str, str]) -> Holder:
    return Holder(path=path, reads=used.keys(), source=lambda: builds.source(session, used.get(path, "")))


def _known_holders(session: Session, known: Sequence[DagFile]) -> list[Holder]:
    """Of rows of files: what their newest parses used."""
    parses = files.parses(session, [row.parse_id for row in known if row.parse_id is not None])
    used = [parses[row.parse_id].inputs.get("files", {}) if row.parse_id in parses else {} for row in known]
    return [_holder(session, row.relative_fileloc, u) for row, u in zip(known, used, strict=True)]


def only_imports(session: Session, dag_id: str, file: DagFile, owner: DagFile) -> bool:
    """Whether a file, given by its row, gave a Dag only because it imports the Dag's own, its owner."""
    if file.bundle_name != owner.bundle_name:
        return False
    return definers(dag_id, _known_holders(session, [file, owner])) == {owner.relative_fileloc}


def left_to_definers(session: Session, parsed: Sequence[ParsedFile]) -> list[ParsedFile]:
    """These files of one bundle version, without the Dags that are theirs only because they import them.

    Compared with each other, and with what is known of this version already; a file that is not known yet
    is not waited for.
    """
    imported = imported_files(parsed)
    own = {file.path for file in parsed}
    known = {
        path: row
        for path, row in files.some(session, parsed[0].bundle_name, imported - own).items()
        if row.pending_seq is None
    }
    holders: dict[str, list[Holder]] = {}
    for file in parsed:
        for content in file.contents:
            holders.setdefault(content.dag_id, []).append(
                Holder(path=file.path, reads=reads_of(file), source=_own_text(file))
            )
    holding = [row for row in known.values() if not holders.keys().isdisjoint(row.dag_ids)]
    for row, holder in zip(holding, _known_holders(session, holding), strict=True):
        for dag_id in holders.keys() & set(row.dag_ids):
            holders[dag_id].append(holder)
    defined = {dag_id: definers(dag_id, found) for dag_id, found in holders.items() if len(found) > 1}
    return [_without(file, {d for d, paths in defined.items() if file.path not in paths}) for file in parsed]


def imported_files(parsed: Sequence[ParsedFile]) -> set[str]:
    """Files other than their own that parses which gave Dags used, and that may give Dags too."""
    return {
        path
        for file in parsed
        if file.contents
        for path in reads_of(file)
        if path != file.path and path.endswith((".py", ".zip"))
    }


def reads_of(file: ParsedFile) -> Collection[str]:
    """The bundle files that its parse used; none of a parse that was not traced."""
    if any(item.get("kind") == "unknown" for item in file.impure):
        return ()
    return JsonObject.of(file.inputs.get("files", {})).fields.keys()


def _own_text(file: ParsedFile) -> Callable[[], bytes | None]:
    return lambda: file.read_source(file.path, file.file_digest)


def _without(file: ParsedFile, dag_ids: set[str]) -> ParsedFile:
    if dag_ids.isdisjoint(content.dag_id for content in file.contents):
        return file
    return evolve(
        file,
        contents=[content for content in file.contents if content.dag_id not in dag_ids],
        warnings=[warning for warning in file.warnings if warning["dag_id"] not in dag_ids],
    )


def _still_there(session: Session, row: ManagedDag) -> bool:
    owner = files.one(session, row.bundle_name, row.relative_fileloc)
    return owner is not None and row.dag_id in owner.dag_ids


def record_broken(
    session: Session,
    dag_ids: Sequence[str],
    bundle_name: str,
    bundle_version: str,
    path: str,
    error: str,
    *,
    seq: int,
    now: datetime,
    without_variants: Mapping[str, str] = MappingProxyType({}),
) -> None:
    """Remember that these Dags could not be made from the file in this bundle version.

    ``without_variants`` are those of which that is so because of their task windows, and why.
    """
    for dag_id in dag_ids:
        why = without_variants.get(dag_id)
        said = _last_line(why or error)
        if builds.add_broken(session, dag_id, bundle_name, bundle_version, path, why or error, now=now):
            events.add(
                session,
                EventKind.BROKEN if why is None else EventKind.VARIANT_REFUSED,
                now=now,
                actor=ACTOR,
                dag_id=dag_id,
                bundle_name=bundle_name,
                details={"bundle_version": bundle_version, "path": path, "error": said},
                batch=brought_by(bundle_name, bundle_version, said, seq=seq),
            )


def _reason(build: Build) -> str | None:
    if build.message and build.message.strip():
        return build.message.strip().splitlines()[0][:200]
    return None


def _last_line(error: str) -> str:
    lines = error.strip().splitlines()
    return text.fit(lines[-1], text.EVENT) if lines else ""
