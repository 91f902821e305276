"""Which user an author is: what the configuration and the auth manager say."""

from __future__ import annotations

from typing import Any

import pytest

from pinwheel.airflow3.host import airflow_host
from pinwheel.core.errors import InvalidInput
from pinwheel.core.rollout.authors import People


@pytest.fixture
def configured(airflow_database: Any, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    monkeypatch.setenv("AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS", "Ada:admin,bob@corp.com:viewer")
    return monkeypatch


def people() -> People:
    host = airflow_host()
    return host.unit.run(lambda session: host.deployment.people(session))


def test_users_of_the_simple_auth_manager_are_found_by_name_and_address(configured: Any) -> None:
    found = people()
    assert found.user("ADA <a@else.where>") == "Ada"
    assert found.user("Bob <Bob@corp.com>") == "bob@corp.com"
    assert found.user("Carol <carol@corp.com>") is None


def test_what_is_configured_counts_first(configured: pytest.MonkeyPatch) -> None:
    configured.setenv("AIRFLOW__PINWHEEL__USERS", '{"Carol@corp.com": "carol", "ada": "other"}')
    configured.setenv("AIRFLOW__PINWHEEL__NOT_APPROVERS", "bot , deploy")
    found = people()
    assert found.user("C <carol@corp.com>") == "carol" and found.user("Ada <a@else.where>") == "other"
    assert found.not_approvers == {"bot", "deploy"}


def test_what_github_commits_as_is_no_person_unless_told(configured: pytest.MonkeyPatch) -> None:
    assert not people().is_person("GitHub <noreply@github.com>")
    configured.setenv("AIRFLOW__PINWHEEL__NOT_PERSONS", "Renovate[bot], ci@corp.com")
    found = people()
    assert found.is_person("GitHub <noreply@github.com>")
    assert not found.is_person("renovate[bot] <1@x>") and not found.is_person("CI <ci@corp.com>")


@pytest.mark.parametrize("wrong", ["{", '["ada"]', '{"ada@x": 1}'])
def test_a_map_that_can_not_be_read_is_refused(configured: pytest.MonkeyPatch, wrong: str) -> None:
    configured.setenv("AIRFLOW__PINWHEEL__USERS", wrong)
    with pytest.raises(InvalidInput, match=r"\[pinwheel\] users"):
        people()


def test_of_an_auth_manager_that_tells_nobody_only_the_configured_are_found(
    configured: pytest.MonkeyPatch,
) -> None:
    configured.setenv("AIRFLOW__CORE__AUTH_MANAGER", f"{__name__}.Silent")
    configured.setenv("AIRFLOW__PINWHEEL__USERS", '{"ada@corp.com": "ada"}')
    assert people().users == {"ada@corp.com": "ada"}
    configured.setenv("AIRFLOW__CORE__AUTH_MANAGER", "no.such.Manager")
    assert people().users == {"ada@corp.com": "ada"}


class Silent:
    """An auth manager of somebody's own."""
