"""Which bundle files the used files lead to, untouched so far: imports in functions, named files."""

from __future__ import annotations

import hashlib
import os
import posixpath
import sys
import zipfile
from collections.abc import Collection, Iterable, Mapping, Sequence
from importlib.machinery import PathFinder

from pinwheel.airflow3.parsing.handover import known_sources
from pinwheel.airflow3.parsing.listing import BundleListing
from pinwheel.airflow3.parsing.paths import BundlePaths
from pinwheel.core.parse.named_places import BY_NAME, STEM
from pinwheel.core.parse.references import text_references
from pinwheel.core.parse.static_facts import ModuleImport, StaticFacts, static_facts

_TEXT_SUFFIXES = frozenset(
    [
        ".sql",
        ".hql",
        ".ddl",
        ".dml",
        ".yaml",
        ".yml",
        ".json",
        ".toml",
        ".cfg",
        ".ini",
        ".conf",
        ".env",
        ".txt",
        ".md",
        ".html",
        ".xml",
        ".xsl",
        ".graphql",
        ".cypher",
        ".j2",
        ".jinja",
        ".jinja2",
        ".tmpl",
        ".tpl",
        ".template",
        ".sh",
        ".bash",
        ".zsh",
        ".r",
        ".js",
        ".ts",
        ".pig",
        ".tf",
        ".properties",
        ".mk",
        ".ipynb",
        ".rmd",
        ".qmd",
        ".jl",
        ".pl",
        ".rb",
        ".ps1",
    ]
)
"""Files that are read for names of further files."""
_DATA_SUFFIXES = _TEXT_SUFFIXES | frozenset(
    [".csv", ".tsv", ".parquet", ".avro", ".proto", ".avsc", ".jar", ".whl", ".zip", ".lua", ".scala"]
)
"""A name with such an end that leads nowhere is remembered as absent."""
_PROSE_SUFFIXES = frozenset([".md", ".txt", ".html", ".xml", ".json", ".ipynb", ".rmd", ".qmd"])
"""Files in which a folder's name may be no more than a word."""

_LARGEST_TEXT = 256 * 1024
_LARGEST_SOURCE = 4 * 1024 * 1024
_MOST_FILES = 2_000
_MOST_NAMED_ABSENT = 200
_MOST_BELOW = 500
"""Files of a folder that count one by one; a larger one counts as one."""


