"""Declared inputs: what a repository says that its Dags depend on, and which of its files that means.

Rules are of one commit, and so are the files that they mean: by the id of their content, as in a manifest.
"""

from __future__ import annotations

import hashlib
import json
import re
from bisect import bisect_left
from collections.abc import Collection, Iterable, Mapping, Sequence
from fnmatch import translate
from functools import lru_cache
from typing import Any

from attrs import field, frozen

from pinwheel.core.parse.facts import path_in_bundle, path_in_repository
from pinwheel.core.selector import Selector
from pinwheel.core.text import storable

FILE = "pinwheel.yaml"
"""At the root of the repository."""
ANY = ""
"""Stands for the Dag of a file of which nobody knows what Dags it has: it depends on all that is declared."""
MOST_LOOKS = 10_000_000
"""Comparisons of a pattern and the path of a file that begins like it: seconds."""
MOST_FILES = 5_000
"""Of a rule: their names are kept with each build, and their texts once."""

Answers = Mapping[str, tuple[str, ...]]
"""By Dag a digest of the files declared for it (empty: none), then its tags."""


@frozen(kw_only=True)
class Rule:
    """Files that some Dags depend on."""

    dags: Selector
    files: tuple[str, ...]
    """Patterns of paths from the repository's root; see :func:`why_no_pattern`."""
    lines: Mapping[str, int] = field(factory=dict, eq=False, repr=False)
    """Where each of the ids stands."""
    line: int = field(default=1, eq=False, repr=False)
    """Where it begins."""

    def selects(self, dag_id: str, tags: Collection[str]) -> bool:
        """Whether it is about this Dag; ids and globs add up, tags (any of them) narrow."""
        if dag_id == ANY:
            return True
        dags = self.dags
        named = dag_id in dags.ids or bool(dags.globs and _any_of(dags.globs).match(dag_id))
        return (named or not (dags.ids or dags.globs)) and (
            not dags.tags or not set(dags.tags).isdisjoint(tags)
        )

    def to_json(self) -> dict[str, Any]:
        dags = {"ids": self.dags.ids, "globs": self.dags.globs, "tags": self.dags.tags}
        return {"dags": {key: list(value) for key, value in dags.items() if value}, "files": list(self.files)}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Rule:
        return cls(dags=Selector.of(**value.get("dags", {})), files=tuple(value.get("files", ())))


@frozen(kw_only=True)
class Declared:
    """The rules in force at a bundle version, with the files of that version that each means."""

    rules: tuple[Rule, ...] = ()
    files: tuple[Mapping[str, str], ...] = field(default=(), repr=False)
    """Of each rule the files that match, by the path that a bundle gives them, with their content ids."""
    _digests: dict[tuple[int, ...], str] = field(factory=dict, eq=False, repr=False)

    def of(self, dag_id: str, tags: Collection[str] = ()) -> dict[str, str]:
        """The files declared for a Dag, each with its content id."""
        return self._union(self._about(dag_id, tags))

    def answers(self, dags: Mapping[str, Collection[str]]) -> dict[str, tuple[str, ...]]:
        """What a parse that gave these Dags, with their tags, has to remember of what is declared."""
        return {
            dag_id: (self._digest(self._about(dag_id, tags)), *sorted(set(tags)))
            for dag_id, tags in sorted(dags.items())
        }

    def still(self, answers: Answers) -> bool:
        """Whether the same files, with the same contents, are declared for these Dags."""
        return all(
            self._digest(self._about(dag_id, tags)) == digest for dag_id, (digest, *tags) in answers.items()
        )

    def _about(self, dag_id: str, tags: Collection[str]) -> tuple[int, ...]:
        return tuple(at for at, rule in enumerate(self.rules) if rule.selects(dag_id, tags))

    def _union(self, places: tuple[int, ...]) -> dict[str, str]:
        found: dict[str, str] = {}
        for at in places:
            found |= self.files[at]
        return found

    def _digest(self, places: tuple[int, ...]) -> str:
        known = self._digests.get(places)
        if known is None:
            found = sorted(self._union(places).items())
            text = json.dumps(found, separators=(",", ":")).encode()
            known = self._digests[places] = hashlib.sha256(text).hexdigest() if found else ""
        return known


