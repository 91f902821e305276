"""What Airflow loads of the plugin, as the Airflow here takes it."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from airflow.api_fastapi.core_api.datamodels.plugins import ReactAppResponse
from airflow.sdk import BaseOperator

from harness.airflow_env import AIRFLOW_VERSION, environment_name
from pinwheel.airflow3.plugin import PinwheelPlugin

OVERVIEWS = {"dag_overview", "task_overview"}


def test_every_page_has_a_destination_that_this_airflow_knows_and_a_route_of_its_own() -> None:
    apps = PinwheelPlugin().react_apps
    destinations = [ReactAppResponse.model_validate(app).destination for app in apps]
    assert {"nav", "dag", "dag_run", "task_instance", "dashboard"} <= {*destinations}
    assert {*destinations} & OVERVIEWS == (set() if AIRFLOW_VERSION.startswith("3.3.") else OVERVIEWS)
    assert len({app["url_route"] for app in apps}) == len(apps)


def test_a_template_of_a_task_makes_the_link_to_its_release(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.execution_time.context import MacrosAccessor
    from airflow.sdk.plugins_manager import integrate_macros_plugins

    class Telling(BaseOperator):
        template_fields = ("text",)

        def __init__(self, *, text: str, **kwargs: object) -> None:
            super().__init__(**kwargs)
            self.text = text

    monkeypatch.setenv(environment_name("api.base_url"), "https://airflow.example/")
    integrate_macros_plugins()
    task = Telling(task_id="t", text="see {{ macros.pinwheel.release_url(ti) }}")
    ti = SimpleNamespace(dag_id="d", run_id="one", task_id="t", map_index=-1, try_number=1)
    task.render_template_fields({"macros": MacrosAccessor(), "ti": ti})
    expected = "https://airflow.example/dags/d/plugin/dag-releases?run_id=one&task_id=t&try_number=1"
    assert task.text == f"see {expected}"
