"""Rules and policies as they are written: examples are taken, and each fault is told by its line."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jsonschema
import pytest
import yaml

from pinwheel.core.parse.pinwheel_yaml import read, schema
from pinwheel.core.parse.policy_yaml import platform_schema, read_platform
from pinwheel.core.release.notation import LATER, duration_text
from pinwheel.core.release.policy import Policy
from pinwheel.core.release.rule import ALL, Forbid, Forbidden, Require, Rule
from pinwheel.core.release.serialized import (
    digest,
    file_to_json,
    plan_from_json,
    plan_to_json,
    policy_from_json,
    policy_to_json,
    rule_from_json,
    rule_to_json,
)
from pinwheel.core.rollout.steps import (
    Approve,
    Check,
    Newer,
    Of,
    OnTimeout,
    Party,
    Plan,
    Release,
    Wait,
    Watch,
)
from pinwheel.core.rollout.way_back import Failures, WayBack, When
from pinwheel.core.rollout.window import Allow, Deny, Freeze, Hours, Window, Yearly
from pinwheel.core.selector import Selector

BERLIN = "Europe/Berlin"

LEAST = b"""\
policies:
  - name: critical
    dags: {tags: [critical]}
    steps: [{approve: {}}, release, {soak: {runs: 5, at_most: 7d}}]
"""
BANK = b"""\
rules:
  - {name: office, allow: {days: mon-thu, hours: "09:00-16:00", zone: Europe/Berlin}, dags: {tags: [finance]}}
  - name: quarter-end
    deny: {dates: "03-28..04-02, 06-27..07-02, 09-27..10-02, 12-20..01-03", zone: Europe/Berlin}
    override: [finance-incident]
  - {name: four-eyes, require: {approve: {count: 1, not: [author, committer, promoter]}}, dags: {tags: [sox]}}
policies:
  - name: finance
    dags: {tags: [finance]}
    locked: true
    steps:
      - check: {name: ci/regression, timeout: 4h}
      - release
      - soak: {runs: 5, at_least: 24h, at_most: 7d}
    rollback: {when: worse, deadline: missed, also: [check: data/quality], rerun_failed: true}
"""
ORCHESTRATED = b"""\
policies:
  - name: orchestrated
    dags: {bundle: main}
    steps: [{check: {name: spinnaker, timeout: 14d, on_timeout: abort}}, release]   # or [{release: by-hand}]
    newer: supersede
  - {name: by-hand, dags: all, steps: [{release: by-hand}]}
"""
"""The examples of the design, without what its second half brings."""

ALL_OF_IT = b"""\
rules:
  - name: either
    dags: {globs: ["sales_*"], bundle: main}
    allow:
      - {days: mon-thu, hours: "09:00-16:00", zone: UTC}
      - days: [fri]
        hours: ["09:00-12:00", "13:00-14:00"]
        zone: Europe/Berlin
  - name: migration
    freeze: {from: "2026-12-20T18:00+01:00", until: 2026-12-21T06:00Z, reason: the database moves}
  - name: all-gates
    dags: {ids: [a, b], tags: [x]}
    require:
      approve: {count: 2, not: [], persons: [bob, amy], expires: 1w}
      wait: {idle: true, patience: 90m}
      check: {name: ci, of: version, timeout: 1h}
    unknown_author: allow
  - {name: no-toys, forbid: [trials, runs-by-hand], override: [amy]}
policies:
  - name: long
    dags: all
    steps:
      - wait: {for: 366d}
      - wait: {until: "2027-01-01T00:00+00:00"}
      - check: {name: ci}
      - release: by-hand
    newer: queue
    follow: true
