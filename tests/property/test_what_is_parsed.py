"""What is parsed, against a naive world: whatever comes in which order, each file ends as a parse of the
newest version would give it, and none is parsed without a reason.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import UTC, datetime

from attrs import define, evolve, field
from hypothesis import given
from hypothesis import strategies as st

from pinwheel.core.parse.facts import ParseFacts
from pinwheel.core.parse.inputs import Inputs, inputs_of
from pinwheel.core.parse.plan import Done, KnownFile, LastParse, Pace, Plan, Version, Why, compare, due, plan
from pinwheel.core.records import Parse

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PACE = Pace(interval=30, max_runs=-1)
FILES = ("a.py", "b.py", "c.py")
HELPER = "lib.py"
"""Each file whose content is not even reads it."""

manifests = st.builds(
    lambda contents, helper: {**{p: str(c) for p, c in contents.items()}, HELPER: str(helper)},
    st.dictionaries(st.sampled_from(FILES), st.integers(1, 4)),
    st.integers(1, 2),
)


def reads(path: str, manifest: dict[str, str]) -> Inputs:
    files = (path,) if int(manifest[path]) % 2 == 0 else (path, HELPER)
    return inputs_of(ParseFacts(files=tuple(sorted(files))), manifest)


def truth(path: str, manifest: dict[str, str], runtime: str) -> str:
    """What a parse gives: of a file that fails in one version of the helper, an error."""
    return f"{runtime} " + ", ".join(f"{k}={v}" for k, v in sorted(reads(path, manifest).files.items()))


@define
class World:
    """The tables, and one Dag processor with what it remembers."""

    seq: int = 0
    manifest: dict[str, str] = field(factory=dict)
    runtime: str = "r1"
    parses: list[Parse] = field(factory=list)
    pruned: set[int] = field(factory=set)
    rows: dict[str, Parse] = field(factory=dict)
    known: dict[str, KnownFile] = field(factory=dict)
    before: set[tuple[str, str]] = field(factory=set)
    """Every file with what a registered parse of it gave."""
    parsed: list[str] = field(factory=list)

    def take(self, manifest: dict[str, str]) -> Plan:
        self.seq += 1
        self.manifest = manifest
        files = frozenset(manifest) - {HELPER}
        version = Version(files=files, manifest=manifest, runtime=self.runtime)
        last = {
            path: LastParse(
                parse_id=parse.id,
                inputs=Inputs.from_json(parse.inputs),
                runtime=parse.runtime,
                impure=False,
                error=parse.error,
            )
            for path, parse in self.rows.items()
        }
        compared = compare(version, last, self.rows.keys() | self.known.keys())
        earlier: dict[str, list[Parse]] = {}
        for parse in reversed(self.parses):
            earlier.setdefault(parse.file_digest, []).append(parse)
        made = plan(compared, earlier, seq=self.seq)
        made = made.after([p for p, parse in made.reused.items() if parse.parse_id not in self.pruned])
        by_id = {parse.id: parse for parse in self.parses}
        self.rows |= {path: by_id[parse.parse_id] for path, parse in made.done.items()}
        self.rows = {path: row for path, row in self.rows.items() if path not in made.gone}
        self.known = made.known({p: k for p, k in self.known.items() if p not in made.gone})
        return made

    def due(self) -> dict[str, Why]:
        whys = {
            path: due(self.known.get(path), Done(), seq=self.seq, pace=PACE, now=NOW)
            for path in sorted(self.manifest.keys() - {HELPER})
        }
        return {path: why for path, why in whys.items() if why is not None}

    def parse(self, path: str, *, fails: bool = False) -> None:
        self.parsed.append(path)
        self.known[path] = evolve(self.known.get(path, KnownFile()), tried=self.seq)
        if fails:
            return
        inputs = reads(path, self.manifest)
        parse = Parse(
            id=len(self.parses) + 1,
            builds={},
            error=truth(path, self.manifest, self.runtime),
            impure=None,
            bundle_name="b",
            relative_fileloc=path,
            file_digest=self.manifest[path],
            inputs_digest=inputs.digest(),
            runtime=self.runtime,
            inputs=inputs.to_json(),
            seconds=None,
            parsed_at=NOW,
        )
        self.parses.append(parse)
        self.rows[path] = parse
        self.before.add((path, truth(path, self.manifest, self.runtime)))
        self.known[path] = KnownFile(seq=self.seq, inputs=inputs, error=parse.error)

    def restart(self, runtime: str) -> None:
        self.runtime = runtime
        self.known = {}

    def prune(self, ids: Collection[int]) -> None:
        """What a file's newest parse gave is in use."""
        used = {row.id for row in self.rows.values()}
        self.pruned |= set(ids) - used


