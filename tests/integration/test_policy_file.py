"""The keeper takes the configured file of rules and policies, and what is wrong with it is shown."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.in_memory import InMemory
from pinwheel.airflow3.keeper.policy_file import COMPARE, PolicyFile
from pinwheel.services.show import bundles, events
from pinwheel.services.upkeep.health import health
from pinwheel.store import rules
from pinwheel.store.rules import StoredRule

FROZEN = "rules: [{name: year-end, freeze: {reason: audit}}]\n"
OFFICE = "rules: [{name: office, allow: {days: mon-thu, zone: UTC}}]\n"


class Looking:
    """A keeper that looks at a file, whose clock goes on when a test says so."""

    def __init__(self, path: Path) -> None:
        self.world, self.path, self.now = InMemory(), path, 0.0
        self.keeper = self.started(str(path))

    def started(self, path: str) -> PolicyFile:
        return PolicyFile(self.world.host, path, lambda: self.now)

    def write(self, text: str) -> None:
        fresh = self.path.with_suffix(".new")
        fresh.write_text(text)
        os.replace(fresh, self.path)

    def look(self, after: float = 5.0) -> None:
        self.now += after
        self.world.airflow.tick(int(after))
        self.keeper.look()

    def live(self) -> list[StoredRule]:
        return list(self.world.host.unit.run(rules.live))

    @property
    def names(self) -> list[str]:
        return [each.rule.name for each in self.live()]

    @property
    def fault(self) -> str | None:
        found = bundles.standings(self.world.host).faults
        return found[0].error if found else None

    def told(self, kind: str) -> list[Any]:
        return events.events(self.world.host, kinds=[kind])


@pytest.fixture
def looking(tmp_path: Path) -> Iterator[Looking]:
    yield Looking(tmp_path / "policies.yaml")


def test_what_the_file_says_is_in_force_as_its_document(looking: Looking) -> None:
    looking.write(FROZEN)
    looking.look()
    (rule,) = looking.live()
    assert (rule.rule.name, rule.document, rule.actor) == ("year-end", "policy_file", "pinwheel")
    assert rule.reason == f"file {looking.path}"
    looking.write(OFFICE)
    looking.look()
    assert looking.names == ["office"]
    assert len(looking.told("policy")) == 2


def test_a_keeper_that_starts_takes_what_is_new_and_writes_nothing_else(looking: Looking) -> None:
    looking.write(FROZEN)
    looking.look()
    before = looking.live()
    looking.keeper = looking.started(str(looking.path))
    looking.look()
    assert looking.live() == before
    assert len(looking.told("policy")) == 1


def test_a_broken_file_leaves_what_was_saved_and_says_the_line(looking: Looking) -> None:
    looking.write(FROZEN)
    looking.look()
    looking.write("rules:\n  - {name: office, alow: {zone: UTC}}\n")
    looking.look()
    looking.look()
    assert looking.names == ["year-end"]
    assert looking.fault is not None
    assert "line 2: 'alow' is no key" in looking.fault and str(looking.path) in looking.fault
    assert len(looking.told("fault")) == 1
    assert any("policy_file" in said for said in health(looking.world.host).problems)
    looking.write(OFFICE)
    looking.look()
    assert (looking.names, looking.fault) == (["office"], None)
    assert health(looking.world.host).problems == ()


def test_a_file_that_is_gone_is_told_and_its_rules_stay(looking: Looking) -> None:
    looking.write(FROZEN)
    looking.look()
    looking.path.unlink()
    looking.look()
    assert looking.names == ["year-end"]
    assert looking.fault is not None and "Cannot read the policy file" in looking.fault
    looking.write(FROZEN)
    looking.look()
    assert (looking.names, looking.fault) == (["year-end"], None)


def test_without_the_option_what_the_file_said_is_taken_away(looking: Looking) -> None:
    looking.write(FROZEN)
    looking.look()
    looking.path.unlink()
    looking.look()
    looking.keeper = looking.started("")
    looking.look()
    assert (looking.names, looking.fault) == ([], None)
    assert looking.told("policy")[0].rules_lifted == ["year-end"]


def test_a_file_that_did_not_change_is_not_read_again_but_compared_now_and_then(looking: Looking) -> None:
    looking.write(FROZEN)
    looking.look()
    looking.started("").look()
    looking.look()
    assert looking.names == [], "another keeper took it away, and the file is as it was"
    looking.look(COMPARE)
    assert looking.names == ["year-end"]
