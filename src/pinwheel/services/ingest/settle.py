"""Retiring Dags that are gone from a good bundle version, once all of that version is known."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from attrs import field, frozen

from pinwheel.core import text
from pinwheel.core.errors import Refused
from pinwheel.core.records import DagFile, ManagedDag
from pinwheel.core.release.decide import Command, Verb, decide
from pinwheel.services.ingest import duplicates
from pinwheel.services.ingest.accepting import only_imports, record_broken, release_newest
from pinwheel.services.ingest.builds import Made
from pinwheel.services.ingest.refusing import words
from pinwheel.services.ports.host import Host
from pinwheel.services.release.carry_out import carry_out
from pinwheel.services.release.loading import load, managed
from pinwheel.services.release.outcome import ACTOR, Act, Outcome
from pinwheel.services.release.stands import Showing, became_known, showing
from pinwheel.store import builds, bundles, dags, files
from pinwheel.store.locking import begin_write, lock_dags
from pinwheel.store.refusals import is_of_content

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


@frozen
class _Untaken(Exception):
    """What a file, whose row is given, holds of a Dag can not be stored."""

    dag_id: str
    file: DagFile
    why: str


@frozen
class _Refusals:
    """What turned out to be impossible to take over, in transactions that were rolled back."""

    untaken: dict[tuple[str, str, str], _Untaken] = field(factory=dict)
    """By Dag, bundle and file."""

    def add(self, refused: _Untaken) -> None:
        self.untaken[self._place(refused.dag_id, refused.file)] = refused

    def has(self, dag_id: str, file: DagFile) -> bool:
        return self._place(dag_id, file) in self.untaken

    def _place(self, dag_id: str, file: DagFile) -> tuple[str, str, str]:
        return (dag_id, file.bundle_name, file.relative_fileloc)


def settle(host: Host, *, bundle_name: str, seq: int, paths: set[str], grace_seconds: float) -> list[Outcome]:
    """Compare a completely known bundle version with the Dags that came from the bundle.

    ``paths`` are all Dag files of that version. Dags that moved to another file are taken from there; Dags
    that are in no file are retired at once, or after ``grace_seconds`` when their file is still there and
    reads from outside the bundle (such files make and lose Dags from one parse to the next).
    Pinned Dags stay. Nothing happens when the bundle has moved on meanwhile.

    A Dag that can not be stored as the other file has it, of this bundle or another, is not taken from there:
    that file gets an import error with the reason, and the rest goes on.
    """
    refusals = _Refusals()

    def work(session: Session) -> list[Outcome]:
        begin_write(session)
        shown = showing(session, bundle_name, hold=True)
        if shown.head is None or shown.head.seq != seq:
            return []
        known = files.of_bundle(session, bundle_name)
        files.remove(session, bundle_name, set(known) - paths)
        present = {path: row for path, row in known.items() if path in paths}
        bundles.settle(session, bundle_name, seq)
        outcomes, held = _moved(host, session, bundle_name, present, refusals)
        duplicates.record(session, bundle_name, held, now=host.unit.now())
        outcomes += _gone(host, session, shown, present, grace_seconds, refusals)
        for refused in refusals.untaken.values():
            _break(host, session, refused)
        return outcomes

    while True:
        try:
            outcomes = host.unit.run(work)
            break
        except _Untaken as refused:
            refusals.add(refused)
    host.unit.announce([{"kind": o.kind or "", "dag_id": o.dag_id} for o in outcomes if o.changed])
    return outcomes


def _moved(
    host: Host, session: Session, bundle_name: str, present: Mapping[str, DagFile], refusals: _Refusals
) -> tuple[list[Outcome], dict[str, dict[str, str]]]:
    """Take over Dags whose former file no longer holds them from the file of this bundle that does.

    Also returns, by file, the Dags that stay elsewhere, since their file holds them still.
    """
    good = [(path, row) for path, row in sorted(present.items()) if not row.error]
    rows = dags.rows(session, {dag_id for _, file in good for dag_id in file.dag_ids})
    outcomes: list[Outcome] = []
    held: dict[str, dict[str, str]] = {}
    for path, file in good:
        for dag_id in file.dag_ids:
            row = rows.get(dag_id)
            if row is None or (row.bundle_name, row.relative_fileloc) == (bundle_name, path):
                continue
            owner = files.one(session, row.bundle_name, row.relative_fileloc)
            if owner is None or dag_id not in owner.dag_ids:
                outcomes += _take_over(host, session, dag_id, file, refusals)
                rows |= dags.rows(session, [dag_id])
            elif not only_imports(session, dag_id, file, owner):
                held.setdefault(path, {})[dag_id] = duplicates.owner_of(row)
    return outcomes, held


def _take_over(
    host: Host, session: Session, dag_id: str, file: DagFile, refusals: _Refusals
) -> list[Outcome]:
    # What is not known of the head is taken over when it is.
    if refusals.has(dag_id, file) or file.pending_seq is not None:
        return []
    shown = showing(session, file.bundle_name)
    parse_id = file.parse_id
    parse = files.parses(session, [parse_id]).get(parse_id) if parse_id is not None else None
    build_id = parse.builds.get(dag_id) if parse else None
    rows = lock_dags(session, [dag_id])
    build = builds.by_ids(session, [build_id]).get(build_id) if build_id is not None else None
    if build is None:
        return []
    try:
        return release_newest(
            host,
            session,
            {dag_id: Made(build=build, path=file.relative_fileloc)},
            rows,
            shown=shown,
            seq=shown.head.seq if shown.head is not None else file.seq,
            now=host.unit.now(),
        )
    except Exception as error:
        # Until now it lay on the shelf only, and nobody had to store it as Airflow's.
        if not is_of_content(error):
            raise
        raise _Untaken(dag_id, file, words(error)) from error


def _break(host: Host, session: Session, refused: _Untaken) -> None:
    file, now = refused.file, host.unit.now()
    error = Refused(
        f"Cannot take Dag {refused.dag_id} from {file.relative_fileloc}",
        found=refused.why,
        remedy="Change what the file says there and push again",
    )
    reason = text.fit(error.message, text.ERROR)
    files.break_one(session, file.bundle_name, file.relative_fileloc, reason, seq=file.seq, now=now)
    record_broken(
        session,
        [refused.dag_id],
        file.bundle_name,
        file.version,
        file.relative_fileloc,
        reason,
        seq=file.seq,
        now=now,
    )
    path = file.relative_fileloc
    host.rows.show_errors(session, file.bundle_name, {path: {path: reason}})


def _gone(
    host: Host,
    session: Session,
    shown: Showing,
    present: Mapping[str, DagFile],
    grace_seconds: float,
    refusals: _Refusals,
) -> list[Outcome]:
    now, bundle_name = host.unit.now(), shown.bundle_name
    held = {dag_id for row in present.values() for dag_id in row.dag_ids}
    candidates = []
    for row in dags.rows(session, dags.ids_of_bundle(session, bundle_name)).values():
        if row.dag_id in held or row.retired or row.active_release is None:
            if row.missing_since is not None and row.dag_id in held:
                dags.change(session, row.dag_id, missing_since=None)
            continue
        file = present.get(row.relative_fileloc)
        if file is not None and file.impure and not _overdue(row, now, grace_seconds):
            if row.missing_since is None:
                dags.change(session, row.dag_id, missing_since=now)
            continue
        candidates.append(row.dag_id)
    holding = files.holding(session, candidates, but_not=bundle_name)
    elsewhere = {dag_id: file for dag_id, file in holding.items() if not refusals.has(dag_id, file)}
    outcomes: list[Outcome] = []
    for dag_id, file in sorted(elsewhere.items()):
        outcomes += _take_over(host, session, dag_id, file, refusals)
    leaving = [dag_id for dag_id in candidates if dag_id not in elsewhere]
    lock_dags(session, leaving)
    became_known(session, shown, dict.fromkeys(leaving))
    return outcomes + retire(host, session, leaving, reason="gone from its bundle")


def _overdue(row: ManagedDag, now: datetime, grace_seconds: float) -> bool:
    return row.missing_since is not None and now - row.missing_since > timedelta(seconds=grace_seconds)


def retire(host: Host, session: Session, dag_ids: list[str], *, reason: str) -> list[Outcome]:
    """Retire unpinned Dags; pinned and already retired ones stay as they are."""
    if not dag_ids:
        return []
    rows = managed(host, session, sorted(dag_ids), lock_dags(session, dag_ids))
    acts = [
        Act(
            dag=rows[dag_id],
            state=state,
            decision=decide(state, Command(verb=Verb.RETIRE)),
            verb=Verb.RETIRE.value,
            actor=ACTOR,
            reason=reason,
        )
        for dag_id, state in sorted(load(host, session, rows).states.items())
    ]
    return carry_out(host, session, acts, now=host.unit.now())
