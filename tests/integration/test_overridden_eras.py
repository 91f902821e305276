"""To go past rules with an era takes a right over REST, besides that to edit the Dag."""

from __future__ import annotations

from typing import Any

import pytest

from harness.inprocess_api import API, Api
from harness.operations import World
from harness.prebuilt import Text
from harness.ruled import Ruled
from pinwheel.api.access import View
from pinwheel.core.event import EventKind
from pinwheel.services.show import events


@pytest.mark.acceptance("rollouts", 77)
def test_over_rest_an_era_goes_past_a_rule_with_the_right_to_override_alone(airflow_database: Any) -> None:
    world = World()
    world.pusher.push({"a": Text("assets")})
    Ruled(world).freeze()  # type: ignore[arg-type, unused-ignore]
    api, url = Api(world.host), f"{API}/dags/a/timeline"
    era = {"from": "2019-01-01", "build": 1}
    asked = {"verb": "set", "eras": [era], "now": True, "reason": "wrong rates", "unchecked": True}
    refused = api.as_("a", without=[View.OVERRIDE]).put(url, json=asked)
    assert refused.status_code == 403 and "Pinwheel Override" in refused.text
    closed = api.as_("a").put(url, json={**asked, "now": False})
    assert closed.status_code == 409 and "rule-closed" in closed.text
    assert api.as_("a").get(url).json()["revision"] == 0
    made = api.as_("a").put(url, json=asked)
    assert (made.status_code, made.json()["changed"]) == (200, True)
    (event,) = events.events(world.host, dag_ids=["a"], kinds=[EventKind.TIMELINE_SET])
    assert event.overrides == ["rule month-end"]