"""

OF_THE_PAGE = {"least": LEAST, "bank": BANK, "orchestrated": ORCHESTRATED, "all of it": ALL_OF_IT}


@pytest.mark.acceptance("rollouts", 103)
@pytest.mark.parametrize("example", OF_THE_PAGE)
def test_each_example_is_taken_and_so_says_the_schema_for_editors(example: str) -> None:
    data = OF_THE_PAGE[example]
    assert read_platform(data).wrong == ()
    jsonschema.validate(
        yaml.safe_load(data.replace(b" 2026-12-21T06:00Z", b" '2026-12-21T06:00Z'")), platform_schema()
    )
    if example in ("least", "orchestrated"):
        assert read(data).policies == read_platform(data).policies
        jsonschema.validate(yaml.safe_load(data), schema())


def test_the_least_policy_is_one_approval_by_another_person() -> None:
    assert read(LEAST).policies == (
        Policy(
            name="critical",
            dags=Selector(tags=("critical",)),
            plan=Plan(
                steps=(
                    Approve(count=1, excludes=frozenset(Party)),
                    Release(),
                    Watch(runs=5, at_most=timedelta(days=7)),
                )
            ),
        ),
    )
    assert read(LEAST).policies[0].line == 2


def test_a_platforms_file_gives_its_rules_and_policies() -> None:
    found = read_platform(BANK)
    assert found.rules == (
        Rule(
            name="office",
            dags=Selector(tags=("finance",)),
            body=Allow((Window(zone=BERLIN, days=frozenset(range(4)), hours=(Hours(540, 960),)),)),
        ),
        Rule(
            name="quarter-end",
            body=Deny(
                (
                    Window(
                        zone=BERLIN,
                        dates=(
                            Yearly((3, 28), (4, 2)),
                            Yearly((6, 27), (7, 2)),
                            Yearly((9, 27), (10, 2)),
                            Yearly((12, 20), (1, 3)),
                        ),
                    ),
                )
            ),
            override=("finance-incident",),
        ),
        Rule(name="four-eyes", dags=Selector(tags=("sox",)), body=Require(gates=(Approve(),))),
    )
    assert [rule.line for rule in found.rules] == [2, 3, 6]
    check = Check(name="ci/regression", timeout=timedelta(hours=4))
    soak = Watch(runs=5, at_least=timedelta(hours=24), at_most=timedelta(days=7))
    back = WayBack(deadline=True, also=frozenset({"data/quality"}), rerun_failed=True)
    plan = Plan(steps=(check, Release(), soak), rollback=back)
    assert found.policies == (
        Policy(name="finance", dags=Selector(tags=("finance",)), plan=plan, locked=True),
    )


def test_all_that_can_be_written_is_read() -> None:
    either, migration, all_gates, no_toys = read_platform(ALL_OF_IT).rules
    assert either.dags == Selector(globs=("sales_*",), bundle="main")
    assert either.body == Allow(
        (
            Window(zone="UTC", days=frozenset(range(4)), hours=(Hours(540, 960),)),
            Window(zone=BERLIN, days=frozenset({4}), hours=(Hours(540, 720), Hours(780, 840))),
        )
    )
    assert migration.dags == ALL
    assert migration.body == Freeze(
        since=datetime(2026, 12, 20, 17, tzinfo=UTC),
        until=datetime(2026, 12, 21, 6, tzinfo=UTC),
        reason="the database moves",
    )
    assert all_gates.body == Require(
        gates=(
            Check(name="ci", of=Of.VERSION, timeout=timedelta(hours=1)),
            Wait(idle=True, patience=timedelta(minutes=90)),
            Approve(
                count=2,
                excludes=frozenset(),
                persons=frozenset({"amy", "bob"}),
                expires=timedelta(weeks=1),
            ),
        ),
        unknown_author_allowed=True,
    )
    assert no_toys.body == Forbid(frozenset(Forbidden)) and no_toys.override == ("amy",)
    (long,) = read_platform(ALL_OF_IT).policies
    assert long == Policy(
        name="long",
        dags=ALL,
        plan=Plan(
            steps=(
                Wait(span=timedelta(days=366)),
                Wait(until=datetime(2027, 1, 1, tzinfo=UTC)),
                Check(name="ci"),
                Release(by_hand=True),
            ),
            newer=Newer.QUEUE,
            follow=True,
        ),
    )
    (orchestrated, _) = read_platform(ORCHESTRATED).policies
    assert orchestrated.plan.gates == (
        Check(name="spinnaker", timeout=timedelta(days=14), on_timeout=OnTimeout.ABORT),
    )


def policy(steps: str = "[release]", more: str = "", dags: str = "all") -> bytes:
    return f"policies:\n- name: x\n  dags: {dags}\n  steps:\n    {steps}\n{more}".encode()


def rule(body: str, dags: str = "all") -> bytes:
    return f"rules:\n- name: x\n  dags: {dags}\n  {body}\n".encode()


GATES = {
    "an unknown gate": (policy("- aprove: {}\n    - release"), 5, "'aprove' is no key", "Write 'approve'"),
    "a gate as a text": (
        policy("- approve\n    - release"),
        5,
        "steps[0] is the text 'approve'",
        "Give it keys: ",
    ),
    "two gates as one step": (
        policy("- approve: {}\n      wait: {for: 1h}\n    - release"),
        *(5, "steps[0]: is 2 steps", "give it one key"),
    ),
    "an empty step": (policy("- {}\n    - release"), 5, "steps[0]: is no steps", "give it one key"),
    "no release": (policy("- approve: {}"), 4, "policies[0].steps: has no release", "Add it"),
    "two releases": (
        policy("- release\n    - release: by-hand"),
        6,
        "steps[1]: is a second release",
        "Leave one",
    ),
    "a gate behind the release": (
        policy("- release\n    - approve: {}"),
        *(6, "steps[1]: is approve behind the release", "Put it before"),
    ),
    "a gate twice": (
        policy(
            "- check: {name: a}\n    - check: {name: b}\n    - check: {name: a, timeout: 1h}\n    - release"
        ),
        *(7, "steps[2]: is check like steps[0]", "Leave one"),
    ),
    "an approval twice": (
        policy("- approve: {}\n    - approve: {count: 2}\n    - release"),
        *(6, "is approve like steps[0]", "the stricter values"),
    ),
    "a wait twice": (
        policy("- wait: {for: 1h}\n    - wait: {for: 2h}\n    - release"),
        *(6, "is wait like steps[0]", "the stricter values"),
    ),
    "no steps": (policy("[]"), 4, "policies[0].steps is empty", "Fill it"),
    "too many steps": (policy("[" + "release, " * 21 + "]"), 4, "there can be 20", "shorter"),
    "another release": (policy("- release: by_hand"), 5, "has to be 'by-hand'", "Write 'by-hand'"),
    "no count": (
        policy("- approve: {count: 0}\n    - release"),
        5,
        "count is 0, and has to be 1 at least",
        "Raise",
    ),
    "too large a count": (
        policy("- approve: {count: 21}\n    - release"),
        5,
        "count is 21, and can be 20",
        "Lower",
    ),
    "a text as count": (
        policy("- approve: {count: two}\n    - release"),
        *(5, "count is the text 'two', and has to be a whole number", "Write one"),
    ),
    "a truth value as count": (
        policy("- approve: {count: yes}\n    - release"),
        *(5, "count is a truth value (yes), and has to be a whole number", "Write one"),
    ),
    "another party": (
        policy("- approve:\n        not:\n          - autor\n    - release"),
        *(
            7,
            "not[0] is the text 'autor', and has to be 'author', 'committer' or 'promoter'",
            "Write 'author'",
        ),
    ),
    "a person as no text": (
        policy("- approve: {persons: [7]}\n    - release"),
        *(5, "persons[0] is a number (7), and has to be text", "quotes"),
    ),
    "a duration without a unit": (
        policy("- approve: {expires: 4}\n    - release"),
        *(5, "expires is a number (4), and has to be text", "quotes"),
    ),
    "another unit": (
        policy("- check:\n        name: ci\n        timeout: 4hours\n    - release"),
        *(7, "timeout: '4hours' is no duration", "4h or 14d"),
    ),
    "no time": (policy("- wait: {for: 0h}\n    - release"), 5, "for: '0h' is no duration", "30m"),
    "too long a time": (policy("- wait: {for: 53w}\n    - release"), 5, "longer than a year", "shorter"),
    "by a day too long a time": (policy("- wait: {for: 367d}\n    - release"), 5, "longer than a year", ""),
    "far too long a time": (policy("- wait: {for: 99999999w}\n    - release"), 5, "longer than a year", ""),
    "a check without a name": (
        policy("- check: {}\n    - release"),
        5,
        "'name' is missing of policies[0]",
        "Add it",
    ),
    "a check of nothing": (policy("- check: {name: ' '}\n    - release"), 5, "name is empty", "Fill it"),
    "a check as a text": (
        policy("- check: ci\n    - release"),
        5,
        "check is the text 'ci'",
        "Give it keys: name",
    ),
    "nothing as a check": (policy("- check:\n    - release"), 5, "check is nothing", "Give it keys: name"),
    "an unknown key of a check": (
        policy("- check:\n        name: ci\n        time_out: 1h\n    - release"),
        *(7, "'time_out' is no key of policies[0].steps[0].check", "Write 'timeout'"),
    ),
    "on_timeout without a timeout": (
        policy("- check: {name: ci, on_timeout: abort}\n    - release"),
        *(5, "check: has on_timeout, and no timeout", "Add timeout: 4h"),
    ),
    "another on_timeout": (
        policy("- check: {name: ci, timeout: 1h, on_timeout: go}\n    - release"),
        *(5, "has to be 'pause' or 'abort'", "one of these"),
    ),
    "a wait for nothing": (
        policy("- wait: {}\n    - release"),
        5,
        "wait: waits for none",
        "one of the three",
    ),
    "a wait for two": (
        policy("- wait: {for: 1h, idle: true}\n    - release"),
        5,
        "none or several",
        "one of",
    ),
    "a wait without idle": (
        policy("- wait: {idle: no}\n    - release"),
        5,
        "idle is a truth value (no)",
        "one of",
    ),
    "patience of another wait": (
        policy("- wait: {for: 1h, patience: 2h}\n    - release"),
        *(5, "has patience, which only idle has", "Remove it"),
    ),
    "an instant without an offset": (
        policy("- wait: {until: 2027-01-01T00:00}\n    - release"),
        *(5, "until: it is no date and time with an offset", "+01:00"),
    ),
    "an instant that nobody can mean": (
        policy("- wait: {until: 9999-12-31T23:59Z}\n    - release"),
        *(5, "until: it is of the year 9999", "1970 to 9990"),
    ),
}
WATCHES = {
    "a watch that ends before it may": (
        policy("- release\n    - soak:\n        at_least: 2d\n        at_most: 1d"),
        *(6, "soak: has an at_most that is shorter than its at_least", "Raise at_most"),
    ),
    "a watch for nothing": (
        policy("- release\n    - soak: {runs: 0}"),
        *(6, "soak: waits for no run and for no time", "at_least: 1d"),
    ),
    "a watch for no run until a time": (
        policy("- release\n    - soak: {runs: 0, at_most: 7d}"),
        *(6, "soak: waits for no run and for no time", "runs: 5"),
    ),
    "fewer runs than none": (
        policy("- release\n    - soak: {runs: -1}"),
        *(6, "runs is -1, and has to be 0 at least", "Raise"),
    ),
    "a watch before the release": (
        policy("- soak: {}\n    - release"),
        *(5, "steps[0]: is a soak before the release", "Put it behind"),
    ),
    "more failures than runs": (
        policy(
            "- release\n    - soak: {}",
            "  rollback:\n    slower: true\n    when: {failures: 6, of: 5}\n",
        ),
        *(9, "has more failures than runs", "it would never fire"),
    ),
    "another rule": (
        policy("- release\n    - soak: {}", "  rollback: {when: wurse}\n"),
        *(7, "rollback.when", "worse"),
    ),
    "an unknown key of rollback": (
        policy("- release\n    - soak: {}", "  rollback:\n    re_run: true\n"),
        *(8, "'re_run' is no key of policies[0].rollback", ""),
    ),
    "a rollback of what nobody watches": (
        policy("- release", "  rollback: {when: worse}\n"),
        *(6, "policies[0].rollback says when a watch rolls back, and the policy has none", "soak: {runs: 5}"),
    ),
}
FILES = {
    "an unknown section": (b"policys: []\n", 1, "'policys' is no key of this file", "Write 'policies'"),
    "an unknown key of a policy": (
        policy(more="  setps: []\n"),
        *(6, "'setps' is no key of policies[0]", "Write 'steps'"),
    ),
    "no name": (
        b"policies:\n- dags: all\n  steps: [release]\n",
        2,
        "'name' is missing of policies[0]",
        "Add it",
    ),
    "no Dags of a policy": (b"policies:\n- name: x\n  steps: [release]\n", 2, "'dags' is missing", "Add it"),
    "empty Dags": (policy(dags="{}"), 3, "policies[0].dags: names no Dags", "or write all"),
    "an unknown way to name Dags": (policy(dags="{tag: [a]}"), 3, "'tag' is no key", "Write 'tags'"),
    "a text as Dags": (
        policy(dags="sales"),
        3,
        "policies[0].dags is the text 'sales'",
        "Give it keys: ids, globs",
    ),
    "an empty list of Dags": (policy(dags="{ids: []}"), 3, "dags.ids is empty", "Fill it"),
    "another newer": (
        policy(more="  newer: suprsede\n"),
        *(6, "has to be 'supersede', 'replace' or 'queue'", "Write 'supersede'"),
    ),
    "a text as follow": (policy(more="  follow: 'yes'\n"), 6, "has to be true or false", "Write one"),
    "the same name twice": (
        policy(more="- {name: y, dags: all, steps: [release]}\n- name: x\n  dags: all\n  steps: [release]\n"),
        *(7, "policies[0] has this name too", "another name"),
    ),
    "a name as a later key": (
        policy(more="- dags: all\n  name: x\n  steps: [release]\n"),
        *(7, "policies[0] has this name too", "another name"),
    ),
    "another queue": (policy(more="  newer: queu\n"), 6, "'replace' or 'queue'", "Write 'queue'"),
    "the built-in name": (
        b"policies:\n- dags: all\n  name: at-once\n  steps: [release]\n",
        *(3, "the name of the built-in policy", "another name"),
    ),
    "a list as file": (b"- x\n", 1, "the file is a list, and has to be a mapping", "policies"),
    "no YAML": (b"rules:\n  - {name: [x}\n", 2, "it is no YAML", "Correct it"),
}
RULES = {
    "an unknown zone": (
        rule("deny:\n    hours: 09:00-10:00\n    zone: Europe/Berln"),
        *(6, "rules[0].deny.zone: no time zone is called 'Europe/Berln'", "Write 'Europe/Berlin'"),
    ),
    "an unknown zone of a second window": (
        rule("deny:\n  - {zone: UTC}\n  - hours: 09:00-10:00\n    zone: Mars"),
        *(7, "rules[0].deny[1].zone: no time zone", ""),
    ),
    "no zone": (rule("allow: {days: mon}"), 4, "'zone' is missing of rules[0].allow", "Add it"),
    "other days": (rule("allow:\n    zone: UTC\n    days: monday"), 6, "days: it has 'monday'", "mon-fri"),
    "days as a number": (rule("allow: {zone: UTC, days: 1}"), 4, "days is a number (1)", "quotes"),
    "a day among days that is none": (
        rule("allow: {zone: UTC, days: [mon, 2]}"),
        *(4, "days is a list, and has to be text", "Write a text"),
    ),
    "other hours": (rule("allow: {zone: UTC, hours: 9-16}"), 4, "it has '9-16'", "09:00-16:00"),
    "other dates": (rule("deny: {zone: UTC, dates: 02-30}"), 4, "it has '02-30'", "12-24"),
    "several zones": (rule("deny: {zone: [UTC]}"), 4, "zone is a list, and has to be text", "a text"),
    "too many windows": (
        rule(f"deny: [{'{zone: UTC}, ' * 21}]"),
        *(4, "rules[0].deny is too long: there can be 20 in it", "shorter"),
    ),
    "no windows": (rule("deny: []"), 4, "rules[0].deny is empty", "Fill it"),
    "an unknown key of a window": (
        rule("deny: {zone: UTC, hour: x}"),
        4,
        "'hour' is no key",
        "Write 'hours'",
    ),
    "no kind": (rule("override: [amy]"), 2, "rules[0]: has nothing to say", "allow, deny, freeze, require"),
    "two kinds": (
        rule("deny: {zone: UTC}\n  forbid: [trials]"),
        *(2, "rules[0]: has deny and forbid", "Give it one of"),
    ),
    "a freeze that ends before it begins": (
        rule("freeze:\n    from: 2026-12-21T00:00Z\n    until: 2026-12-21T00:00Z"),
        *(6, "freeze.until: ends before it begins", "earlier instant as from"),
    ),
    "a freeze before anybody released": (
        rule("freeze:\n    from: 1969-12-31T23:59Z"),
        *(5, "freeze.from: it is of the year 1969", "1970 to 9990"),
    ),
    "a gate that no rule can require": (
        rule("require: {release: by-hand}"),
        4,
        "'release' is no key",
        "Remove it",
    ),
    "nothing required": (rule("require: {}"), 4, "requires nothing", "Give it approve, check, wait"),
    "another act": (
        rule("forbid: [runs_by_hand]"),
        *(4, "forbid[0] is the text 'runs_by_hand', and has to be", "'runs-by-hand'"),
    ),
    "unknown authors of a window": (
        rule("deny: {zone: UTC}\n  unknown_author: allow"),
        *(5, "has unknown_author, which only require has", "Remove it"),
    ),
    "the same name twice": (
        b"rules:\n- {name: x, forbid: [trials]}\n- {name: x, forbid: [trials]}\n",
        *(3, "rules[0] has this name too", "another name"),
    ),
    "nobody may override": (rule("forbid: [trials]\n  override: []"), 5, "override is empty", "remove it"),
}
WRONG = {
    f"{kind}: {name}": case
    for kind, cases in (("gate", GATES), ("watch", WATCHES), ("file", FILES), ("rule", RULES))
    for name, case in cases.items()
}
BY_THE_PARSER_ALONE = {
    "file: no YAML",
    "file: the same name twice",
    "file: the built-in name",
    "file: a name as a later key",
    "rule: the same name twice",
    "rule: an unknown zone",
    "rule: an unknown zone of a second window",
    "rule: other days",
    "rule: other hours",
    "rule: other dates",
    "rule: a freeze that ends before it begins",
    "rule: unknown authors of a window",
    "gate: no release",
    "gate: two releases",
    "gate: a gate behind the release",
    "gate: a gate twice",
    "gate: an approval twice",
    "gate: a wait twice",
    "gate: too long a time",
    "gate: far too long a time",
    "gate: by a day too long a time",
    "gate: on_timeout without a timeout",
    "gate: a wait for nothing",
    "gate: a wait for two",
    "gate: patience of another wait",
    "gate: an instant without an offset",
    "gate: an instant that nobody can mean",
    "rule: a freeze before anybody released",
    "watch: a watch that ends before it may",
    "watch: a watch for nothing",
    "watch: a watch for no run until a time",
    "watch: a watch before the release",
    "watch: more failures than runs",
    "watch: a rollback of what nobody watches",
}
"""What a JSON schema has no words for."""


@pytest.mark.acceptance("rollouts", 103)
@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_told_with_its_line_and_what_to_do(case: str) -> None:
    data, line, found, remedy = WRONG[case]
    told = read_platform(data)
    assert told.rules == told.policies == ()
    assert any(one.line == line and found in one.found and remedy in one.remedy for one in told.wrong), told
    if case.startswith(("gate", "watch")):
        assert read(data).wrong == told.wrong and read(data).policies == ()


@pytest.mark.acceptance("rollouts", 103)
@pytest.mark.parametrize("case", sorted(set(WRONG) - {"file: no YAML"}))
def test_the_schema_for_editors_refuses_what_a_schema_can(case: str) -> None:
    data = yaml.safe_load(WRONG[case][0])
    refused = bool(list(jsonschema.Draft202012Validator(platform_schema()).iter_errors(data)))
    assert refused is (case not in BY_THE_PARSER_ALONE)


@pytest.mark.parametrize(
    ("key", "comes_with", "data", "line"),
    [
        ("canary", "canaries", policy("- canary: {runs: 2}\n    - release"), 5),
        ("trial", "trials", policy("- approve: {}\n    - trial: {}\n    - release"), 6),
        ("verify", "Dags that verify", policy("- verify: {dag: x}\n    - release"), 5),
        ("wave", "waves", policy("- wave: {}\n    - release"), 5),
        ("waves", "waves", policy(more="  waves: [rest]\n"), 6),
        ("notify", "notifications", policy(more="  notify: [slack]\n"), 6),
    ],
)
def test_what_comes_later_is_refused_by_its_name_and_nothing_else_is_told_of_it(
    key: str, comes_with: str, data: bytes, line: int
) -> None:
    assert LATER[key] == comes_with
    (wrong,) = read_platform(data).wrong
    assert wrong.line == line and f"{key} is not taken yet: it comes with {comes_with}" in wrong.found
    assert wrong.remedy == "Leave it out until then"
    assert read(data).wrong == (wrong,) and read(data).policies == ()
    assert list(jsonschema.Draft202012Validator(platform_schema()).iter_errors(yaml.safe_load(data)))
    # What else is wrong is told too
    others = read_platform(data + b"- name: y\n  dags: all\n  steps: [go]\n").wrong
    assert wrong in others and any("'go'" in one.found for one in others) and len(others) == 2


def test_a_repository_has_no_rules_and_locks_nothing() -> None:
    data = b"rules:\n- {name: x, forbid: [trials]}\n" + policy(more="  locked: true\n  newr: queue\n")
    wrong = read(data).wrong
    assert [(one.line, one.found) for one in wrong] == [
        (1, "rules are the platform's alone: a repository has none"),
        (8, "policies[0] is locked, which only the platform's policies can be"),
        (9, wrong[2].found),
    ]
    assert "'newr' is no key of policies[0]; known: name, dags, steps, newer, follow" in wrong[2].found
    assert read(policy(more="  locked: false\n")).policies == ()
    assert read(b"rules: 1\n").wrong[0].line == 1


@pytest.mark.parametrize(
    "odd", [b"policies: x\n", b"policies: [x]\n", b"policies: [{steps: x}]\n", b"7\n", b"[]"]
)
def test_no_file_is_too_odd_to_be_told_about(odd: bytes) -> None:
    assert read_platform(odd).wrong and read(odd).wrong


def test_what_is_told_of_a_text_is_short_and_can_be_shown() -> None:
    (wrong,) = read_platform(
        rule(f"deny: {{zone: UTC, days: '\\u202e{'x' * 50_000}'}}".replace("'", '"'))
    ).wrong
    assert wrong.line == 4 and len(wrong.found) == 500 and wrong.found.isprintable()
    (wrong,) = read_platform(rule(f"deny: {{zone: {'Europe/Berlin' * 10_000}}}")).wrong
    assert len(wrong.found) == 500


def test_a_wrong_policy_takes_its_whole_file_out_and_so_does_a_wrong_input() -> None:
    inputs = b"inputs:\n- dags: {ids: [a]}\n  files: [b]\n"
    assert read(inputs + LEAST).policies == read(LEAST).policies
    assert read(inputs + LEAST).rules == read(inputs).rules
    assert read(inputs + policy("- go")).rules == ()
    assert read(LEAST + b"inputs:\n- dags: {}\n  files: [b]\n").policies == ()


def test_a_file_names_so_many_dags_as_can_be_asked_for_each_dag() -> None:
    def policies() -> bytes:
        many = ", ".join(f"d{each}_*" for each in range(498))
        item = "- {{name: p{at}, dags: {{ids: [x], globs: [{many}], tags: [y]}}, steps: [release]}}\n"
        four = "".join(item.format(at=at, many=many) for at in range(4))
        return f"policies:\n{four}- {{name: last, dags: {{globs: [x]}}, steps: [release]}}".encode()

    for parse in (read, read_platform):
        (wrong,) = parse(policies()).wrong
        assert (wrong.line, wrong.found) == (
            6,
            "up to here it has 2,001 ids, globs and tags of Dags, and can have 2,000",
        )
        assert "wider globs" in wrong.remedy and parse(policies()).policies == ()
    some = policies().replace(b"tags: [y]", b"bundle: y", 1)
    assert read(some).wrong == read_platform(some).wrong == ()
    (wrong,) = read_platform(some + b"\nrules: [{name: r, dags: {ids: [z]}, forbid: [trials]}]").wrong
    assert wrong.line == 7


# As rows


WATCHED = Plan(
    steps=(
        Check(name="ci", timeout=timedelta(seconds=90)),
        Release(),
        Watch(runs=3, at_least=timedelta(hours=24)),
    ),
    newer=Newer.REPLACE,
    rollback=WayBack(
        when=Failures(failures=2, of=5),
        slower=True,
        deadline=True,
        early=True,
        also=frozenset({"data/quality", "a"}),
        rerun_failed=True,
    ),
)


@pytest.mark.parametrize("example", OF_THE_PAGE)
def test_rules_and_policies_are_the_same_after_json(example: str) -> None:
    found = read_platform(OF_THE_PAGE[example])
    for policy_ in found.policies:
        assert policy_from_json(json.loads(json.dumps(policy_to_json(policy_)))) == policy_
    for rule_ in found.rules:
        assert rule_from_json(json.loads(json.dumps(rule_to_json(rule_)))) == rule_


@pytest.mark.parametrize(
    "plan",
    [
        Plan(),
        WATCHED,
        Plan(steps=(Release(), Watch(at_most=timedelta(days=7))), rollback=WayBack(when=When.NEVER)),
        Plan(steps=(Approve(persons=frozenset({"b", "a"}), excludes=frozenset({Party.AUTHOR})), Release())),
    ],
)
def test_a_plan_is_the_same_after_json_with_what_comes_later_too(plan: Plan) -> None:
    assert plan_from_json(json.loads(json.dumps(plan_to_json(plan)))) == plan
    assert digest(plan) == digest(plan_from_json(plan_to_json(plan)))


def test_the_json_and_the_digest_of_a_plan_stay_what_they_are() -> None:
    assert plan_to_json(WATCHED) == {
        "steps": [
            {"check": {"name": "ci", "of": "place", "timeout": "90s", "on_timeout": "pause"}},
            "release",
            {"soak": {"runs": 3, "at_least": "1d"}},
        ],
        "newer": "replace",
        "follow": False,
        "rollback": {
            "when": {"failures": 2, "of": 5},
            "slower": True,
            "early": True,
            "rerun_failed": True,
            "deadline": "missed",
            "also": [{"check": "a"}, {"check": "data/quality"}],
        },
    }
    assert digest(Plan()) == "1eb8ada05276cf0d6a6ef68e34360d4f53739dbb0e5c3c257025c50a05cd8561"
    assert digest(WATCHED) != digest(Plan())


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({}, "steps: "),
        (None, "the value: "),
        ({"steps": ["go"]}, "steps.0: "),
        ({"steps": ["release"], "wave": []}, "wave: "),
        ({"steps": ["release"], "newer": None}, "newer: "),
        ({"steps": [{"approve": {"count": "1"}}, "release"]}, "steps.0.approve.count: "),
        ({"steps": [{"approve": {}}]}, "steps: has no release"),
    ],
)
def test_what_is_no_plan_is_no_row(value: Any, said: str) -> None:
    with pytest.raises(ValueError, match=f"^{said}"):
        plan_from_json(value)


def test_what_is_no_rule_or_policy_is_no_row() -> None:
    for wrong in ({"name": "x"}, [], {"name": "x", "forbid": ["all"]}):
        with pytest.raises(ValueError, match=r": "):
            rule_from_json(wrong)
        with pytest.raises(ValueError, match=r": "):
            policy_from_json(wrong)


@pytest.mark.parametrize(
    ("span", "text"),
    [
        (timedelta(seconds=90), "90s"),
        (timedelta(minutes=90), "90m"),
        (timedelta(hours=36), "36h"),
        (timedelta(days=10), "10d"),
        (timedelta(days=14), "2w"),
    ],
)
def test_a_duration_is_written_in_the_largest_unit_that_divides_it(span: timedelta, text: str) -> None:
    assert duration_text(span) == text


def test_the_json_schema_for_editors_has_nothing_of_what_comes_later() -> None:
    made = json.dumps(platform_schema())
    assert not [key for key in LATER if f'"{key}"' in made]


def test_what_is_in_force_can_be_written_as_a_file_again() -> None:
    data = (
        "rules: [{name: r, dags: {tags: [t]}, deny: {dates: 12-24, zone: UTC}, override: [ada]}]\n"
        "policies:\n"
        "- {name: least, dags: all, steps: [release]}\n"
        "- {name: most, dags: all, locked: true, newer: queue, follow: true,\n"
        "   steps: [{approve: {}}, release]}\n"
    )
    first = read_platform(data.encode())
    again = read_platform(json.dumps(file_to_json(first.rules, first.policies)).encode())
    assert (again.rules, again.policies, again.wrong) == (first.rules, first.policies, ())
    assert len(first.rules) == 1 and len(first.policies) == 2
    assert file_to_json([], first.policies)["policies"][0] == {
        "name": "least",
        "dags": "all",
        "steps": ["release"],
    }
    assert file_to_json([], []) == {"rules": [], "policies": []}
