"""Rules and policies in words, as explain and test show them."""

from __future__ import annotations

import pytest

from pinwheel.core.parse.policy_yaml import read_platform
from pinwheel.core.release.serialized import plan_from_json
from pinwheel.core.release.spoken import dags_words, plan_words, rule_words
from pinwheel.core.rollout.steps import Plan, Release, Watch
from pinwheel.core.rollout.way_back import WayBack, When


def said_of(rule: str) -> str:
    (found,) = read_platform(f"rules: [{{name: r, {rule}}}]".encode()).rules
    return rule_words(found)


@pytest.mark.parametrize(
    ("step", "words"),
    [
        ({"approve": {}}, "1 person approves, none of author, committer, promoter; it pauses after 2w"),
        (
            {"approve": {"count": 2, "persons": ["bob", "ada"], "not": [], "expires": "3h"}},
            "2 persons approve of ada, bob; it pauses after 3h",
        ),
        ({"approve": {"not": ["author"]}}, "1 person approves, none of author; it pauses after 2w"),
        ({"check": {"name": "ci"}}, "check ci passes"),
        (
            {"check": {"name": "ci", "of": "version", "timeout": "4h"}},
            "check ci passes on its bundle version; it pauses after 4h",
        ),
        (
            {"check": {"name": "ci", "timeout": "4h", "on_timeout": "abort"}},
            "check ci passes; it is aborted after 4h",
        ),
        ({"wait": {"for": "90m"}}, "90m pass"),
        ({"wait": {"until": "2026-12-20T18:00+01:00"}}, "it is 2026-12-20 17:00 UTC"),
        ({"wait": {"idle": True}}, "no run of the Dag is active; it pauses after 1d"),
    ],
)
def test_each_gate_has_words(step: dict[str, object], words: str) -> None:
    assert plan_words(plan_from_json({"steps": [step, "release"]})) == (words, "new runs take it")


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([{"release": "by-hand"}], "new runs take it when somebody asks"),
        (["release", {"soak": {}}], "it is watched: 5 runs"),
        (
            ["release", {"soak": {"runs": 3, "at_least": "1d", "at_most": "1w"}}],
            "it is watched: 3 runs and 1d at least; 1w at most",
        ),
        (["release", {"soak": {"runs": 0, "at_least": "2h"}}], "it is watched: 2h at least"),
    ],
)
def test_a_release_and_its_watch_have_words(steps: list[object], words: str) -> None:
    never = {} if len(steps) == 1 else {"rollback": {"when": "never"}}
    only = "; nothing rolls it back" if never else ""
    assert plan_words(plan_from_json({"steps": steps, **never}))[-1] == words + only


def test_a_watch_for_nothing_says_so() -> None:
    plan = Plan(steps=(Release(), Watch(runs=0)), rollback=WayBack(when=When.NEVER))
    assert plan_words(plan)[-1] == "it is watched: no runs; nothing rolls it back"


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        ("allow: {days: mon-thu, zone: UTC}", "open mon-thu (UTC) only"),
        ("deny: {dates: 12-24, zone: UTC}", "closed 12-24 (UTC)"),
        ("freeze: {reason: audit}", "frozen until it is lifted: audit"),
        (
            "require: {check: {name: ci}, wait: {for: 1h}}",
            "before each release check ci passes and 1h pass",
        ),
        (
            "require: {wait: {for: 1h}}, unknown_author: allow",
            "before each release 1h pass; an author who is no known user costs no further approval",
        ),
        ("forbid: [trials, runs-by-hand]", "nobody may do runs-by-hand and trials"),
    ],
)
def test_each_kind_of_rule_has_words(rule: str, words: str) -> None:
    assert said_of(rule) == words


@pytest.mark.parametrize(
    ("dags", "words"),
    [
        ("all", "all Dags"),
        ("{ids: [a], globs: ['b_*']}", "a, b_*"),
        ("{tags: [x, y]}", "Dags tagged x or y"),
        ("{globs: ['b_*'], bundle: main}", "b_* of bundle main"),
    ],
)
def test_the_dags_that_are_meant_have_words(dags: str, words: str) -> None:
    (rule,) = read_platform(f"rules: [{{name: r, dags: {dags}, forbid: [trials]}}]".encode()).rules
    assert dags_words(rule.dags) == words
