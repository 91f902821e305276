"""Rights of Pinwheel's own, asked of an auth manager."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest
from airflow.api_fastapi.app import create_auth_manager
from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser

from pinwheel.airflow3 import rights
from pinwheel.airflow3.access import AirflowAccess
from pinwheel.api.access import View

BELOW = {View.APPROVALS, View.OVERRIDE, View.CHECKS}


@pytest.fixture
def simple(airflow_database: Any) -> None:
    create_auth_manager()


def access(role: str | None, **more: Any) -> AirflowAccess:
    return AirflowAccess(SimpleAuthManagerUser(username="ada", role=role, **more))


@pytest.mark.acceptance("rollouts", 24)
@pytest.mark.parametrize(
    "role, had",
    [(None, set()), ("viewer", set()), ("user", set()), ("op", BELOW), ("admin", set(View)), ("none", set())],
)
def test_a_role_of_the_simple_auth_manager_stands_for_the_rights(
    simple: None, role: str | None, had: set[View]
) -> None:
    asked = access(role, teams=["", "sales"])
    assert {view for view in View if asked.has(view)} == had


def test_a_user_goes_by_name_and_role(simple: None) -> None:
    assert access("op").names() == {"ada", "op"} and access(None).names() == {"ada"}


class Views:
    """An auth manager with custom views, as FAB's."""

    def is_authorized_custom_view(self, *, method: str, resource_name: str, user: Any) -> bool:
        if user.broken:
            raise RuntimeError("no answer")
        return method == "PUT" and resource_name in user.views


@pytest.fixture
def with_views(airflow_database: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("AIRFLOW__CORE__AUTH_MANAGER", f"{__name__}.Views")
    create_auth_manager()
    yield
    monkeypatch.undo()
    create_auth_manager()


def of_views(*views: View, broken: bool = False) -> AirflowAccess:
    roles = [SimpleNamespace(name="Release"), SimpleNamespace(name="Op")]
    names = {view.value for view in views}
    user: Any = SimpleNamespace(get_name=lambda: "bob", views=names, broken=broken, roles=roles)
    return AirflowAccess(user)


@pytest.mark.parametrize("view", View)
def test_another_auth_manager_is_asked_for_the_view_of_each_right(with_views: None, view: View) -> None:
    asked = of_views(view)
    assert {each for each in View if asked.has(each)} == {view}


def test_one_who_can_not_be_asked_about_has_no_right(with_views: None) -> None:
    asked = of_views(*View, broken=True)
    assert not any(asked.has(view) for view in View)


def test_a_user_goes_by_the_roles_that_are_told(with_views: None) -> None:
    assert of_views().names() == {"bob", "Release", "Op"}


def test_without_fab_there_is_nothing_to_create(simple: None) -> None:
    made = rights.create()
    assert made.created == () and set(made.names) == {view.value for view in View}
    assert "op" in made.said and "admin" in made.said
