"""What a verification found: nothing, in effect at once, or to be looked at once more.

A file that was judged unchanged was parsed in the newest version all the same. What that means is decided in
:mod:`pinwheel.core.parse.verify`; what is to be registered, the caller registers as any parse.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

from pinwheel.core import text
from pinwheel.core.digest import varying_attributes
from pinwheel.core.event import EventKind
from pinwheel.core.json import Json
from pinwheel.core.parse.facts import WHOLE_TREE
from pinwheel.core.parse.inputs import Inputs
from pinwheel.core.parse.verify import MOST_PATHS, Bucket, Gave, Verdict, judge, without_order
from pinwheel.core.records import DagFile, Parse
from pinwheel.services.ingest.accepting import imported_files, left_to_definers
from pinwheel.services.ingest.builds import Made, Missed, ParsedFile
from pinwheel.services.ports.host import Host
from pinwheel.services.release.outcome import ACTOR
from pinwheel.services.release.stands import showing
from pinwheel.store import builds, dags, events, files, verification
from pinwheel.store.locking import begin_write

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class Spent:
    """What a verification cost, as it is to be written down."""

    bucket: Bucket
    mean: float | None


@frozen(kw_only=True)
class Found:
    """What came of a verification."""

    verdict: Verdict | None
    """None: the bundle has moved on, or the file is no longer one to be verified."""
    register: ParsedFile | None = field(default=None, repr=False)
    """What is to be registered; without the paths of :class:`Missed` yet."""
    since: str | None = None
    """The version in which the file was last parsed or verified before, of one that depends on more than
    was seen."""
    at: datetime | None = None
    """When the cost was written down."""
    inputs: Inputs | None = field(default=None, repr=False)
    """What the file asks, of one that gives the same and was not seen to ask this before."""


def look(host: Host, parsed: ParsedFile, *, first: ParsedFile | None, spent: Spent) -> Found:
    """Compare a verification's parse with what the file is known to give; *first* is the one before it, of
    the same tree, that gave something else.

    A file that gives the same counts as verified in this tree, and its builds as standing in this head.
    Nothing else is registered here.
    """
    return host.unit.run(partial(_look, host, parsed, first, spent))


def _look(host: Host, parsed: ParsedFile, first: ParsedFile | None, spent: Spent, session: Session) -> Found:
    begin_write(session)
    now = host.unit.now()
    verification.put_budget(
        session, share=spent.bucket.share, level=spent.bucket.level, mean=spent.mean, now=now
    )
    shown = showing(session, parsed.bundle_name, hold=True)
    row = files.one(session, parsed.bundle_name, parsed.path)
    if shown.head is None or shown.head.seq != parsed.seq or row is None or row.parse_id is None:
        return Found(verdict=None, at=now)
    parse = files.parses(session, [row.parse_id]).get(row.parse_id)
    if parse is None or row.error or row.impure or row.pending_seq is not None:
        return Found(verdict=None, at=now)
    parsed = _own(session, parsed)
    first = _own(session, first) if first is not None else None
    if _of_an_older_pinwheel(parse) and not parsed.error:
        return Found(verdict=Verdict.SAME, register=parsed, at=now)
    known = _known(session, parse, parsed)
    found = _gave(parsed, known)
    verdict = judge(known, found, _gave(first, known) if first is not None else None)
    if verdict is Verdict.SAME:
        if found == known and parsed.impure:
            return Found(verdict=verdict, register=parsed, at=now)
        inputs = _asked_since(session, parse, parsed) if found == known else None
        verification.mark(session, parsed.bundle_name, parsed.path, seq=parsed.seq, tree=parsed.tree, now=now)
        held = dags.ids_of_files(session, parsed.bundle_name, [parsed.path]).get(parsed.path, ())
        standing = {dag_id: build_id for dag_id, build_id in parse.builds.items() if dag_id in held}
        verification.mark_builds(session, parsed.bundle_name, standing, parsed.seq)
        return Found(verdict=verdict, at=now, inputs=inputs)
    if verdict is Verdict.AGAIN:
        return Found(verdict=verdict, at=now)
    if verdict is Verdict.UNSTABLE:
        shown_last = first if first is not None and found == known else parsed
        return Found(verdict=verdict, register=evolve(shown_last, unstable=True), at=now)
    since = None
    if row.verified_seq is not None:
        since = verification.version_at(session, row.bundle_name, row.verified_seq, row.verified_tree)
    return Found(verdict=verdict, register=_in_its_tree(parsed), since=since, at=now)


def _of_an_older_pinwheel(parse: Parse) -> bool:
    """Whether a Pinwheel made the parse that told the content of Dags, and what they ask, by other rules.

    What differs by today's says nothing of the bundle: it is registered, and compared from then on.
    """
    return "declared" not in parse.inputs


def _asked_since(session: Session, parse: Parse, parsed: ParsedFile) -> Inputs | None:
    """What the file asks, if that is more than was seen: it decides from now on, also when it comes back."""
    seen = Inputs.from_json(parse.inputs)
    all_of_it = seen.and_also(Inputs.from_json(parsed.inputs))
    if all_of_it == seen:
        return None
    files.ask(session, parse, inputs=all_of_it.to_json(), inputs_digest=all_of_it.digest())
    return all_of_it


def missed(parsed: ParsedFile, changed: Collection[str]) -> ParsedFile:
    """What is to be registered of a file that depends on more than was seen; these paths changed."""
    return evolve(parsed, missed=Missed(paths=tuple(sorted(changed)[:MOST_PATHS]), of=len(changed)))


def _own(session: Session, parsed: ParsedFile) -> ParsedFile:
    """Without the Dags that are another file's, as they are registered."""
    return left_to_definers(session, [parsed])[0] if imported_files([parsed]) else parsed


