"""The inputs of a parse: what it read from its bundle version, and whether another version looks the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import field, frozen

from pinwheel.core.parse.declared import ANY, NOTHING, Answers, Declared
from pinwheel.core.parse.facts import BESIDE, WHOLE_TREE, ParseFacts


@frozen(kw_only=True)
class InputsSpec:
    """Which parts of a manifest a parse looks at. Paths are sorted and unique."""

    files: tuple[str, ...] = ()
    directories: tuple[str, ...] = ()
    absent: tuple[str, ...] = ()
    asked: tuple[str, ...] = ()

    @classmethod
    def of(cls, facts: ParseFacts) -> InputsSpec:
        return cls(
            files=facts.used,
            directories=tuple(sorted(set(facts.directories))),
            absent=tuple(sorted(set(facts.absent))),
            asked=tuple(sorted(set(facts.asked))),
        )

    def read(self, manifest: Mapping[str, str]) -> Inputs:
        """What these parts are in *manifest* (path to content id, as a bundle version has it)."""
        files: dict[str, str | None] = {}
        for path in self.files:
            files |= _used_at(path, manifest)
        index = _index_of(manifest) if self.directories or self.absent or self.asked else {}
        return Inputs(
            files=files,
            directories={path: _digest_of_names(index.get(path)) for path in self.directories},
            absent={path: path in manifest or path in index for path in self.absent},
            asked={path: _what_is(path, manifest, index) for path in self.asked},
        )


@frozen(kw_only=True)
class Inputs:
    """What a parse saw of one bundle version. Equal inputs, equal parse (if it was pure)."""

    files: Mapping[str, str | None] = field(factory=dict)
    """Each used file to its content id; None for one that is not in the manifest (git ignores it, say).

    A folder, with a slash at its end, to a digest of all below it.
    """
    directories: Mapping[str, str] = field(factory=dict)
    """Each listed directory to a digest of the names directly below it; empty when it does not exist."""
    absent: Mapping[str, bool] = field(factory=dict)
    """Each path that was looked for in vain to whether it exists in this bundle version."""
    asked: Mapping[str, str] = field(factory=dict)
    """Each path that was asked about to what it is: a file's content id, ``/`` for a folder, or nothing.

    :data:`WHOLE_TREE` to a digest of the bundle version.
    """
    declared: Answers = field(factory=dict)
    """Each Dag that it gave to a digest of the files declared for it, and its tags."""

    def digest(self) -> str:
        """SHA-256 hex of all that was used and of all answers: the same question, if not the same content.

        Files outside the manifest do not count, nor what is not there, while nobody asks for it by name.
        """
        answers = [
            self._used(),
            sorted((path, names) for path, names in self.directories.items() if names),
        ]
        asked = {**{path: "" for path, exists in self.absent.items() if exists}, **self.asked}
        if asked:
            answers.append(sorted(asked.items()))
        declared = [(dag_id, digest) for dag_id, (digest, *_) in self.declared.items() if digest]
        if declared:
            answers += [[], [("declared", ""), *sorted(declared)]]
        return hashlib.sha256(json.dumps(answers, separators=(",", ":")).encode()).hexdigest()

    def content_digest(self, declared: Mapping[str, str] | None = None) -> str:
        """SHA-256 hex of the content that was used, and of these declared files.

        What was only listed or asked about is no content: it makes :func:`matches` say no, so that the next
        parse tells whether it makes a difference.
        """
        used = sorted({**self.content, **(declared or {})}.items())
        return hashlib.sha256(json.dumps([used, []], separators=(",", ":")).encode()).hexdigest()

    @property
    def content(self) -> dict[str, str]:
        """The files that the bundle version has, each to its content id."""
        return {path: content for path, content in self.files.items() if content is not None}

    def _used(self) -> list[tuple[str, str]]:
        return sorted(self.content.items())

    @property
    def of_its_tree(self) -> bool:
        """Whether another tree is another question, whatever is in it."""
        return WHOLE_TREE in self.asked

    def and_also(self, other: Inputs) -> Inputs:
        """What both saw of the same version: a parse may ask less where its process knows more already."""
        return Inputs(
            files={**self.files, **other.files},
            directories={**self.directories, **other.directories},
            absent={**self.absent, **other.absent},
            asked={**self.asked, **other.asked},
            declared=other.declared or self.declared,
        )

    def to_json(self) -> dict[str, Any]:
        return {
            "files": dict(sorted(self.files.items())),
            "directories": dict(sorted(self.directories.items())),
            "absent": dict(sorted(self.absent.items())),
            "asked": dict(sorted(self.asked.items())),
            "declared": {dag_id: list(answer) for dag_id, answer in sorted(self.declared.items())},
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Inputs:
        return cls(
            files=dict(value.get("files", {})),
            directories=dict(value.get("directories", {})),
            absent={path: bool(exists) for path, exists in value.get("absent", {}).items()},
            asked=dict(value.get("asked", {})),
            # Of what was stored before there were declared inputs nobody knows which Dags it gave
            declared={
                dag_id: tuple(answer) for dag_id, answer in value.get("declared", {ANY: ("",)}).items()
            },
        )


def inputs_of(facts: ParseFacts, manifest: Mapping[str, str]) -> Inputs:
    """What the parse that gave *facts* saw of the bundle version with this *manifest*."""
    return InputsSpec.of(facts).read(manifest)


def matches(inputs: Inputs, manifest: Mapping[str, str], declared: Declared = NOTHING) -> bool:
    """True when the same parse in the bundle version with this *manifest* sees identical inputs.

    *declared* are the version's declared inputs: what they mean for the Dags that the parse gave counts too.
    *manifest* must not be changed afterwards: an index of its directories is kept for the next call.
    """
    for path, content in inputs.files.items():
        if manifest.get(path) == content is not None:
            continue
        if (content is not None and not path.endswith("/")) or _used_at(path, manifest) != {path: content}:
            return False
    if not declared.still(inputs.declared):
        return False
    if not inputs.directories and not inputs.absent and not inputs.asked:
        return True
    index = _index_of(manifest)
    for path, exists in inputs.absent.items():
        if (path in manifest or path in index) is not exists:
            return False
    for path, answer in inputs.asked.items():
        if _what_is(path, manifest, index) != answer:
            return False
    return all(names == _digest_of_names(index.get(path)) for path, names in inputs.directories.items())


def tree_id(manifest: Mapping[str, str]) -> str:
    """SHA-256 hex of all files of a bundle version; empty where there are none. Equal trees, equal files.

    *manifest* must not be changed afterwards: what is said of it is kept for the next call.
    """
    return _digest_below("", manifest)


def _what_is(path: str, manifest: Mapping[str, str], index: Mapping[str, set[str]]) -> str:
    if path == WHOLE_TREE:
        return tree_id(manifest)
    if path in index:
        return "/"
    (content,) = _content_of(path, manifest).values()
    return content or ""


def _digest_below(prefix: str, manifest: Mapping[str, str]) -> str:
    known = _known_of(manifest).below
    if prefix not in known:
        found = sorted(item for item in manifest.items() if item[0].startswith(prefix))
        text = json.dumps(found, separators=(",", ":"))
        known[prefix] = hashlib.sha256(text.encode()).hexdigest() if found else ""
    return known[prefix]


def _used_at(path: str, manifest: Mapping[str, str]) -> dict[str, str | None]:
    if path.endswith("/"):
        return {path: _digest_below(path, manifest) or None}
    return _content_of(path, manifest)


def _content_of(path: str, manifest: Mapping[str, str]) -> dict[str, str | None]:
    """The manifest's entry for a file: its own, or that of the link, submodule or archive it lies in."""
    content = manifest.get(path)
    if content is not None:
        return {path: content}
    parent = path
    while "/" in parent:
        parent = parent.rpartition("/")[0]
        if parent in manifest:
            return {parent: manifest[parent]}
    return {path: None}


