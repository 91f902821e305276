"""Down to Airflow 3.0, the oldest that can be deployed.

Its image has SQLAlchemy 1.4, which can not load the migrations of an Airflow that is written for 2.0: the
capsule says so before anything begins, and ``auto`` goes on to the next strategy.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.airflow_env import API_SERVER, BIN
from harness.other_airflow import OtherAirflow

pytestmark = [pytest.mark.full, pytest.mark.airflow, pytest.mark.postgres, pytest.mark.slow]


def test_the_image_of_3_0_takes_the_schema_down_to_its_own_and_runs_on_it(
    postgres: Any, tmp_path: Path
) -> None:
    database = postgres.create("oldest")
    with OtherAirflow("3.0.6", tmp_path / "oldest", database) as oldest:
        planned = oldest.db("reconcile", "--plan")
        assert planned["direction"] == "backward"
        refused = oldest.db("reconcile", check=False)
        assert refused["exit"] == 5
        lost = ",".join(loss["name"] for loss in planned["losses"])
        allowed = ("reconcile", "--allow-downgrade", "--accept-loss", lost)
        refused = oldest.db(*allowed, "--strategy", "capsule", check=False)
        assert refused["exit"] == 5
        assert "written for SQLAlchemy 2, and this image has 1.4." in refused["error"]["detail"]
        refused = oldest.db(*allowed, check=False)
        assert refused["exit"] == 5 and oldest.db("status")["direction"] == "backward"
        assert all(f"{name}: " in refused["error"]["detail"] for name in ("capsule", "exec", "command"))
        newer_image = f"{BIN}/airflow db downgrade --to-revision {{to_revision}} --yes"
        done = oldest.db(*allowed, "--command", newer_image)
        assert (
            done["changed"] and done["strategy"] == "command" and oldest.db("status")["direction"] == "same"
        )
        told = oldest.cli("pinwheel", "status")
        assert told.returncode and "needs Airflow 3.3 or newer; this is 3.0.6" in told.stderr
        oldest.start(API_SERVER)
        assert oldest.api(None).get("/api/v2/version").json()["version"] == "3.0.6"
    database.drop()
