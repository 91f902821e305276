"""Dag files: their newest known state, and what each parse of each state of its inputs gave."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from attrs import asdict, frozen
from sqlalchemy import bindparam, delete, func, select, update
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.core.json import Json
from pinwheel.core.record import Record
from pinwheel.core.records import DagFile, NewParse, Parse, ParseResult
from pinwheel.store import tables as t
from pinwheel.store.locking import insert_all, insert_missing


def of_bundle(session: Session, bundle_name: str) -> dict[str, DagFile]:
    """All known files of a bundle by relative path."""
    return {
        row.relative_fileloc: DagFile.from_row(row._mapping)
        for row in session.execute(select(t.file).where(t.file.c.bundle_name == bundle_name))
    }


def some(session: Session, bundle_name: str, paths: Collection[str]) -> dict[str, DagFile]:
    """Those of these files of a bundle that are known, by relative path."""
    found: dict[str, DagFile] = {}
    for chunk in chunks(sorted(set(paths))):
        rows = session.execute(
            select(t.file).where(
                t.file.c.bundle_name == bundle_name,
                t.file.c.relative_fileloc.in_(chunk),
            )
        )
        found.update({row.relative_fileloc: DagFile.from_row(row._mapping) for row in rows})
    return found


def one(session: Session, bundle_name: str, relative_fileloc: str) -> DagFile | None:
    return some(session, bundle_name, [relative_fileloc]).get(relative_fileloc)


def holding(session: Session, dag_ids: Collection[str], *, but_not: str) -> dict[str, DagFile]:
    """For each of the Dags that a good file of another bundle holds: that file."""
    wanted = set(dag_ids)
    if not wanted:
        return {}
    rows = session.execute(select(t.file).where(t.file.c.bundle_name != but_not, t.file.c.error.is_(None)))
    files = [DagFile.from_row(row._mapping) for row in rows if not wanted.isdisjoint(row.dag_ids)]
    return {dag_id: file for file in files for dag_id in file.dag_ids if dag_id in wanted}


def errors(session: Session, pairs: Collection[tuple[str, str]]) -> dict[tuple[str, str], DagFile]:
    """Broken files among the given ``(bundle_name, relative_fileloc)`` pairs."""
    rows = session.execute(select(t.file).where(t.file.c.error.is_not(None)))
    wanted = set(pairs)
    return {
        (row.bundle_name, row.relative_fileloc): DagFile.from_row(row._mapping)
        for row in rows
        if (row.bundle_name, row.relative_fileloc) in wanted
    }


def put_all(session: Session, bundle_name: str, files: Sequence[DagFile]) -> set[str]:
    """Write the newest known states of these files of a bundle; the paths of those that were written.

    Not written is where a state of a newer bundle version is: of two processors at once, the newer version
    wins.
    """
    wanted = {file.relative_fileloc: asdict(file, recurse=False) for file in files}
    there = _locked(session, bundle_name, wanted)
    new = [row for path, row in sorted(wanted.items()) if path not in there]
    if new and insert_missing(session, t.file, new, ["bundle_name", "relative_fileloc"]) < len(new):
        # Another processor came first with some; where its version is not newer, this one stands.
        there |= _locked(session, bundle_name, [row["relative_fileloc"] for row in new])
    older = [wanted[path] for path, seq in sorted(there.items()) if seq <= wanted[path]["seq"]]
    _overwrite(session, older)
    return {path for path, row in wanted.items() if there.get(path, 0) <= row["seq"]}


def _locked(session: Session, bundle_name: str, paths: Collection[str]) -> dict[str, int]:
    found: dict[str, int] = {}
    for chunk in chunks(sorted(paths)):
        rows = session.execute(
            select(t.file.c.relative_fileloc, t.file.c.seq)
            .where(t.file.c.bundle_name == bundle_name, t.file.c.relative_fileloc.in_(chunk))
            .order_by(t.file.c.relative_fileloc)
            .with_for_update()
        )
        found |= {row.relative_fileloc: row.seq for row in rows}
    return found


def _overwrite(session: Session, rows: Sequence[dict[str, Any]]) -> None:
    if rows:
        keys = ("bundle_name", "relative_fileloc")
        session.execute(
            update(t.file)
            .where(*(t.file.c[key] == bindparam(f"of_{key}") for key in keys))
            .values({name: bindparam(f"new_{name}") for name in rows[0] if name not in keys}),
            [{f"{'of' if name in keys else 'new'}_{name}": row[name] for name in row} for row in rows],
        )


@frozen(kw_only=True)
class Known(Record):
    """What is known of a file: its last parse, and the head in which it is not known what it gives."""

    parse_id: int | None
    pending_seq: int | None


def known(session: Session, bundle_name: str) -> dict[str, Known]:
    """By path, what is known of each file of a bundle."""
    columns = (t.file.c.relative_fileloc, t.file.c.parse_id, t.file.c.pending_seq)
    rows = session.execute(select(*columns).where(t.file.c.bundle_name == bundle_name))
    return {row.relative_fileloc: Known.from_row(row._mapping) for row in rows}


def pending(session: Session, bundle_name: str) -> set[str]:
    """The files of which it is not known what they give in the head."""
    query = select(t.file.c.relative_fileloc).where(
        t.file.c.bundle_name == bundle_name, t.file.c.pending_seq.is_not(None)
    )
    return set(session.scalars(query))


def mark_pending(session: Session, bundle_name: str, paths: Collection[str], seq: int | None) -> None:
    """Note of these files that it is not known what they give in this head; None: that it is."""
    for chunk in chunks(sorted(paths)):
        session.execute(
            update(t.file)
            .where(t.file.c.bundle_name == bundle_name, t.file.c.relative_fileloc.in_(chunk))
            .values(pending_seq=seq)
        )


def break_one(session: Session, bundle_name: str, path: str, error: str, *, seq: int, now: datetime) -> None:
    """Note that a file which counted as good, in the version of this seq, can not be used after all."""
    session.execute(
        update(t.file)
        .where(
            t.file.c.bundle_name == bundle_name,
            t.file.c.relative_fileloc == path,
            t.file.c.seq == seq,
            t.file.c.error.is_(None),
        )
        .values(error=error, broken_since=now)
    )


def remove(session: Session, bundle_name: str, paths: Collection[str]) -> None:
    for chunk in chunks(sorted(paths)):
        session.execute(
            delete(t.file).where(
                t.file.c.bundle_name == bundle_name,
                t.file.c.relative_fileloc.in_(chunk),
            )
        )


def put_parses(session: Session, parses: Sequence[NewParse]) -> list[int]:
    """Store what parses gave; their ids, in the same order.

    A parse of an impure file that gave what the last one of the same inputs gave takes its place: such
    files are parsed every half minute.
    """
    rows = [asdict(parse, recurse=False) for parse in parses]
    before = _last_alike(session, [row for row in rows if row["impure"]])
    ids = {place: before[place] for row in rows if (place := _alike(row)) in before}
    for row in rows:
        if (place := _alike(row)) in ids:
            again = {name: row[name] for name in ("inputs", "impure", "seconds", "parsed_at")}
            session.execute(update(t.parse).where(t.parse.c.id == ids[place]).values(**again))
    new = [row for row in rows if _alike(row) not in ids]
    added = iter(insert_all(session, t.parse, new))
    return [ids[place] if (place := _alike(row)) in ids else next(added) for row in rows]


def _alike(row: Any) -> tuple[Any, ...]:
    return (*(row[name] for name in _STATE), row["error"], tuple(sorted(dict(row["builds"]).items())))


_STATE = ("bundle_name", "relative_fileloc", "file_digest", "inputs_digest", "runtime")


def _last_alike(session: Session, rows: Sequence[dict[str, Any]]) -> dict[tuple[Any, ...], int]:
    """The last parse of each state of these files' inputs, if it gave the same, by what it gave."""
    last: dict[tuple[Any, ...], Any] = {}
    wanted = {tuple(row[name] for name in _STATE) for row in rows}
    for chunk in chunks(sorted({row["file_digest"] for row in rows})):
        newest = (
            select(func.max(t.parse.c.id))
            .where(
                t.parse.c.bundle_name == rows[0]["bundle_name"],
                t.parse.c.file_digest.in_(chunk),
                t.parse.c.relative_fileloc.in_([row["relative_fileloc"] for row in rows]),
            )
            .group_by(*(t.parse.c[name] for name in _STATE))
        )
        columns = (t.parse.c.id, *(t.parse.c[name] for name in _STATE), t.parse.c.error, t.parse.c.builds)
        for row in session.execute(select(*columns).where(t.parse.c.id.in_(newest))):
            if tuple(row._mapping[name] for name in _STATE) in wanted:
                last[_alike(row._mapping)] = row.id
    return last


