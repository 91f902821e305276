"""After a parse: from what the tracer saw to the facts."""

from __future__ import annotations

import importlib.util
import os
import posixpath
import sys
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any

from attrs import evolve

from pinwheel.airflow3.parsing.listing import listing_of
from pinwheel.airflow3.parsing.paths import BundlePaths, subdir_of
from pinwheel.airflow3.parsing.reached import Reached
from pinwheel.airflow3.parsing.references import References
from pinwheel.airflow3.parsing.runtime import installed_prefixes
from pinwheel.airflow3.parsing.tracer import Tracer
from pinwheel.core.parse.facts import WHOLE_TREE, ParseFacts, path_in_bundle
from pinwheel.core.parse.static_facts import StaticFacts, import_time_impurities

_MOST_ABSENT = 500
_MOST_ASKED = 2_000


def gather(
    tracer: Tracer, dag_file: str, bundle_path: str | None = None, dags: Mapping[str, Any] | None = None
) -> tuple[ParseFacts, Mapping[str, StaticFacts | tuple[str, ...]]]:
    """The facts of the parse that *tracer* watched, and the static facts that were not known before.

    *bundle_path*: the bundle's directory, where it is a folder in that of the repository, which is watched;
    *dags*: the Dags that the parse gave, by id.
    """
    subdir = subdir_of(bundle_path or tracer.root, tracer.root)
    paths = BundlePaths(tracer.root)
    opened = {_source_of(path) for path in tracer.opened}
    opened.add(os.path.abspath(dag_file))
    opened.update(_module_files(tracer))
    files: set[str] = set()
    absent: set[str] = set()
    for path in opened:
        relative = paths.relative(path)
        if relative and "__pycache__" not in relative and not relative.startswith(".git/"):
            exists = _enclosing_file(paths, relative)
            if exists is None:
                if not os.path.isdir(path):
                    absent.add(relative)
            else:
                files.update(paths.places(exists))
    directories: set[str] = set()
    listed_here: set[str] = set()
    for path in (*tracer.listed, *tracer.listed_unseen):
        relative = paths.relative(path)
        if relative is None or "__pycache__" in relative:
            continue
        if os.path.isdir(path):
            *links, place = paths.places(relative) if relative else [""]
            files.update(links)
            directories.add(place)
            if path in tracer.listed:
                listed_here.add(place)
        elif not os.path.exists(path):
            absent.add(relative)

    listing = listing_of(tracer.root)
    imports = _ImportPath(paths)
    for name, search in tracer.attempts.items():
        imports.attempted(name, search)
    files.update(place for path in imports.found for place in paths.places(path))
    absent.update(imports.absent)

    on_path = [paths.relative(os.path.abspath(entry)) for entry in sys.path]
    read = {path for path in files if not path.endswith(".py")}
    read.update(path for path in map(paths.relative, tracer.opened_unseen) if path)
    references = References(
        paths,
        listing,
        [*[entry for entry in on_path if entry is not None], subdir],
        listed=listed_here,
        opened_in={posixpath.dirname(path) for path in read},
    )
    references.follow(files)
    reader = Reached(references, dag_file)
    reached = reader.of(dags or {})
    statically = {place for path in references.found for place in paths.places(path)}
    statically.update(place for reach in reached.values() for place in reach.files)
    statically -= files
    directories.update(references.listed, reader.listed)
    absent.update(references.absent)
    absent -= files | statically

    asked = _asked(tracer, paths) - files - statically - directories - absent

    executed = references.of_executed(files, dag_file)
    imported = {one.module for facts in executed.values() for one in facts.imports if not one.level}
    if blind := tracer.blind_to(imported):
        asked.add(WHOLE_TREE)
    for item in import_time_impurities(executed):
        tracer.note(item["kind"], item["detail"])
    skipped = list(references.skipped)
    if blind:
        skipped.append(
            f"what was opened without an event can not be told, so every version is parsed: {blind}"
        )
    if not listing.complete:
        skipped.append(
            "too many files in the bundle: files that code names by their name alone were not looked up"
        )
    if len(absent) > _MOST_ABSENT:
        skipped.append(f"only {_MOST_ABSENT} of {len(absent)} absent paths were kept")
    if len(asked) > _MOST_ASKED:
        skipped.append(f"only {_MOST_ASKED} of {len(asked)} paths that were asked about were kept")
    facts = ParseFacts(
        files=_spelled(subdir, files),
        statically=_spelled(subdir, statically | references.whole),
        directories=_spelled(subdir, directories),
        absent=_spelled(subdir, absent)[:_MOST_ABSENT],
        asked=_spelled(subdir, asked)[:_MOST_ASKED],
        impure=_impurities(tracer),
        skipped=tuple(skipped),
        reached={
            dag_id: evolve(reach, files=_spelled(subdir, reach.files)) for dag_id, reach in reached.items()
        },
    )
    return facts, references.learned


