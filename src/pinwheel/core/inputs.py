"""The inputs of a parse: what it read from its bundle version, and whether another version looks the same."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import field, frozen

from pinwheel.core.facts import ParseFacts


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
            files |= _content_of(path, manifest)
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
    """Each used file to its content id; None for one that is not in the manifest (git ignores it, say)."""
    directories: Mapping[str, str] = field(factory=dict)
    """Each listed directory to a digest of the names directly below it; empty when it does not exist."""
    absent: Mapping[str, bool] = field(factory=dict)
    """Each path that was looked for in vain to whether it exists in this bundle version."""
    asked: Mapping[str, str] = field(factory=dict)
    """Each path that was asked about to what it is: a file's content id, ``/`` for a folder, or nothing."""

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
        return hashlib.sha256(json.dumps(answers, separators=(",", ":")).encode()).hexdigest()

    def content_digest(self) -> str:
        """SHA-256 hex of the content that was used.

        What was only listed or asked about is no content: it makes :func:`matches` say no, so that the next
        parse tells whether it makes a difference.
        """
        return hashlib.sha256(json.dumps([self._used(), []], separators=(",", ":")).encode()).hexdigest()

    @property
    def content(self) -> dict[str, str]:
        """The files that the bundle version has, each to its content id."""
        return {path: content for path, content in self.files.items() if content is not None}

    def _used(self) -> list[tuple[str, str]]:
        return sorted(self.content.items())

    def to_json(self) -> dict[str, Any]:
        return {
            "files": dict(sorted(self.files.items())),
            "directories": dict(sorted(self.directories.items())),
            "absent": dict(sorted(self.absent.items())),
            "asked": dict(sorted(self.asked.items())),
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Inputs:
        return cls(
            files=dict(value.get("files", {})),
            directories=dict(value.get("directories", {})),
            absent={path: bool(exists) for path, exists in value.get("absent", {}).items()},
            asked=dict(value.get("asked", {})),
        )


def inputs_of(facts: ParseFacts, manifest: Mapping[str, str]) -> Inputs:
    """What the parse that gave *facts* saw of the bundle version with this *manifest*."""
    return InputsSpec.of(facts).read(manifest)


def matches(inputs: Inputs, manifest: Mapping[str, str]) -> bool:
    """True when the same parse in the bundle version with this *manifest* sees identical inputs.

    *manifest* must not be changed afterwards: an index of its directories is kept for the next call.
    """
    for path, content in inputs.files.items():
        if manifest.get(path) != content:
            return False
        if content is None and _content_of(path, manifest) != {path: None}:
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


def _what_is(path: str, manifest: Mapping[str, str], index: Mapping[str, set[str]]) -> str:
    if path in index:
        return "/"
    (content,) = _content_of(path, manifest).values()
    return content or ""


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


_last_index: list[tuple[Mapping[str, str], int, dict[str, set[str]]]] = []
"""The index of the manifest asked for last: one manifest is compared with many inputs in a row."""


def _index_of(manifest: Mapping[str, str]) -> dict[str, set[str]]:
    """Each directory (``""`` for the root) to the names directly below; folders end in a slash."""
    for known, size, index in _last_index:
        if known is manifest and size == len(manifest):
            return index
    index = {"": set()}
    for path in manifest:
        parent, _, name = path.rpartition("/")
        while True:
            names = index.get(parent)
            if names is not None:
                names.add(name)
                break
            index[parent] = {name}
            parent, _, name = parent.rpartition("/")
            name += "/"
    _last_index[:] = [(manifest, len(manifest), index)]
    return index
