"""Taking a bundle version in: it becomes the head, and what is known of it, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from attrs import field, frozen

from pinwheel.core.json import Json
from pinwheel.core.release.policy import Policy
from pinwheel.core.release.stand import Head
from pinwheel.services.policy.section import take_section
from pinwheel.services.ports.host import Host
from pinwheel.services.release.follow import follow
from pinwheel.services.release.stands import Showing, showing, stand_again
from pinwheel.services.rules import judging
from pinwheel.store import bundles, dags, files, rejections, stands
from pinwheel.store.locking import begin_write

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen(kw_only=True)
class Incoming:
    """A bundle version that is to become the head."""

    bundle_name: str
    version: str
    path: str
    about: Mapping[str, Json] = field(factory=dict)
    files: frozenset[str]
    """Paths of its Dag files."""
    unchanged: Mapping[str, int]
    """Those whose last parse, given by id, asked what has the same answers in this version."""
    declared: Mapping[str, Json] | None = None
    """The rules for declared inputs that come into force with it; None: those of before stay."""
    policies: Sequence[Policy] | None = None
    """Those of its repository; None: those of before stay."""


@frozen(kw_only=True)
class TakenIn:
    """A bundle version that is the head."""

    seq: int
    stale: frozenset[str]
    """Files that were said to be unchanged, and have been parsed anew since."""


def take_in(host: Host, incoming: Incoming, *, expected_seq: int) -> TakenIn | None:
    """Make a version its bundle's head; new runs of the Dags that follow take it from then on.

    Killed before the end, everything is as it was. What its files give is not known where they are not
    ``unchanged``: their Dags stand until it is. None, and nothing changed, when another process moved the
    bundle on since the caller read ``expected_seq``. Safe to repeat.
    """
    return host.unit.run(partial(_take_in, host, incoming, expected_seq))


def _take_in(host: Host, incoming: Incoming, expected_seq: int, session: Session) -> TakenIn | None:
    begin_write(session)
    name, now = incoming.bundle_name, host.unit.now()
    bundles.hold(session, name, now=now)
    before = showing(session, name)
    key = (name, incoming.version)
    last_shown = bundles.versions(session, [key]).get(key)
    seq = bundles.advance(
        session,
        name,
        incoming.version,
        expected_seq=expected_seq,
        now=now,
        path=incoming.path,
        info=dict(incoming.about),
    )
    if seq is None:
        return None
    if incoming.declared is not None:
        bundles.declare(session, name, incoming.declared)
    if incoming.policies is not None:
        author = incoming.about.get("author")
        changed = take_section(
            host,
            session,
            name,
            incoming.policies,
            bundle_version=incoming.version,
            author=author if isinstance(author, str) else None,
        )
        if changed:
            judging.come_into_force(host, session, name)
    known = files.known(session, name)
    fresh = {path for path, parse_id in incoming.unchanged.items() if _last_parse(known, path) == parse_id}
    if before.head is None or before.head.seq != seq:
        _show(session, before, seq, incoming, known, fresh)
        if last_shown is not None and last_shown.seq >= 1:
            # It comes back under a new seq; of which Dags it was rejected, it still is.
            rejections.come_back(session, name, last_shown.seq, seq)
    follow(host, session, name)
    return TakenIn(seq=seq, stale=frozenset(incoming.unchanged.keys() - fresh))


def _last_parse(known: Mapping[str, files.Known], path: str) -> int | None:
    return known[path].parse_id if path in known else None


def _show(
    session: Session,
    before: Showing,
    seq: int,
    incoming: Incoming,
    known: Mapping[str, files.Known],
    unchanged: Collection[str],
) -> None:
    """What a new head means for where builds stand. *before* is what the bundle showed until now."""
    name = incoming.bundle_name
    passed_by = {path for path, file in known.items() if file.pending_seq is not None}
    if before.before is not None:
        # Nobody knows what they gave in the former head, so their builds are not said to have stood there.
        _end(session, name, passed_by, before.before)
    gone = known.keys() - incoming.files
    if before.head is not None:
        _end(session, name, gone, before.head)
    resumed = passed_by & set(unchanged)
    parses = files.results(session, [i for path in resumed if (i := known[path].parse_id) is not None])
    dag_ids = dags.ids_of_files(session, name, resumed)
    builds = {
        dag_id: build_id
        for path in sorted(resumed)
        if (parse := parses.get(known[path].parse_id or 0)) is not None
        for dag_id, build_id in parse.builds.items()
        if dag_id in dag_ids.get(path, ())
    }
    stand_again(session, name, builds, seq)
    files.mark_pending(session, name, resumed, None)
    # Those that are gone too: they may be back, as they were, before all files of this version are known.
    files.mark_pending(session, name, gone | ((known.keys() & incoming.files) - set(unchanged)), seq)


def _end(session: Session, bundle_name: str, paths: Collection[str], at: Head) -> None:
    held = dags.ids_of_files(session, bundle_name, paths)
    ids = {dag_id for dag_ids in held.values() for dag_id in dag_ids}
    stands.close(session, bundle_name, ids, last_seq=at.seq, last_version=at.version)