def _in_its_tree(parsed: ParsedFile) -> ParsedFile:
    """The parse as one of this very tree: in the next one the file is parsed again."""
    inputs = Inputs.from_json(parsed.inputs)
    inputs = evolve(inputs, asked={**inputs.asked, WHOLE_TREE: parsed.tree})
    digest = inputs.digest()
    contents = [evolve(content, inputs_digest=digest) for content in parsed.contents]
    return evolve(parsed, inputs=inputs.to_json(), inputs_digest=digest, contents=contents)


def _known(session: Session, parse: Parse, parsed: ParsedFile) -> Gave:
    """What the file's last parse gave; with the forms of those Dags that may differ in order only."""
    stored = builds.by_ids(session, parse.builds.values())
    digests = {dag_id: stored[i].digest for dag_id, i in parse.builds.items() if i in stored}
    forms = {
        parse.builds[content.dag_id]: content.dag_id
        for content in parsed.contents
        # With other inputs, or an equal form, it is the content that differs.
        if parsed.inputs_digest == parse.inputs_digest
        and content.dag_id in digests
        and content.serialized_digest != stored[parse.builds[content.dag_id]].serialized_digest
    }
    serialized = builds.serialized(session, forms).items()
    order = {forms[build_id]: without_order(form) for build_id, form in serialized}
    return Gave(builds=digests, order=order)


def _gave(parsed: ParsedFile, known: Gave) -> Gave:
    digests: dict[str, str] = {}
    order: dict[str, object] = {}
    for content in parsed.contents:
        apart = evolve(content, told_apart=True).digest
        digests[content.dag_id] = apart if known.builds.get(content.dag_id) == apart else content.digest
        if content.dag_id in known.order:
            order[content.dag_id] = without_order(builds.as_stored(content.serialized))
    return Gave(builds=digests, broken=bool(parsed.error), order=order)


def tell(
    session: Session, file: ParsedFile, before: DagFile, made: Mapping[str, Made], *, now: datetime
) -> None:
    """One event for each Dag that a registered file, which depends on more than was seen, gives otherwise."""
    assert file.missed is not None
    last = files.results(session, [before.parse_id] if before.parse_id is not None else [])
    old = dict(last[before.parse_id].builds) if before.parse_id in last else {}
    new = {content.dag_id: made[content.dag_id].build for content in file.contents}
    concerned = sorted(
        dag_id
        for dag_id in old.keys() | new.keys()
        if (new[dag_id].id if dag_id in new else None) != old.get(dag_id)
    )
    ids = {old[dag_id] for dag_id in concerned if dag_id in old and dag_id in new}
    forms = builds.serialized(session, ids)
    contents = {content.dag_id: content for content in file.contents}
    rows = []
    for dag_id in concerned:
        attributes: tuple[str, ...] = ()
        if dag_id in new and old.get(dag_id) in forms:
            attributes = varying_attributes(forms[old[dag_id]], builds.as_stored(contents[dag_id].serialized))
        details: dict[str, Json] = {
            "bundle_version": file.bundle_version,
            "path": file.path,
            "attributes": list(attributes),
            "paths": list(file.missed.paths),
            "changed": file.missed.of,
        }
        if dag_id in new:
            details["build"] = new[dag_id].build
        if file.error:
            details["error"] = text.fit(file.error.strip().splitlines()[-1], text.EVENT)
        rows.append(
            {
                "at": now,
                "kind": EventKind.MISSED,
                "dag_id": dag_id,
                "bundle_name": file.bundle_name,
                "actor": ACTOR,
                "reason": None,
                "details": details,
            }
        )
    events.add_all(session, rows)
