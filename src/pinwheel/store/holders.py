"""Which Dags a Dag file holds, and held in an earlier version of its bundle."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, null, or_, select
from sqlalchemy.orm import Session

from pinwheel.core.chunks import chunks
from pinwheel.store import tables as t

Place = tuple[str, str, str]
"""Bundle, version and path of a Dag file."""


def held(session: Session, places: Collection[Place]) -> dict[Place, set[str]]:
    """The Dags that each of these files had in that version, and those that it has now."""
    found: dict[Place, set[str]] = {place: set() for place in places}
    for chunk in chunks(sorted(found), size=100):
        by_file: dict[tuple[str, str], list[Place]] = {}
        for place in chunk:
            by_file.setdefault((place[0], place[2]), []).append(place)
        for row in (row for query in _holding(chunk) for row in session.execute(query)):
            for path in itself_and_around(row.relative_fileloc):
                for place in by_file.get((row.bundle_name, path), ()):
                    if row.version in (None, place[1]):
                        found[place].add(row.dag_id)
        paths = sorted({path for _, path in by_file})
        query = select(t.file.c.bundle_name, t.file.c.relative_fileloc, t.file.c.dag_ids)
        for row in session.execute(query.where(t.file.c.relative_fileloc.in_(paths))):
            for place in by_file.get((row.bundle_name, row.relative_fileloc), ()):
                found[place].update(row.dag_ids)
    return found


def ever_in(session: Session, bundle_names: Collection[str]) -> dict[str, set[str]]:
    """By name of the bundle, the Dags that have a build or a broken build from it."""
    found: dict[str, set[str]] = {name: set() for name in bundle_names}
    for chunk in chunks(sorted(found)):
        for made in (t.build.c, t.broken_build.c):
            query = select(made.bundle_name, made.dag_id).where(made.bundle_name.in_(chunk)).distinct()
            for row in session.execute(query):
                found[row.bundle_name].add(row.dag_id)
    return found


def _holding(places: Collection[Place]) -> list[Select[Any]]:
    """Dags in these files: those of now, without a version, and those built or broken in the versions."""
    versions = sorted({version for _, version, _ in places})
    paths = {path for _, _, path in places}
    build, broken, dag = t.build.c, t.broken_build.c, t.dag.c
    stand, head = t.stand.c, t.bundle_version.c
    return [
        select(dag.dag_id, dag.bundle_name, dag.relative_fileloc, null().label("version")).where(
            lies_in(dag.relative_fileloc, paths)
        ),
        select(
            broken.dag_id, broken.bundle_name, broken.relative_fileloc, broken.bundle_version.label("version")
        ).where(broken.bundle_version.in_(versions), lies_in(broken.relative_fileloc, paths)),
        select(
            build.dag_id, build.bundle_name, build.relative_fileloc, build.bundle_version.label("version")
        ).where(build.bundle_version.in_(versions), lies_in(build.relative_fileloc, paths)),
        # A build stood in all heads from the first to the last of its span.
        select(build.dag_id, head.bundle_name, build.relative_fileloc, head.version.label("version"))
        .join(t.stand, stand.build_id == build.id)
        .join(
            t.bundle_version,
            and_(
                head.bundle_name == stand.bundle_name,
                head.seq >= stand.first_seq,
                or_(stand.last_seq.is_(None), head.seq <= stand.last_seq),
            ),
        )
        .where(head.version.in_(versions), lies_in(build.relative_fileloc, paths)),
    ]


def lies_in(column: Any, paths: Collection[str]) -> ColumnElement[bool]:
    """Whether the column names one of these files, or a place in one: what is no ``.py`` may be a zip."""
    within = (column.startswith(f"{path}/", autoescape=True) for path in paths if not path.endswith(".py"))
    return or_(column.in_(sorted(paths)), *within)


def itself_and_around(path: str | None) -> list[str]:
    """A place and all that it may lie in."""
    parts = (path or "").split("/")
    return ["/".join(parts[: end + 1]) for end in range(len(parts))]