NOTHING = Declared()
"""Nothing is declared."""


def declare(rules: Sequence[Rule], repository: Mapping[str, str], subdir: str | None = None) -> Declared:
    """The rules with the files that they mean.

    *repository* has each file of the version by its path from the repository's root, with its content id;
    the bundle's own paths begin at *subdir*. A link to a folder and a submodule count as what they are, one
    entry, where a pattern leads into them.
    """
    if not rules:
        return NOTHING
    paths = sorted(repository)
    gates = _gates(paths, repository)
    files = []
    for rule in rules:
        found = {path for pattern in rule.files for path in matching(pattern, paths)}
        found.update(gate for gate in gates for pattern in rule.files if _leads_into(pattern, gate))
        files.append({path_in_bundle(storable(path), subdir): repository[path] for path in sorted(found)})
    return Declared(rules=tuple(rules), files=tuple(files))


def in_repository(manifest: Mapping[str, str], subdir: str | None) -> Mapping[str, str]:
    """A bundle's manifest with the paths from the repository's root: what :func:`declare` wants."""
    if not subdir:
        return manifest
    return {path_in_repository(path, subdir): content for path, content in manifest.items()}


def too_much(rules: Iterable[Rule], repository: Mapping[str, str]) -> str | None:
    """Why these rules take too long to compare with these files; None: they do not."""
    paths = sorted(repository)
    gates = len(_gates(paths, repository))
    looks = 0
    for rule in rules:
        for pattern in rule.files:
            first, last = _candidates(pattern, paths)
            looks += last - first + gates
    if looks <= MOST_LOOKS:
        return None
    return (
        f"its patterns are to be compared {looks:,} times with one of the {len(paths):,} files, "
        f"and can be {MOST_LOOKS:,} times"
    )


def too_many(declared: Declared) -> dict[int, str]:
    """Which rules mean more files than builds can keep: the line of each, and what is found."""
    return {
        rule.line: f"this rule means {len(files):,} files, and can mean {MOST_FILES:,}"
        for rule, files in zip(declared.rules, declared.files, strict=True)
        if len(files) > MOST_FILES
    }


def unknown_ids(rules: Iterable[Rule], known: Collection[str]) -> dict[str, int]:
    """The ids in these rules that no known Dag has, each with its line."""
    return {
        dag_id: rule.lines.get(dag_id, 1) for rule in rules for dag_id in rule.dags.ids if dag_id not in known
    }


def matching(pattern: str, paths: Sequence[str]) -> list[str]:
    """Those of these paths, which are sorted, that a pattern means."""
    first, last = _candidates(pattern, paths)
    match = _compiled(pattern).fullmatch
    return [path for path in paths[first:last] if match(path)]


def _candidates(pattern: str, paths: Sequence[str]) -> tuple[int, int]:
    """Between which of these paths, which are sorted, those lie that a pattern may mean."""
    begin = _literal(pattern)
    return bisect_left(paths, begin), bisect_left(paths, begin + "\U0010ffff") if begin else len(paths)


def _gates(paths: Iterable[str], repository: Mapping[str, str]) -> list[str]:
    """The links to folders and submodules among these paths."""
    return [path for path in paths if repository[path].startswith(("link:", "commit:"))]