pushes = st.tuples(st.just("push"), manifests)
restarts = st.tuples(st.just("restart"), st.sampled_from(["r1", "r2"]))
prunes = st.tuples(st.just("prune"), st.sets(st.integers(1, 8)))
parses = st.tuples(st.just("parse"), st.tuples(st.integers(0, 3), st.booleans()))


def played(acts: list[tuple[str, object]]) -> World:
    world = World()
    world.take({HELPER: "1"})
    for act in acts:
        match act:
            case "push", dict(manifest):
                world.take(manifest)
            case "restart", str(runtime):
                world.restart(runtime)
                world.take(world.manifest)
            case "prune", set(ids):
                world.prune(ids)
            case "parse", (int(most), bool(fails)):
                for path in list(world.due())[:most]:
                    world.parse(path, fails=fails)
    return world


histories = st.lists(st.one_of(pushes, pushes, parses, parses, restarts, prunes), max_size=12)


@given(histories)
def test_in_the_end_each_file_is_what_a_parse_of_the_newest_version_gives(
    acts: list[tuple[str, object]],
) -> None:
    world = played(acts)
    for path in world.due():
        world.parse(path)
    assert world.due() == {}
    files = world.manifest.keys() - {HELPER}
    assert {path: row.error for path, row in world.rows.items()} == {
        path: truth(path, world.manifest, world.runtime) for path in files
    }
    assert all(world.known[path].error == world.rows[path].error for path in files)
    assert world.known.keys() == files


@given(histories, manifests)
def test_no_file_is_parsed_that_was_parsed_with_the_same_contents_before(
    acts: list[tuple[str, object]], manifest: dict[str, str]
) -> None:
    world = played([act for act in acts if act[0] != "prune"])
    made = world.take(manifest)
    for path in manifest.keys() - {HELPER}:
        known = (path, truth(path, manifest, world.runtime)) in world.before
        assert (path in made.done) is known
        assert (path in world.due()) is not known


@given(histories, manifests)
def test_each_file_of_a_version_has_exactly_one_answer_and_taking_it_in_again_asks_the_same(
    acts: list[tuple[str, object]], manifest: dict[str, str]
) -> None:
    world = played(acts)
    there = world.known.keys() | world.rows.keys()
    made = world.take(manifest)
    parts = [made.unchanged.keys(), made.reused.keys(), made.to_parse.keys()]
    assert sum(map(len, parts)) == len(frozenset[str]().union(*parts))
    assert frozenset[str]().union(*parts) == manifest.keys() - {HELPER}
    assert made.gone == there - manifest.keys()
    again = world.take(manifest)
    # What was taken over counts as unchanged now
    assert again.unchanged.keys() == made.done.keys()
    assert again.to_parse.keys() == made.to_parse.keys()
    assert not again.gone
    assert not again.reused


@given(histories, manifests)
def test_a_file_that_fails_to_be_registered_is_asked_for_again_but_not_at_once(
    acts: list[tuple[str, object]], manifest: dict[str, str]
) -> None:
    world = played(acts)
    world.take(manifest)
    for path in world.due():
        world.parse(path, fails=True)
        assert due(world.known[path], Done(), seq=world.seq, pace=PACE, now=NOW) is Why.AGAIN
        assert due(world.known[path], Done(last=NOW), seq=world.seq, pace=PACE, now=NOW) is None
        # But in another version at once
        assert due(world.known[path], Done(last=NOW), seq=world.seq + 1, pace=PACE, now=NOW) is Why.WAITS