def _spelled(subdir: str, found: Iterable[str]) -> tuple[str, ...]:
    """As the bundle writes them: its own folder is the empty path."""
    own = {subdir: "", WHOLE_TREE: WHOLE_TREE}
    return tuple(sorted(own[path] if path in own else path_in_bundle(path, subdir) for path in found))


def _asked(tracer: Tracer, paths: BundlePaths) -> set[str]:
    """What anything asked about, where it is: through links these, and what they lead to."""
    found: set[str] = set()
    for path in (*tracer.asked, *tracer.opened_unseen):
        relative = paths.relative(_source_of(path))
        if relative and "__pycache__" not in relative and not (relative + "/").startswith(".git/"):
            found.update(paths.places(relative))
    return found


def _impurities(tracer: Tracer) -> tuple[dict[str, str], ...]:
    found = set(tracer.impure)
    for kind in ("variable", "connection"):
        # "Variable.get()" says less than the key that was seen; without one it stays.
        if any(k == kind and "(" not in detail for k, detail in found):
            found = {(k, d) for k, d in found if k != kind or "(" not in d}
    return tuple({"kind": kind, "detail": detail} for kind, detail in sorted(found))


def _source_of(path: str) -> str:
    """The source file of a cached bytecode file, or the path itself."""
    if path.endswith(".pyc"):
        try:
            return importlib.util.source_from_cache(path)
        except (ValueError, NotImplementedError):
            return path
    return path


def _enclosing_file(paths: BundlePaths, relative: str) -> str | None:
    """The path itself if it is a file, else the archive it lies in, else None."""
    while relative:
        absolute = paths.absolute(relative)
        if os.path.isfile(absolute):
            return relative
        if os.path.isdir(absolute):
            return None
        relative = relative.rpartition("/")[0]
    return None


def _module_files(tracer: Tracer) -> Iterable[str]:
    """Bundle files of modules that the parse imported. Notes those from neither here nor a package."""
    for module in tracer.new_modules:
        names = vars(module) if isinstance(module, ModuleType) else {}
        path = names.get("__file__")
        if not isinstance(path, str):
            continue
        if ".." in path:
            path = os.path.abspath(path)
        if path.startswith(tracer.prefixes):
            yield _source_of(path)
        elif not path.startswith(installed_prefixes()) and os.path.isabs(path):
            top = str(names.get("__name__", "")).partition(".")[0]
            if top not in ("airflow", "pinwheel"):
                tracer.note("file", path)


class _ImportPath:
    """Where imports were looked for in the bundle: what was found, and what would have been found first."""

    def __init__(self, paths: BundlePaths) -> None:
        self.paths = paths
        self.found: set[str] = set()
        self.absent: set[str] = set()

    def attempted(self, name: str, search: Iterable[str]) -> None:
        tail = name.rpartition(".")[2]
        for folder in self._folders_before_origin(name, search):
            stem = f"{folder}/{tail}" if folder else tail
            for candidate in (f"{stem}/__init__.py", f"{stem}.py"):
                if os.path.isfile(self.paths.absolute(candidate)):
                    self.found.add(candidate)
                    return
                self.absent.add(candidate)

    def _folders_before_origin(self, name: str, search: Iterable[str]) -> Iterable[str]:
        """Folders of the bundle on the search path, up to the entry outside that the module came from."""
        module = sys.modules.get(name)
        spec = getattr(module, "__spec__", None)
        origin = getattr(spec, "origin", None) or getattr(module, "__file__", None)
        if origin in ("built-in", "frozen"):
            return
        outside = isinstance(origin, str) and self.paths.relative(origin) is None
        for entry in search:
            folder = self.paths.relative(os.path.abspath(entry))
            if folder is not None:
                if os.path.isdir(self.paths.absolute(folder)):
                    yield folder
            elif outside and str(origin).startswith(os.path.abspath(entry) + os.sep):
                return