def ask(session: Session, parse: Parse, *, inputs: Mapping[str, Json], inputs_digest: str) -> None:
    """Note that a file's last parse asked more than was seen: a later one that gave the same told so.

    It becomes another parse, since processors remember by its id what a parse asked.
    """
    row = {**asdict(parse, recurse=False), "inputs": inputs, "inputs_digest": inputs_digest}
    del row["id"]
    (anew,) = insert_all(session, t.parse, [row])
    session.execute(
        update(t.file)
        .where(
            t.file.c.bundle_name == parse.bundle_name,
            t.file.c.relative_fileloc == parse.relative_fileloc,
            t.file.c.parse_id == parse.id,
        )
        .values(parse_id=anew)
    )
    session.execute(delete(t.parse).where(t.parse.c.id == parse.id))


def parses(session: Session, ids: Collection[int]) -> dict[int, Parse]:
    found: dict[int, Parse] = {}
    for chunk in chunks(sorted(set(ids))):
        rows = session.execute(select(t.parse).where(t.parse.c.id.in_(chunk)))
        found.update({row.id: Parse.from_row(row._mapping) for row in rows})
    return found


def results(session: Session, ids: Collection[int]) -> dict[int, ParseResult]:
    """What these parses gave, by id, without what they read."""
    found: dict[int, ParseResult] = {}
    for chunk in chunks(sorted(set(ids))):
        columns = (
            *(t.parse.c.id, t.parse.c.file_digest),
            *(t.parse.c.builds, t.parse.c.error, t.parse.c.impure),
        )
        rows = session.execute(select(*columns).where(t.parse.c.id.in_(chunk)))
        found.update({row.id: ParseResult.from_row(row._mapping) for row in rows})
    return found


def earlier_parses(
    session: Session, bundle_name: str, file_digests: Collection[str]
) -> dict[str, list[Parse]]:
    """Parses of files with these contents: by content newest first, at most 20."""
    found: dict[str, list[Parse]] = {}
    for chunk in chunks(sorted(set(file_digests))):
        place = func.row_number().over(partition_by=t.parse.c.file_digest, order_by=t.parse.c.id.desc())
        ranked = (
            select(t.parse.c.id, place.label("place"))
            .where(t.parse.c.bundle_name == bundle_name, t.parse.c.file_digest.in_(chunk))
            .subquery()
        )
        newest = select(ranked.c.id).where(ranked.c.place <= 20)
        rows = session.execute(select(t.parse).where(t.parse.c.id.in_(newest)).order_by(t.parse.c.id.desc()))
        for row in rows:
            found.setdefault(row.file_digest, []).append(Parse.from_row(row._mapping))
    return found
