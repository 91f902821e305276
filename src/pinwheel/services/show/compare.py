"""Two builds side by side: as one graph with marks, attribute by attribute, and file by file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from pinwheel.core import command_line
from pinwheel.core.build import Build
from pinwheel.core.errors import InvalidInput, NotFound
from pinwheel.core.release.rejection import Rejection
from pinwheel.core.side import Side, Which, side
from pinwheel.core.structure import diff as differences
from pinwheel.core.structure import graph
from pinwheel.services.ports.host import Host
from pinwheel.services.show.builds import BuildView, files_of_two, read_at_parse, two_builds, warnings_of
from pinwheel.services.show.links import Links
from pinwheel.services.show.status import managed
from pinwheel.store import bindings, builds, rejections, releases

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

SHOWN = 1_000_000
"""So many bytes of a file are shown at most."""

MODIFIED = "modified"
BINARY, TOO_LARGE, NOT_KEPT = "binary", "too large", "not kept"


@frozen(kw_only=True)
class ComparedBuild(BuildView):
    """One of the two builds."""

    url: str | None = None
    """Where its commit can be looked at."""


@frozen(kw_only=True)
class ComparedFile:
    """A file that either build used, without its contents; see :func:`file`."""

    path: str
    change: str
    """``added``, ``removed``, ``modified`` or ``same``."""
    from_size: int | None
    to_size: int | None
    """Bytes; None: not used, or not kept."""
    read_at_parse: bool
    """The parse read it, and it does not decide the content of the Dag."""


@frozen(kw_only=True)
class Comparison:
    """What differs between two builds, and how they look as one graph."""

    dag_id: str
    from_: ComparedBuild
    to: ComparedBuild
    structure: differences.Structure
    graph: graph.Graph
    files: tuple[ComparedFile, ...]
    """Every file that either build used, the unchanged ones too."""
    untraced: bool
    """Of an adopted build only the Dag's own file is known, and the other files are left out."""
    warnings: tuple[str, ...]
    command: str
    """The command line that shows the same."""


@frozen(kw_only=True)
class FileSide:
    """A file as one build had it."""

    text: str | None
    why_not: str | None
    """Why there is no text: ``binary``, ``too large`` or ``not kept``."""
    size: int | None


@frozen(kw_only=True)
class FileComparison:
    """One file in two builds; a side is None where the build did not use the file."""

    path: str
    change: str
    from_: FileSide | None
    to: FileSide | None


def compare(
    host: Host,
    dag_id: str,
    from_build: Which = None,
    to_build: Which = None,
    *,
    from_run: str | None = None,
    to_run: str | None = None,
) -> Comparison:
    """Two builds; without them the active one and the newest one. A run stands for the build that it is on.

    :raises NotFound: the Dag, a build, a release or a run does not exist, or nobody knows what the run ran.
    :raises InvalidInput: a side is neither a build nor a release, or one is given twice.
    """

    def work(session: Session) -> Comparison:
        before_side, mixed = _side_of(host, session, dag_id, from_build, from_run)
        after_side, mixed_too = _side_of(host, session, dag_id, to_build, to_run)
        old, new = two_builds(session, dag_id, before_side, after_side)
        stored = builds.serialized(session, {old.id, new.id})
        before, after, untraced = files_of_two(session, old, new)
        told = builds.how_told(session, {old.id, new.id})
        at_parse = read_at_parse(before, after, told[old.id], told[new.id])
        sizes = builds.sizes(session, {*before.values(), *after.values()})
        structure = differences.structure(stored[old.id], stored[new.id])
        numbers = releases.numbers_by_build(session, dag_id)
        rejected = rejections.of_dag(session, dag_id)
        links = Links.to(host, session, [(build.bundle_name, build.bundle_version) for build in (old, new)])
        return Comparison(
            dag_id=dag_id,
            from_=_shown(old, numbers.get(old.id, ()), rejected, told[old.id], links),
            to=_shown(new, numbers.get(new.id, ()), rejected, told[new.id], links),
            structure=structure,
            graph=graph.compared(
                stored[old.id],
                stored[new.id],
                changed=[task.task_id for task in structure.tasks_changed],
            ),
            files=tuple(
                ComparedFile(
                    path=path,
                    change=_change(path, before, after),
                    from_size=sizes.get(before.get(path, "")),
                    to_size=sizes.get(after.get(path, "")),
                    read_at_parse=path in at_parse,
                )
                for path in sorted({*before, *after})
            ),
            untraced=untraced,
            warnings=(*mixed, *mixed_too, *warnings_of(old, new, stored[new.id])),
            command=command_line.diff(dag_id, old.build, new.build),
        )

    return host.unit.run(work)