def why_no_pattern(pattern: str) -> tuple[str, str] | None:
    """What is wrong with a pattern, and what to do about it; None: nothing.

    A pattern is a path from the repository's root. ``*`` and ``?`` stand for letters of one name, ``[ab]``
    for one of these letters, ``**`` for any number of folders; at the end, for all files below.
    """
    parts = pattern.split("/")
    if pattern.startswith(("/", "~")) or re.match(r"[A-Za-z]:", pattern):
        return (
            "it begins outside the repository",
            "Write the path from the repository's root, without a '/' first",
        )
    if ".." in parts:
        return "it leaves the repository", "Remove '..' from it: only files of the repository can be declared"
    if "\\" in pattern:
        return "it holds a backslash", "Separate folders with '/'"
    if pattern.endswith("/"):
        return "it is a folder, and no file", f"Write {pattern}** for all files below it"
    if "" in parts or "." in parts:
        return "it has a folder without a name, or '.'", "Remove that"
    if parts[0] == ".git":
        return "no bundle has .git", "Remove it"
    if pattern.startswith("!"):
        return "a pattern can not exclude", "Declare what is meant, by other patterns"
    if "{" in pattern or "}" in pattern:
        return "it holds braces, which mean nothing here", "Write a pattern for each"
    if any("**" in part and part != "**" for part in parts):
        return "'**' is not alone in its part of the path", "Write '*' there, or a '/' on both sides of '**'"
    try:
        _compiled(pattern)
    except (re.error, OverflowError, RecursionError):
        return "its brackets are none", "Write a letter of a set in '[' and ']', as in [ab]"
    return None


def _literal(pattern: str) -> str:
    """What each path that is meant begins with."""
    return re.split(r"[*?\[]", pattern, maxsplit=1)[0]


def _leads_into(pattern: str, gate: str) -> bool:
    """Whether a pattern means something below a path."""
    parts = pattern.split("/")
    for at, name in enumerate(gate.split("/")):
        if parts[at] == "**":
            return True
        if at == len(parts) - 1 or not _compiled(parts[at]).fullmatch(name):
            return False
    return True


@lru_cache(maxsize=4096)
def _any_of(globs: tuple[str, ...]) -> re.Pattern[str]:
    """What any of these shell patterns matches: each push compares all of them with each Dag."""
    return re.compile("|".join(map(translate, globs)))


@lru_cache(maxsize=4096)
def _compiled(pattern: str) -> re.Pattern[str]:
    """Takes time in proportion to the path: what is between two wildcards is sought once, from the left."""
    parts = pattern.split("/")
    every = parts[-1] == "**"
    chunks: list[list[str]] = [[]]
    for part in parts[:-1] if every else parts:
        if part != "**":
            chunks[-1].append(_name(part))
        elif chunks[-1] or len(chunks) == 1:
            chunks.append([])
    first, *others = chunks
    text = "".join(f"{part}/" for part in first[: None if others or every else -1])
    text += "" if others or every else first[-1]
    for at, chunk in enumerate(others):
        if every or at < len(others) - 1:
            text += f"(?>(?:[^/]+/)*?{''.join(f'{part}/' for part in chunk)})"
        else:
            text += f"(?:[^/]+/)*{'/'.join(chunk)}"
    return re.compile(text + (".+" if every else ""), re.DOTALL)


def _name(part: str) -> str:
    """A name in a path as a regular expression."""
    pieces = [""]
    at = 0
    while at < len(part):
        letter = part[at]
        at += 1
        if letter == "*":
            pieces.append("")
        elif letter == "?":
            pieces[-1] += "[^/]"
        elif letter == "[":
            end = part.find("]", at + (2 if part[at : at + 1] == "!" else 1))
            if end < 0:
                raise re.error("no end of a set")
            inner = part[at:end].replace("\\", r"\\").replace("[", r"\[").replace("^", r"\^")
            for twice in ("--", "&&", "||", "~~"):
                inner = inner.replace(twice, f"\\{twice[0]}" * 2)
            pieces[-1] += f"(?!/)[^{inner[1:]}]" if inner.startswith("!") else f"(?!/)[{inner}]"
            at = end + 1
        else:
            pieces[-1] += re.escape(letter)
    if len(pieces) == 1:
        return pieces[0]
    first, *middle, last = pieces
    return first + "".join(f"(?>[^/]*?{piece})" for piece in middle if piece) + f"[^/]*{last}"
