"""What must be parsed? The one answer, for a bundle version that is taken in and for each look between.

Taking a version in has two steps, since earlier parses are looked up for few of its files only: ``compare``
sorts them by what their last parse read, ``plan`` takes earlier parses of the same contents into account.
Afterwards ``due`` says of each file whether its turn has come.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from enum import StrEnum

from attrs import evolve, frozen

from pinwheel.core.parse.declared import NOTHING, Declared
from pinwheel.core.parse.inputs import Inputs, matches
from pinwheel.core.records import Parse


class Why(StrEnum):
    """Why a file is to be parsed."""

    NEVER = "never parsed"
    """No parse of it is known."""
    RUNTIME = "other runtime"
    """Its last parse was in another runtime."""
    CHANGED = "changed"
    """What its last parse read is not what the version has."""
    LOST = "result is gone"
    """A parse of the same contents is known, but what it gave was pruned."""
    WAITS = "waits"
    """It was not parsed in the newest version yet."""
    AGAIN = "not registered"
    """It was parsed in the newest version, and that could not be registered."""
    IMPURE = "impure"
    """Its last parse read from outside the bundle: the next one may give something else."""


@frozen(kw_only=True)
class Version:
    """A bundle version that is to be taken in."""

    files: frozenset[str]
    """Paths of its Dag files."""
    manifest: Mapping[str, str]
    """Each of its files to its content id."""
    runtime: str
    """Fingerprint of what parses it."""
    declared: Declared = NOTHING
    """The declared inputs in force."""


@frozen(kw_only=True)
class LastParse:
    """What a file's parse read, and what came of it."""

    parse_id: int
    inputs: Inputs
    runtime: str
    impure: bool
    error: str | None


@frozen(kw_only=True)
class KnownFile:
    """What a Dag processor knows of one Dag file."""

    seq: int = 0
    """Of the newest bundle version that it was checked against; 0: that has still to be done."""
    inputs: Inputs | None = None
    impure: bool = False
    error: str | None = None
    parse_id: int | None = None
    tried: int = 0
    """Seq of the newest bundle version whose parse was to be registered, whether that worked or not."""


@frozen(kw_only=True)
class Compared:
    """The files of a version, by what their last parses read."""

    version: Version
    unchanged: Mapping[str, LastParse]
    """Their last parse saw the same; of an impure file too, which is parsed again in its turn."""
    others: Mapping[str, Why]
    gone: frozenset[str]
    """Files that are known, and not in this version."""

    def without(self, stale: Collection[str]) -> Compared:
        """As it is when these files that seemed unchanged were parsed by another process meanwhile."""
        unchanged = {path: parse for path, parse in self.unchanged.items() if path not in stale}
        others = {path: Why.WAITS for path in self.unchanged if path in stale}
        return evolve(self, unchanged=unchanged, others={**self.others, **others})

    @property
    def contents(self) -> dict[str, str]:
        """The files whose earlier parses may help, each to its content id."""
        manifest = self.version.manifest
        return {path: manifest[path] for path in self.others if path in manifest}


@frozen(kw_only=True)
class Plan:
    """What is to be done with the files of a version: each is in one of the first three."""

    seq: int
    unchanged: Mapping[str, LastParse]
    reused: Mapping[str, LastParse]
    """Changed, but an earlier parse saw the same: what that gave is taken over."""
    to_parse: Mapping[str, Why]
    gone: frozenset[str]

    @property
    def done(self) -> Mapping[str, LastParse]:
        """The files that need no parse."""
        return {**self.unchanged, **self.reused}

    def after(self, taken: Collection[str]) -> Plan:
        """The plan when only these of the reused files could be taken over: the others are parsed."""
        lost = dict.fromkeys((path for path in self.reused if path not in taken), Why.LOST)
        reused = {path: parse for path, parse in self.reused.items() if path in taken}
        return evolve(self, reused=reused, to_parse={**self.to_parse, **lost})

    def known(self, before: Mapping[str, KnownFile]) -> dict[str, KnownFile]:
        """What is known of each file of the version from now on, from what was known before."""
        done = {
            path: KnownFile(
                seq=self.seq,
                inputs=parse.inputs,
                impure=parse.impure,
                error=parse.error,
                parse_id=parse.parse_id,
            )
            for path, parse in self.done.items()
        }
        return done | {path: evolve(before.get(path, KnownFile()), seq=0) for path in self.to_parse}


def compare(version: Version, last: Mapping[str, LastParse], known: Collection[str]) -> Compared:
    """Sort the files of a version by what their last parses read.

    *last* has a file's last parse where one is known; *known* are the paths of all known files of the bundle.
    """
    unchanged: dict[str, LastParse] = {}
    others: dict[str, Why] = {}
    for path in sorted(version.files):
        parse = last.get(path)
        if parse is None:
            others[path] = Why.NEVER
        elif parse.runtime != version.runtime:
            others[path] = Why.RUNTIME
        elif not matches(parse.inputs, version.manifest, version.declared):
            others[path] = Why.CHANGED
        else:
            unchanged[path] = parse
    return Compared(
        version=version, unchanged=unchanged, others=others, gone=frozenset(known) - version.files
    )


def plan(
    compared: Compared,
    earlier: Mapping[str, Sequence[Parse]],
    *,
    seq: int,
    always: Collection[str] = (),
) -> Plan:
    """What is to be done with the files of a version, which has this ``seq`` as the head.

    *earlier* has parses of the bundle's files by the content id of the file that was parsed. Of several that
    would do the first is taken. An impure one never does: the file has to be parsed. *always* are files that
    have to be parsed in each new tree: of these only a parse in this very one does.
    """
    reused: dict[str, LastParse] = {}
    for path, content in compared.contents.items():
        for parse in earlier.get(content, ()):
            found = _usable(parse, path, compared.version)
            if found is not None and path in always and not found.inputs.of_its_tree:
                continue
            if found is not None:
                reused[path] = found
                break
    return Plan(
        seq=seq,
        unchanged=compared.unchanged,
        reused=reused,
        to_parse={path: why for path, why in compared.others.items() if path not in reused},
        gone=compared.gone,
    )


def _usable(parse: Parse, path: str, version: Version) -> LastParse | None:
    if parse.relative_fileloc != path or parse.runtime != version.runtime or parse.impure:
        return None
    inputs = Inputs.from_json(parse.inputs)
    if not matches(inputs, version.manifest, version.declared):
        return None
    return LastParse(parse_id=parse.id, inputs=inputs, runtime=parse.runtime, impure=False, error=parse.error)


@frozen(kw_only=True)
class Pace:
    """How often a Dag processor parses a file."""

    interval: float
    """Seconds between the end of one parse and the next."""
    max_runs: int
    """Parses of each file after which there are no more; not limited where it is not positive."""


@frozen(kw_only=True)
class Done:
    """What a Dag processor has done with a file."""

    runs: int = 0
    last: datetime | None = None
    """End of the last parse."""


def due(known: KnownFile | None, done: Done, *, seq: int, pace: Pace, now: datetime) -> Why | None:
    """Why a file of the bundle version *seq*, the newest, is to be parsed now; None: it is not."""
    if 0 < pace.max_runs <= done.runs:
        return None
    waited = done.last is None or (now - done.last).total_seconds() >= pace.interval
    if known is None:
        return Why.NEVER if waited else None
    if known.seq < seq:
        if known.tried < seq:
            return Why.WAITS
        # Not at once again: nobody but time or another version can change what failed
        return Why.AGAIN if waited else None
    return Why.IMPURE if known.impure and waited else None