class References:
    """Follows references from file to file, each file once."""

    def __init__(
        self,
        paths: BundlePaths,
        listing: BundleListing,
        import_folders: Sequence[str],
        *,
        listed: Collection[str] = (),
        opened_in: Collection[str] = (),
    ) -> None:
        """*listed*: folders whose names the parse asked for; *opened_in*: those of data that it read."""
        self._parse_listed = listed
        self._parse_opened_in = opened_in
        self.paths = paths
        self.listing = listing
        self.import_folders = list(dict.fromkeys([*import_folders, ""]))
        self.found: set[str] = set()
        self.absent: set[str] = set()
        self.skipped: list[str] = []
        self.learned: dict[str, StaticFacts | tuple[str, ...]] = {}
        self.sources: dict[str, StaticFacts] = {}
        self._outside: dict[str, bool] = {}
        self._named_before: set[tuple[str, str]] = set()
        self._folders_before: set[tuple[str, str]] = set()
        self.listed: set[str] = set()
        """Folders whose names count, since all in them does."""
        self.whole: set[str] = set()
        """Folders that count as one, since too much is in them; with a slash at the end."""
        self._held: set[str] = set()
        """Names that hold folders, somewhere, which are used as a whole."""
        self._scripts: set[str] = set()
        """Python files that are named, and so may be run: they import what lies beside them."""
        self._searched: set[str] = set(self.import_folders)
        """Folders of the bundle that code names: for a search path, a template's, or to work in."""
        self._nowhere: set[tuple[str, str]] = set()
        """Names, with the files that they are written in, that fit nowhere so far."""
        self._unfound: set[ModuleImport] = set()

    def follow(self, files: Iterable[str]) -> None:
        pending = sorted(files)
        seen = set(pending)
        while pending or (pending := sorted(self.found_where_code_looks() - seen)):
            path = pending.pop()
            seen.add(path)
            before = set(self.found)
            self._look_into(path)
            new = sorted(self.found - before - seen)
            seen.update(new)
            pending += new
            if len(seen) > _MOST_FILES:
                self.skipped.append(f"references were followed through {_MOST_FILES} files only")
                return
        if len(self.absent) > _MOST_NAMED_ABSENT:
            self.skipped.append("too many names that lead to no file: they are not watched for")
            self.absent.clear()

    def found_where_code_looks(self) -> set[str]:
        """What fits nowhere else, in the folders that code names. Empty: no more than before."""
        before = set(self.found)
        for path, facts in list(self.sources.items()):
            for name in self._held & facts.holders.keys():
                self._folder(facts.holders[name], path)
        for folder in sorted(self._searched):
            for name, path in self._nowhere:
                candidate = posixpath.normpath(posixpath.join(folder, name))
                if candidate != path and self.listing.has(candidate):
                    self._name_file(candidate)
            for imported in self._unfound:
                parts = imported.module.split(".")
                if self._holds(folder, parts[0]):
                    self._modules([folder], parts, imported.names)
        return self.found - before

    def of_executed(self, files: Iterable[str], dag_file: str) -> Mapping[str, StaticFacts]:
        """The static facts of Python files that the parse ran."""
        del dag_file
        executed = set(files)
        return {
            path: facts
            for path, facts in self.sources.items()
            if path in executed or path.partition(".zip/")[0] + ".zip" in executed
        }

    # One at a time: what each leads to, for who asks of which file something is found through

    def another(self) -> References:
        """The same bundle, with nothing found yet. What is learned of texts is shared."""
        # What the parse went through, a task may go through too: here it counts
        other = References(self.paths, self.listing, self.import_folders)
        other._outside, other.learned, other.sources = self._outside, self.learned, self.sources
        return other

    def from_file(self, path: str) -> None:
        """Find what all of a file leads to, with no step further."""
        self._look_into(path)

    def from_script(self, path: str) -> None:
        """Find what all of a file leads to that may be run as a program, with no step further."""
        self._scripts.add(path)
        self._look_into(path)

    def is_script(self, path: str) -> bool:
        """Whether it is named, and so may be run."""
        return path in self._scripts

    def from_names(self, imports: Iterable[ModuleImport], strings: Iterable[str], path: str) -> None:
        """Find what these names mean that are written in the file at *path*, with no step further."""
        for imported in imports:
            self._import(imported, path)
        for name in strings:
            self._named(name, path)

    def take(self, other: References) -> None:
        """Find what the other found, too."""
        self.found |= other.found
        self.listed |= other.listed
        self.whole |= other.whole
        self._held |= other._held
        self._scripts |= other._scripts
        self._searched |= other._searched
        self._nowhere |= other._nowhere
        self._unfound |= other._unfound

    # One file

    def _look_into(self, path: str) -> None:
        suffix = posixpath.splitext(path)[1].lower()
        if suffix == ".py":
            data = self._read(path, _LARGEST_SOURCE)
            if data is not None:
                self._python(path, data)
        elif suffix in _TEXT_SUFFIXES:
            data = self._read(path, _LARGEST_TEXT)
            if data is not None:
                for name in self._text(data):
                    if not name.endswith("/") or suffix not in _PROSE_SUFFIXES:
                        self._named(name, path)
        elif suffix == ".zip":
            self._archive(path)

    def _archive(self, path: str) -> None:
        try:
            with zipfile.ZipFile(self.paths.absolute(path)) as archive:
                for member in archive.infolist()[:_MOST_FILES]:
                    if member.filename.endswith(".py") and member.file_size <= _LARGEST_SOURCE:
                        self._python(f"{path}/{member.filename}", archive.read(member))
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError):
            self.skipped.append(f"{path} can not be read as an archive")

    def _read(self, path: str, limit: int) -> bytes | None:
        try:
            with open(self.paths.absolute(path), "rb") as file:
                data = file.read(limit + 1)
        except OSError:
            return None
        if len(data) > limit:
            self.skipped.append(f"{path} is too large to be looked into")
            return None
        return data

    def _python(self, path: str, data: bytes) -> None:
        key = content_key("py", data)
        facts = known_sources.get(key) or self.learned.get(key)
        if not isinstance(facts, StaticFacts):
            facts = self.learned[key] = static_facts(data)
        self.sources[path] = facts
        self.from_names(facts.imports, facts.strings, path)

    def _text(self, data: bytes) -> tuple[str, ...]:
        key = content_key("text", data)
        names = known_sources.get(key) or self.learned.get(key)
        if not isinstance(names, tuple):
            names = self.learned[key] = text_references(data.decode("utf-8", "replace"))
        return names

    # Imports

    def _import(self, imported: ModuleImport, path: str) -> None:
        if imported.level:
            folder = posixpath.dirname(path)
            for _ in range(imported.level - 1):
                folder = posixpath.dirname(folder)
            parts = imported.module.split(".") if imported.module else []
            self._modules([folder], parts, imported.names)
            return
        parts = imported.module.split(".")
        places = self.import_folders
        if path in self._scripts:
            places = list(dict.fromkeys([posixpath.dirname(path), *places]))
        folders = [f for f in places if self._holds(f, parts[0])]
        if folders:
            if not self._comes_from_outside(parts[0]):
                self._modules(folders, parts, imported.names)
        elif parts[0] not in sys.modules and not self._comes_from_outside(parts[0]):
            self._unfound.add(imported)
            for folder in self.import_folders:
                stem = posixpath.join(folder, parts[0])
                self.absent.update((f"{stem}.py", f"{stem}/__init__.py"))

    def _may_import(self, name: str, path: str) -> None:
        """Add the module that a file may import by a name that it computes."""
        folder = posixpath.dirname(path)
        if name == ".*":
            prefix = f"{folder}/" if folder else ""
            self.found.update(
                file
                for file in self.listing.below(folder)
                if file.endswith(".py")
                and (rest := file[len(prefix) :].removesuffix("/__init__.py")).count("/") == 0
                and rest != "__init__.py"
            )
            self.listed.add(folder)
            return
        module = name.lstrip(".")
        for _ in range(len(name) - len(module) - 1):
            folder = posixpath.dirname(folder)
        parts = module.split(".")
        for base in [folder] if name.startswith(".") else [folder, *self.import_folders]:
            stem = posixpath.join(base, *parts)
            if self.listing.has(f"{stem}.py") or self.listing.has(f"{stem}/__init__.py"):
                if not self.listing.has(path) or f"{stem}.py" != path:
                    self._modules([base], parts, ())
                return

    def _modules(self, folders: Iterable[str], parts: Sequence[str], names: Iterable[str]) -> None:
        """Add the files of each package on the way to a module, of the module, of names in it."""
        for folder in folders:
            stem = folder
            for part in parts:
                stem = posixpath.join(stem, part)
                self._module(stem)
            for name in names:
                if name != "*":
                    self._module(posixpath.join(stem, name))

    def _module(self, stem: str) -> bool:
        for candidate in (f"{stem}/__init__.py", f"{stem}.py"):
            if self.listing.has(candidate):
                self.found.add(candidate)
                return True
        return False

    def _holds(self, folder: str, name: str) -> bool:
        stem = posixpath.join(folder, name)
        return (
            self.listing.has(f"{stem}.py")
            or self.listing.has(f"{stem}/__init__.py")
            or os.path.isdir(self.paths.absolute(stem))
        )

    def _comes_from_outside(self, name: str) -> bool:
        """Whether an import of *name* finds a module outside the bundle: the bundle is last on the path."""
        known = self._outside.get(name)
        if known is None:
            known = self._outside[name] = self._find_outside(name)
        return known

    def _find_outside(self, name: str) -> bool:
        module = sys.modules.get(name)
        if module is not None:
            origin = getattr(module, "__file__", None)
            if not isinstance(origin, str):
                return name in sys.builtin_module_names or not hasattr(module, "__path__")
            return self.paths.relative(origin) is None
        if name in sys.stdlib_module_names:
            return True
        entries = [entry for entry in sys.path if self.paths.relative(os.path.abspath(entry)) is None]
        try:
            spec = PathFinder.find_spec(name, entries)
        except Exception:
            return False
        # A folder without __init__.py gives way to a module or package anywhere later on the path.
        return spec is not None and spec.origin is not None

    # Names

    def _named(self, name: str, path: str) -> None:
        """Add the files that *name*, written in the file at *path*, may mean."""
        if name.endswith(("/", "/*")):
            if name.startswith("{"):
                self._held.add(name.strip("{}/"))
            else:
                self._folder(name, path)
            return
        if name.startswith(BY_NAME):
            wanted = name.removeprefix(BY_NAME)
            facts = self.sources.get(path)
            for module in [wanted] if wanted else facts.modules if facts is not None else ():
                self._may_import(module, path)
            return
        if name.startswith(STEM):
            name = posixpath.basename(path).rpartition(".")[0] + name.removeprefix(STEM)
        folder = path.rpartition("/")[0]
        basename = name.rpartition("/")[2]
        suffix = posixpath.splitext(basename)[1].lower()
        if (folder, name) in self._named_before:
            return
        self._named_before.add((folder, name))
        if basename in self.listing.folder_names:
            places = {posixpath.normpath(posixpath.join(base, name)) for base in self._with_parents(folder)}
            self._searched |= places & self.listing.folders
        dotted = "." in name and "/" not in name and suffix not in _DATA_SUFFIXES
        if self.listing.knows_all_names and basename not in self.listing.basenames:
            # Most strings by far: nothing in the bundle has this name.
            if suffix in _DATA_SUFFIXES:
                self._named_absent(name, folder)
            elif dotted:
                self._dotted_name(name.split("."))
            return
        hit = False
        for base in self._with_parents(folder):
            candidate = posixpath.normpath(posixpath.join(base, name))
            if not candidate.startswith("..") and candidate != path and self.listing.has(candidate):
                self._name_file(candidate)
                hit = True
        if not hit and suffix and suffix != ".py":
            self._nowhere.add((name, path))
        if suffix in _DATA_SUFFIXES:
            self._named_absent(name, folder)
        elif not hit and dotted:
            self._dotted_name(name.split("."))

    def _name_file(self, path: str) -> None:
        if path.endswith(".py") and path not in self.found:
            self._scripts.add(path)
        self.found.add(path)

    def _folder(self, name: str, path: str) -> None:
        """Add all in the folders that *name*, written in the file at *path*, may mean."""
        own = posixpath.dirname(path)
        computed = name.endswith("/*")
        name = name.removesuffix("*").rstrip("/")
        basename = posixpath.basename(name)
        key = (own, f"{name}/*" if computed else f"{name}/")
        if key in self._folders_before:
            return
        self._folders_before.add(key)
        if self.listing.knows_all_names and basename not in self.listing.folder_names:
            return
        for base in dict.fromkeys([*self._with_parents(own), *self.import_folders]):
            folder = posixpath.normpath(posixpath.join(base, name))
            # One that holds the file itself says no more than where that lies
            if folder in (".", "") or folder.startswith("..") or f"{own}/".startswith(f"{folder}/"):
                continue
            if folder not in self.listing.folders and (
                self.listing.knows_all_names or not os.path.isdir(self.paths.absolute(folder))
            ):
                continue
            *links, place = self.paths.places(folder)
            self.found.update(links)
            # What the parse itself went through is known from there, file by file
            if place not in self._parse_listed and not (computed and place in self._parse_opened_in):
                self._take_all(place)

    def _take_all(self, folder: str) -> None:
        if folder in self.listed or f"{folder}/" in self.whole:
            return
        files = self.listing.below(folder)
        if len(files) > _MOST_BELOW or not self.listing.complete:
            self.whole.add(f"{folder}/")
            return
        self.found.update(files)
        self.listed.add(folder)
        self.listed.update(f for f in self.listing.folders if f.startswith(f"{folder}/"))

    def _named_absent(self, name: str, folder: str) -> None:
        for candidate in (
            posixpath.normpath(f"{folder}/{name}" if folder else name),
            posixpath.normpath(name),
        ):
            if not candidate.startswith("..") and not self.listing.has(candidate):
                self.absent.add(candidate)

    def _dotted_name(self, parts: list[str]) -> None:
        """A string such as ``"helpers.io.load"`` may be imported by its name at run time."""
        if not all(part.isidentifier() for part in parts):
            return
        for folder in self.import_folders:
            for length in (len(parts), len(parts) - 1):
                if length > 1 and self._module(posixpath.join(folder, *parts[:length])):
                    return

    @staticmethod
    def _with_parents(folder: str) -> Iterable[str]:
        while folder:
            yield folder
            folder = posixpath.dirname(folder)
        yield ""


def content_key(kind: str, data: bytes) -> str:
    return f"{kind}:{hashlib.blake2b(data, digest_size=16).hexdigest()}"
