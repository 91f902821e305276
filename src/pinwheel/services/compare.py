"""Two builds side by side: as one graph with marks, attribute by attribute, and file by file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pinwheel.core import command_line, graph
from pinwheel.core import diff as differences
from pinwheel.core.build import Build
from pinwheel.core.errors import NotFound
from pinwheel.services.links import Links
from pinwheel.services.ports import Host
from pinwheel.services.releasing import runtime_warnings
from pinwheel.services.views import View, build_named, files_of_two, good_build, managed
from pinwheel.store import builds, line, releases

SHOWN = 1_000_000
"""So many bytes of a file are shown at most."""


def compare(host: Host, dag_id: str, from_build: int | None = None, to_build: int | None = None) -> View:
    """What differs between two builds, and how they look as one graph.

    Without numbers: from the active build to the newest one. ``files`` names every file that either build
    used, the unchanged ones too, without their contents; see :func:`file`. Of an adopted build only the
    Dag's own file is known: ``untraced`` is true then and the other files are left out.

    :raises NotFound: the Dag or a build does not exist.
    :raises InvalidInput: a number is below 1.
    """

    def work(session: Any) -> View:
        old, new = _two(session, dag_id, from_build, to_build)
        stored = builds.serialized(session, {old.id, new.id})
        before, after, untraced = files_of_two(session, old, new)
        sizes = line.sizes(session, {*before.values(), *after.values()})
        structure = differences.structure(stored[old.id], stored[new.id])
        numbers = releases.numbers_by_build(session, dag_id)
        links = Links.to(host, session, [(build.bundle_name, build.bundle_version) for build in (old, new)])
        return {
            "dag_id": dag_id,
            "from": _named(old, numbers, links),
            "to": _named(new, numbers, links),
            "structure": structure,
            "graph": graph.compared(
                stored[old.id],
                stored[new.id],
                changed=[task["task_id"] for task in structure["tasks_changed"]],
            ),
            "files": [
                {
                    "path": path,
                    "change": _change(path, before, after),
                    "from_size": sizes.get(before.get(path, "")),
                    "to_size": sizes.get(after.get(path, "")),
                }
                for path in sorted({*before, *after})
            ],
            "untraced": untraced,
            "warnings": list(runtime_warnings(old, new)),
            "command": command_line.diff(dag_id, old.build, new.build),
        }

    return host.run(work)


def _named(build: Build, numbers: Mapping[int, list[int]], links: Links) -> View:
    view = good_build(build, numbers.get(build.id, []))
    return {**view, "url": links.of(build.bundle_name, build.bundle_version)}


def file(
    host: Host, dag_id: str, path: str, from_build: int | None = None, to_build: int | None = None
) -> View:
    """One file in two builds: ``from`` and ``to``, each None where the build did not use it.

    A text has its ``text``; ``why_not`` says why there is none: ``binary``, ``too large``, ``not kept``.

    :raises NotFound: the Dag or a build does not exist, or neither used the file.
    """

    def work(session: Any) -> View:
        old, new = _two(session, dag_id, from_build, to_build)
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
        sizes = line.sizes(session, digests)
        contents = builds.sources(session, [digest for digest, size in sizes.items() if size <= SHOWN])
        return {
            "path": path,
            "change": _change(path, before, after),
            "from": _side(before.get(path), sizes, contents),
            "to": _side(after.get(path), sizes, contents),
        }

    return host.run(work)


def _two(session: Any, dag_id: str, from_build: int | None, to_build: int | None) -> tuple[Build, Build]:
    row = managed(session, dag_id)
    return (
        build_named(session, dag_id, from_build, row.active_build_id),
        build_named(session, dag_id, to_build, row.newest_build_id),
    )


def _change(path: str, before: Mapping[str, str], after: Mapping[str, str]) -> str:
    if path not in before:
        return graph.ADDED
    if path not in after:
        return graph.REMOVED
    return graph.SAME if before[path] == after[path] else "modified"


def _side(digest: str | None, sizes: Mapping[str, int], contents: Mapping[str, bytes]) -> View | None:
    if digest is None:
        return None
    content = contents.get(digest)
    text, why_not = None, None
    if digest not in sizes:
        why_not = "not kept"
    elif content is None:
        why_not = "too large"
    elif b"\0" in content:
        why_not = "binary"
    else:
        try:
            text = content.decode()
        except UnicodeDecodeError:
            why_not = "binary"
    return {"text": text, "why_not": why_not, "size": sizes.get(digest)}
