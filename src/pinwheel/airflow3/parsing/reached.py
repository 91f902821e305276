"""From the Dags of a parse to what decides the content of each: which values, code and files it reaches."""

from __future__ import annotations

import gc
import os
import posixpath
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from pinwheel.airflow3.parsing.code import Codes
from pinwheel.airflow3.parsing.objects import Walk
from pinwheel.airflow3.parsing.plain import PlainValues, WalkTooLarge
from pinwheel.airflow3.parsing.references import References
from pinwheel.core.digest import PATH_PLACEHOLDER
from pinwheel.core.parse.reach import Reach
from pinwheel.core.parse.references import value_references
from pinwheel.core.parse.static_facts import Named
from pinwheel.core.text import storable

_RECURSION = 10_000
_MOST_FILES = 2_000
_LONGEST_TEXT = 64 * 1024
_SHORT_TEXT = 64

Lead = tuple[str, ...]
"""Where a Dag leads to files from: a file, code in a file, or a text that it holds."""


class Reached:
    """Tells what Dags reach. What several of them lead through is looked at once."""

    def __init__(self, references: References, dag_file: str) -> None:
        self.references = references
        self.paths = references.paths
        imports = {found for facts in references.sources.values() for found in facts.imports}
        self.codes = Codes(self.paths, imports)
        self.own = self.paths.relative(os.path.abspath(dag_file)) or ""
        self.values = PlainValues([self.paths.root, self.paths.real_root])
        self._led: dict[Lead, References] = {}
        self._named: dict[int, tuple[frozenset[str], set[str]]] = {}
        self._names_in: dict[str, tuple[str, ...]] = {}
        self._found: dict[tuple[Any, ...], tuple[str, ...]] = {}
        self.listed: set[str] = set()
        """Folders whose names count for any of the Dags, since all in them does."""

    def of(self, dags: Mapping[str, Any]) -> dict[str, Reach]:
        """By Dag, what it reaches."""
        limit, collects = sys.getrecursionlimit(), gc.isenabled()
        sys.setrecursionlimit(max(limit, _RECURSION))
        # A collection would touch, and so copy, all that the parser shares with the manager
        gc.disable()
        try:
            return {dag_id: self._of_dag(dag) for dag_id, dag in dags.items()}
        finally:
            sys.setrecursionlimit(limit)
            if collects:
                gc.enable()

    def _of_dag(self, dag: Any) -> Reach:
        walk = Walk(self.codes, self.values)
        try:
            digest = walk.digest(dag)
            files = self._files(walk, dag)
        except (WalkTooLarge, RecursionError):
            return Reach(unread=("it holds more than is walked",))
        except BaseException as error:
            # Code of the Dag's objects that ran for all that: what it says may hold a secret, and
            # what ends a program (SystemExit, Airflow's timeouts) must not end the parser here
            return Reach(unread=(storable(f"it can not be walked: {type(error).__name__}"[:200]),))
        return Reach(objects=digest, files=files, unread=tuple(sorted(walk.unread)))

    def _files(self, walk: Walk, dag: Any) -> tuple[str, ...]:
        """The Dag's own file, those of its code, and what these lead to."""
        own = {self.own, self.codes.place(getattr(dag, "fileloc", None)) or self.own}
        above = {folder for path in own for folder in _folders_above(path)}
        names = set(self._names(walk.texts)) | {name for text in walk.searched for name in self._in(text)}
        names -= {f"{name}/" for name in self._searched(dag)}
        names = {name for name in names if name.rstrip("/") not in above}
        held = (own, walk.files, walk.modules, walk.functions, walk.imports, names)
        key = tuple(frozenset[Any](part) for part in held)
        if key not in self._found:
            self._found[key] = self._followed(walk, own, names)
        return self._found[key]

    def _followed(self, walk: Walk, own: set[str], names: set[str]) -> tuple[str, ...]:
        total = self.references.another()
        total.found |= self._in_archives(own | walk.files)
        leads: list[Lead] = [("file", path) for path in sorted(self._in_archives(walk.modules))]
        leads += [("code", place, key) for place, key in sorted(walk.functions)]
        leads += [("text", name) for name in sorted(names)]
        seen = set(leads)
        if walk.imports:
            total.from_names(walk.imports, (), self.own)
        known = set(total.found)
        while True:
            while leads:
                total.take(self._leads_to(leads.pop()))
            new = (total.found - known) or total.found_where_code_looks()
            if not new:
                break
            known |= new
            files = [("script" if total.is_script(path) else "file", path) for path in sorted(new)]
            leads = [lead for lead in files if lead not in seen]
            seen.update(leads)
            if len(known) > _MOST_FILES:
                raise WalkTooLarge
        self.listed |= total.listed
        return tuple(
            sorted({place for path in total.found for place in self.paths.places(path)} | total.whole)
        )

    def _leads_to(self, lead: Lead) -> References:
        found = self._led.get(lead)
        if found is None:
            found = self._led[lead] = self.references.another()
            kind, what, *rest = lead
            if kind == "file":
                found.from_file(what)
            elif kind == "script":
                found.from_script(what)
            elif kind == "text":
                found.from_names((), [what], self.own)
            elif (named := self._named_in(what, rest[0])) is not None:
                found.from_names(named.imports, named.strings, what)
            else:
                found.from_file(self._in_archive(what))
        return found

    def _named_in(self, place: str, key: str) -> Named | None:
        """What the code of this key names; None when its file does not tell."""
        if place not in self.references.sources:
            self.references.another().from_file(place)
        facts = self.references.sources.get(place)
        return facts.code.get(key) if facts is not None else None

    def _names(self, texts: Mapping[int, frozenset[str]]) -> list[str]:
        """What may be paths in the texts that a Dag holds."""
        found: set[str] = set()
        for key, together in texts.items():
            known = self._named.get(key)
            if known is None:
                # The texts are kept with it: the id of what is gone may be given to others
                known = self._named[key] = (
                    together,
                    {name for text in together for name in self._names_of(text)},
                )
            if known[1]:
                found |= known[1]
        return sorted(found)

    def _names_of(self, text: str) -> Iterable[str]:
        """What may be paths in a text that is held: a folder is there as a whole, with a slash at its end."""
        place = posixpath.normpath(text.removeprefix(f"{PATH_PLACEHOLDER}/"))
        if text.startswith(f"{PATH_PLACEHOLDER}/") and place in self.references.listing.folders:
            yield f"{place}/"
        yield from self._in(text)

    def _in(self, text: str) -> tuple[str, ...]:
        known = self._names_in.get(text)
        if known is None:
            known = tuple(self._read_in(text))
            if len(text) > _SHORT_TEXT:
                self._names_in[text] = known
        return known

    def _read_in(self, text: str) -> Iterable[str]:
        listing = self.references.listing
        for name in value_references(text[:_LONGEST_TEXT].replace(f"{PATH_PLACEHOLDER}/", "")):
            last = name.rstrip("/*").rpartition("/")[2]
            if not listing.knows_all_names or last in listing.basenames or last in listing.folder_names:
                yield name
            elif "." in name and all(part.isidentifier() for part in name.split(".")):
                yield name  # of a module, perhaps

    def _searched(self, dag: Any) -> Iterable[str]:
        """Folders in which a Dag's templates are looked for: only what is named in them counts."""
        held = getattr(dag, "template_searchpath", None) or ()
        for folder in [held] if isinstance(held, str) else held:
            if isinstance(folder, str) and (place := self.codes.place(folder)):
                yield place

    def _in_archives(self, places: Iterable[str]) -> set[str]:
        return {self._in_archive(place) for place in places}

    def _in_archive(self, place: str) -> str:
        """The file itself, or the archive that it lies in."""
        path = place
        while path and not os.path.lexists(self.paths.absolute(path)):
            path = posixpath.dirname(path)
        return path or place


def _folders_above(path: str) -> Iterable[str]:
    while path := posixpath.dirname(path):
        yield path
