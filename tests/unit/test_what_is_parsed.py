"""What must be parsed, and why: for every state of a file what is done with it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta

import pytest
from attrs import evolve

from harness.tables import Expected, product, rows_of
from pinwheel.core.parse.facts import WHOLE_TREE
from pinwheel.core.parse.inputs import Inputs, tree_id
from pinwheel.core.parse.plan import (
    Done,
    KnownFile,
    LastParse,
    Pace,
    Plan,
    Version,
    Why,
    compare,
    due,
    plan,
)
from pinwheel.core.records import Parse

MANIFEST = {"a.py": "a1", "lib.py": "l1"}
SAME = Inputs(files=MANIFEST)
OTHER = Inputs(files={"a.py": "a1", "lib.py": "l0"})
"""Of a parse that saw another helper than the version has."""
VERSION = Version(files=frozenset(["a.py"]), manifest=MANIFEST, runtime="r1")
LAST = LastParse(parse_id=1, inputs=SAME, runtime="r1", impure=False, error=None)
EARLIER = Parse(
    id=2,
    builds={},
    error=None,
    impure=None,
    bundle_name="b",
    relative_fileloc="a.py",
    file_digest="a1",
    inputs_digest="",
    runtime="r1",
    inputs=SAME.to_json(),
    seconds=1.0,
    parsed_at=datetime(2026, 1, 1, tzinfo=UTC),
)

STATE = {
    "file": ("there", "gone"),
    "last": ("none", "same", "other"),
    "runtime": ("this", "other"),
    "kind": ("pure", "impure"),
    "came": ("good", "broken"),
    "content": ("listed", "unlisted"),
    "earlier": ("none", "same", "other", "elsewhere", "runtime", "impure"),
    "builds": ("kept", "pruned"),
}
"""Of a file: whether the version has it; its last parse; its own content id in the manifest (where a file in
an archive has none); an earlier parse of the same content, and whether what that gave is still there."""
GROUPS = {"useless": {"none", "other", "elsewhere", "runtime", "impure"}}

PLAN = """
file   last   runtime  content   earlier  builds => outcome
gone   *      *        *         *        *      => gone
there  same   this     listed    *        *      => unchanged
there  same   this     unlisted  *        *      => parse: changed
there  none   *        listed    useless  *      => parse: never parsed
there  none   *        listed    same     kept   => reuse
there  none   *        listed    same     pruned => parse: result is gone
there  none   *        unlisted  *        *      => parse: never parsed
there  other  this     listed    useless  *      => parse: changed
there  same|other other listed   useless  *      => parse: other runtime
there  same|other other listed   same     kept   => reuse
there  same|other other listed   same     pruned => parse: result is gone
there  other  this     listed    same     kept   => reuse
there  other  this     listed    same     pruned => parse: result is gone
there  other  this     unlisted  *        *      => parse: changed
there  same|other other unlisted *        *      => parse: other runtime
"""

LOOKS: dict[str, Parse] = {
    "same": EARLIER,
    "other": evolve(EARLIER, inputs=OTHER.to_json()),
    "elsewhere": evolve(EARLIER, relative_fileloc="copy/a.py"),
    "runtime": evolve(EARLIER, runtime="r0"),
    "impure": evolve(EARLIER, impure=[{"kind": "clock", "detail": "time"}]),
}


def planned(state: dict[str, str]) -> Plan:
    manifest = MANIFEST if state["content"] == "listed" else {"lib.py": "l1"}
    there = frozenset(["a.py"] if state["file"] == "there" else [])
    version = evolve(VERSION, files=there, manifest=manifest)
    last = evolve(
        LAST,
        inputs=SAME if state["last"] == "same" else OTHER,
        runtime="r1" if state["runtime"] == "this" else "r0",
        impure=state["kind"] == "impure",
        error=None if state["came"] == "good" else "boom",
    )
    compared = compare(version, {} if state["last"] == "none" else {"a.py": last}, ["a.py"])
    earlier: dict[str, Sequence[Parse]] = (
        {"a1": [LOOKS[state["earlier"]]]} if state["earlier"] in LOOKS else {}
    )
    made = plan(compared, earlier, seq=7)
    return made.after(made.reused if state["builds"] == "kept" else ())


def said(made: Plan) -> str:
    parts = (
        ["unchanged" for _ in made.unchanged]
        + ["reuse" for _ in made.reused]
        + [f"parse: {why.value}" for why in made.to_parse.values()]
        + ["gone" for _ in made.gone]
    )
    return ", ".join(parts)


def test_every_file_of_a_version_is_unchanged_reused_parsed_or_gone_as_the_table_says() -> None:
    expected = Expected(rows_of(PLAN, STATE, GROUPS))
    for state in product(STATE):
        expected.compare(state, said(planned(state)))
    expected.verify()


def test_what_is_known_of_a_file_afterwards_is_what_its_parse_gave() -> None:
    before = {"a.py": KnownFile(seq=6, inputs=OTHER, impure=True, error="old", parse_id=9, tried=6)}
    for state in product(STATE):
        made = planned(state)
        known = made.known(before)
        if state["file"] == "gone":
            assert known == {}
        elif made.to_parse:
            assert known == {"a.py": evolve(before["a.py"], seq=0)}
            assert made.known({}) == {"a.py": KnownFile()}
        else:
            (parse,) = made.done.values()
            assert (parse.parse_id, parse.inputs) == (2 if made.reused else 1, SAME)
            assert parse.runtime == "r1"
            assert parse.impure is (bool(made.unchanged) and state["kind"] == "impure")
            assert parse.error == ("boom" if made.unchanged and state["came"] == "broken" else None)
            assert known == {
                "a.py": KnownFile(
                    seq=7, inputs=SAME, impure=parse.impure, error=parse.error, parse_id=parse.parse_id
                )
            }


def test_of_earlier_parses_the_first_that_saw_the_same_is_taken_with_its_error() -> None:
    rows = [
        LOOKS["elsewhere"],
        LOOKS["other"],
        evolve(EARLIER, id=5, error="boom"),
        evolve(EARLIER, id=4),
    ]
    made = plan(compare(VERSION, {}, []), {"a1": rows}, seq=7)
    assert [(parse.parse_id, parse.error) for parse in made.reused.values()] == [(5, "boom")]


def test_earlier_parses_are_looked_up_only_for_files_that_are_not_as_they_were() -> None:
    version = evolve(VERSION, files=frozenset(["a.py", "lib.py", "link.py"]))
    assert compare(version, {"a.py": LAST}, []).contents == {"lib.py": "l1"}
    # Of a content that two files have, each finds its own parse
    twice = evolve(version, manifest={**MANIFEST, "copy.py": "a1"}, files=frozenset(["a.py", "copy.py"]))
    copy = evolve(EARLIER, id=3, relative_fileloc="copy.py")
    made = plan(compare(twice, {}, []), {"a1": [copy, EARLIER]}, seq=7)
    assert {path: parse.parse_id for path, parse in made.reused.items()} == {"a.py": 2, "copy.py": 3}


def test_a_file_that_must_be_parsed_in_each_tree_is_served_by_a_parse_in_this_very_one_only() -> None:
    in_this_tree = evolve(SAME, asked={WHOLE_TREE: tree_id(MANIFEST)})
    rows = [EARLIER, evolve(EARLIER, id=5, inputs=in_this_tree.to_json())]
    compared = compare(VERSION, {}, [])

    def reused(*parses: Parse, always: Sequence[str]) -> list[int]:
        return [
            parse.parse_id for parse in plan(compared, {"a1": parses}, seq=7, always=always).reused.values()
        ]

    assert reused(*rows, always=["a.py"]) == [5]
    assert reused(EARLIER, always=["a.py"]) == []
    assert reused(*rows, always=["b.py"]) == [2]


def test_what_was_parsed_by_another_process_meanwhile_waits_for_its_result() -> None:
    version = evolve(VERSION, files=frozenset(["a.py", "b.py", "c.py"]))
    compared = compare(version, {"a.py": LAST, "b.py": LAST}, [])
    assert compared.without(["b.py", "none.py"]) == evolve(
        compared, unchanged={"a.py": LAST}, others={"b.py": Why.WAITS, "c.py": Why.NEVER}
    )
    assert compared.without([]) == compared


def test_gone_is_what_is_known_and_not_in_the_version() -> None:
    made = plan(compare(VERSION, {"b.py": LAST}, ["a.py", "b.py", "c.py"]), {}, seq=7)
    assert made.gone == {"b.py", "c.py"}
    assert made.to_parse == {"a.py": Why.NEVER}


DUE = {
    "known": ("unknown", "older", "newest"),
    "tried": ("older", "newest"),
    "kind": ("pure", "impure"),
    "last": ("never", "recently", "just then", "long ago"),
    "limit": ("none", "open", "reached", "passed"),
}
"""What is known of the file and tried, how long ago its last parse was, and how many parses are asked for."""
GROUPS_DUE = {
    "waited": {"never", "just then", "long ago"},
    "more": {"none", "open"},
    "no": {"reached", "passed"},
}

TURNS = """
known    tried   kind    last      limit => outcome
*        *       *       *         no    => no
unknown  *       *       waited    more  => never parsed
unknown  *       *       recently  more  => no
older    older   *       *         more  => waits
older    newest  *       waited    more  => not registered
older    newest  *       recently  more  => no
newest   *       pure    *         more  => no
newest   *       impure  waited    more  => impure
newest   *       impure  recently  more  => no
"""

NOW = datetime(2026, 1, 1, tzinfo=UTC)
AGO = {
    "never": None,
    "recently": NOW - timedelta(seconds=29.9),
    "just then": NOW - timedelta(seconds=30),
    "long ago": NOW - timedelta(days=1),
}


def test_every_file_has_its_turn_as_the_table_says() -> None:
    expected = Expected(rows_of(TURNS, DUE, GROUPS_DUE))
    for state in product(DUE):
        known = KnownFile(
            seq=6 if state["known"] == "older" else 7,
            tried=6 if state["tried"] == "older" else 7,
            impure=state["kind"] == "impure",
        )
        runs = {"none": 9, "open": 1, "reached": 2, "passed": 3}[state["limit"]]
        why = due(
            None if state["known"] == "unknown" else known,
            Done(runs=runs, last=AGO[state["last"]]),
            seq=7,
            pace=Pace(interval=30, max_runs=-1 if state["limit"] == "none" else 2),
            now=NOW,
        )
        expected.compare(state, why.value if why else "no")
    expected.verify()


def test_a_file_of_which_nothing_was_done_was_never_tried_or_parsed() -> None:
    assert (KnownFile().seq, KnownFile().tried, Done().runs) == (0, 0, 0)


def test_a_file_that_is_to_be_parsed_once_is_not_parsed_again() -> None:
    pace = Pace(interval=30, max_runs=1)
    assert due(KnownFile(seq=6), Done(runs=0), seq=7, pace=pace, now=NOW) is Why.WAITS
    assert due(KnownFile(seq=6), Done(runs=1, last=NOW), seq=7, pace=pace, now=NOW) is None


@pytest.mark.parametrize("max_runs", [-1, 0])
def test_without_a_limit_a_file_of_a_new_version_is_parsed_however_often_it_was(max_runs: int) -> None:
    pace = Pace(interval=30, max_runs=max_runs)
    assert due(KnownFile(seq=6), Done(runs=1000, last=NOW), seq=7, pace=pace, now=NOW) is Why.WAITS


def test_a_file_that_was_seen_in_a_newer_version_than_asked_for_is_not_parsed() -> None:
    pace = Pace(interval=30, max_runs=-1)
    assert due(KnownFile(seq=8), Done(), seq=7, pace=pace, now=NOW) is None
    assert due(KnownFile(seq=6, tried=8), Done(last=NOW), seq=7, pace=pace, now=NOW) is None