def _digest_of_names(names: Iterable[str] | None) -> str:
    if names is None:
        return ""
    return hashlib.sha256("\0".join(sorted(names)).encode("utf-8", "surrogateescape")).hexdigest()


@frozen
class _Known:
    """What was found out about one manifest: one is compared with many inputs in a row."""

    manifest: Mapping[str, str]
    size: int
    index: dict[str, set[str]] = field(factory=dict)
    below: dict[str, str] = field(factory=dict)


_last: list[_Known] = []


def _known_of(manifest: Mapping[str, str]) -> _Known:
    for known in _last:
        if known.manifest is manifest and known.size == len(manifest):
            return known
    _last[:] = [_Known(manifest, len(manifest))]
    return _last[0]


def _index_of(manifest: Mapping[str, str]) -> dict[str, set[str]]:
    """Each directory (``""`` for the root) to the names directly below; folders end in a slash."""
    index = _known_of(manifest).index
    if index:
        return index
    index[""] = set()
    for path in manifest:
        parent, name = _split(path)
        while True:
            names = index.get(parent)
            if names is not None:
                names.add(name)
                break
            index[parent] = {name}
            if parent == BESIDE:
                break
            parent, name = _split(parent)
            name += "/"
    return index


def _split(path: str) -> tuple[str, str]:
    parent, _, name = path.rpartition("/")
    return (BESIDE, name) if parent == "/" else (parent, name)
