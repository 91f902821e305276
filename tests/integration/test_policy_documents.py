"""Documents of the platform on real databases: two who save at once do so one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from harness.docs import ROOT
from harness.inprocess import bound_airflow
from harness.races import at_once
from pinwheel.core.errors import InvalidInput
from pinwheel.core.parse.policy_yaml import read_platform
from pinwheel.services.policy.save import Saved, save
from pinwheel.store import policies, rules
from pinwheel.wiring import make_host

FROZEN = b"rules: [{name: year-end, freeze: {reason: audit}}]"
POLICY = b"policies: [{name: all, dags: all, steps: [{approve: {}}, release]}]"


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def host(request: pytest.FixtureRequest) -> Iterator[Any]:
    made = request.getfixturevalue(request.param).create()
    with bound_airflow(made):
        yield make_host(quiet=True)
    made.drop()


@pytest.mark.parametrize("text", [FROZEN, POLICY])
def test_two_who_save_the_same_at_once_save_it_once(host: Any, text: bytes) -> None:
    for document in ("one", "two", "three"):
        named = text.replace(b"name: ", b"name: " + document.encode() + b"-")
        answers = at_once(*[lambda n=named, d=document: save(host, d, n, actor="ada") for _ in range(3)])  # type: ignore[misc]
        assert all(isinstance(each, Saved) for each in answers), answers
        assert sorted(each.changed for each in answers) == [False, False, True]
    both = [*host.unit.run(rules.live), *host.unit.run(policies.live)]
    assert len(both) == 3


def test_of_two_documents_with_one_name_at_once_one_is_refused(host: Any) -> None:
    answers = at_once(
        lambda: save(host, "one", FROZEN, actor="ada"), lambda: save(host, "two", FROZEN, actor="bob")
    )
    assert {type(each) for each in answers} == {Saved, InvalidInput}
    assert len(host.unit.run(rules.live)) == 1


def test_a_document_is_replaced_and_taken_away(host: Any) -> None:
    save(host, "bank", FROZEN, actor="ada")
    assert save(host, "bank", POLICY, actor="bob", plan=True).changed
    assert [each.rule.name for each in host.unit.run(rules.live)] == ["year-end"]
    save(host, "bank", POLICY, actor="bob", reason="gates instead")
    assert host.unit.run(rules.live) == ()
    assert [each.revision for each in host.unit.run(policies.live)] == [1]
    save(host, "bank", b"", actor="bob")
    assert host.unit.run(policies.live) == ()


@pytest.mark.acceptance("rollouts", 103)
def test_the_example_of_the_page_is_taken() -> None:
    page = (ROOT / "docs" / "policies.md").read_text()
    (example,) = [part.partition("```")[0] for part in page.split("```yaml\n")[1:]]
    read = read_platform(example.encode())
    assert read.wrong == ()
    assert (len(read.rules), len(read.policies)) == (3, 1)
    assert yaml.safe_load(example)["policies"][0]["locked"] is True