def _side_of(
    host: Host, session: Session, dag_id: str, which: Which, run_id: str | None
) -> tuple[Which, tuple[str, ...]]:
    """What to compare, and a warning when a run does not stand for one build only."""
    if run_id is None:
        return which, ()
    failed = f"Cannot compare run {run_id} of {dag_id}"
    if which is not None:
        raise InvalidInput(
            failed, found=f"{side(which)} is given for the same side", remedy="Give one of the two"
        )
    bound = bindings.of_runs(session, dag_id, [run_id]).get(run_id, [])
    known = builds.by_ids(session, {row.build_id for row in bound})
    last = known.get(bound[-1].build_id) if bound and bound[-1].build_id is not None else None
    if last is None:
        managed(session, dag_id)
        there = run_id in host.reads.some_runs(session, dag_id, [run_id])
        raise NotFound(
            failed,
            found="which build it ran is not known: it began before Pinwheel saw it"
            if there
            else "Airflow has no such run",
            remedy="Compare builds, or another run",
            dag_id=dag_id,
            run_id=run_id,
        )
    if len(known) == 1:
        return Side(last.build), ()
    ran = ", ".join(str(number) for number in sorted(build.build for build in known.values()))
    return Side(last.build), (f"Run {run_id} was on builds {ran}: compared is build {last.build}, its last",)


def _shown(
    build: Build,
    releases: Iterable[int],
    rejected: Iterable[Rejection],
    told: builds.HowTold,
    links: Links,
) -> ComparedBuild:
    url = links.of(build.bundle_name, build.bundle_version)
    return evolve(ComparedBuild.of(build, releases, rejected, told), url=url)


def file(
    host: Host, dag_id: str, path: str, from_build: Which = None, to_build: Which = None
) -> FileComparison:
    """One file in two builds, as they were parsed.

    :raises NotFound: the Dag, a build or a release does not exist, or neither used the file.
    :raises InvalidInput: a side is neither a build nor a release.
    """

    def work(session: Session) -> FileComparison:
        old, new = two_builds(session, dag_id, from_build, to_build)
        before, after, _ = files_of_two(session, old, new)
        if path not in before and path not in after:
            raise NotFound(
                f"Cannot show file {path} of {dag_id}",
                found=f"neither build {old.build} nor build {new.build} used it",
                remedy=f"See which files they used: {command_line.diff(dag_id, old.build, new.build)}",
                dag_id=dag_id,
                path=path,
            )
        digests = [m[path] for m in (before, after) if path in m]
        sizes = builds.sizes(session, digests)
        contents = builds.sources(session, [digest for digest, size in sizes.items() if size <= SHOWN])
        return FileComparison(
            path=path,
            change=_change(path, before, after),
            from_=_side(before.get(path), sizes, contents),
            to=_side(after.get(path), sizes, contents),
        )

    return host.unit.run(work)


def _change(path: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    if path not in before:
        return graph.ADDED
    if path not in after:
        return graph.REMOVED
    return graph.SAME if before[path] == after[path] else MODIFIED


def _side(digest: str | None, sizes: Mapping[str, int], contents: Mapping[str, bytes]) -> FileSide | None:
    if digest is None:
        return None
    content = contents.get(digest)
    text, why_not = None, None
    if digest not in sizes:
        why_not = NOT_KEPT
    elif content is None:
        why_not = TOO_LARGE
    elif b"\0" in content:
        why_not = BINARY
    else:
        try:
            text = content.decode()
        except UnicodeDecodeError:
            why_not = BINARY
    return FileSide(text=text, why_not=why_not, size=sizes.get(digest))
