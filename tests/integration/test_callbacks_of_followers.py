"""Callbacks and mails that the scheduler asks for run in the commit that the run's tasks ran in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from harness.inprocess import stock_run
from integration.test_taking_in import Bundle


@pytest.fixture
def bundle(sqlite: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bundle]:
    database = sqlite.create()
    yield Bundle(database, tmp_path, monkeypatch)
    database.drop()


def requests(run_id: str) -> list[Any]:
    """What the scheduler asks for when it loses the heartbeat of the run's tasks: by the version row."""
    from airflow.api_fastapi.execution_api.datamodels import taskinstance as models
    from airflow.callbacks.callback_requests import EmailRequest, TaskCallbackRequest
    from airflow.models.taskinstance import TaskInstance
    from airflow.utils.session import create_session

    with create_session() as session:
        query = sa.select(TaskInstance).where(TaskInstance.run_id == run_id)
        ti = session.scalars(query.limit(1)).one()
        place = {
            "filepath": "one.py",
            "bundle_name": "b",
            "bundle_version": ti.dag_version.bundle_version,
            "ti": models.TaskInstance.model_validate(ti, from_attributes=True),
        }
        context = {"context_from_server": None} if "context_from_server" in EmailRequest.model_fields else {}
        found: list[Any] = [TaskCallbackRequest(**place)]
        try:
            found.append(EmailRequest(**place, **context))
        except ValueError:
            # A mail has the whole context of its task; the place is read in the same way.
            found.append(EmailRequest.model_construct(**place, type="EmailRequest"))
        return found


@pytest.mark.acceptance("pushes", 14)
def test_a_callback_of_a_run_that_followed_runs_in_the_runs_commit(bundle: Bundle) -> None:
    first = bundle.commit(one="m1")
    with bundle.processor() as loop:
        bundle.parsed(loop, first)
        assert stock_run("one", "before") == first
        second = bundle.repo.commit({"README": "nothing traced"})
        bundle.parsed(loop, second)
        assert stock_run("one", "after") == second
        for run_id, commit in (("before", first), ("after", second)):
            for request in requests(run_id):
                assert request.bundle_version == first, "what the version row says"
                asked = loop.turn_until(
                    lambda request=request: loop.manager.prepare_callback_bundle(request), what="the bundle"
                )
                assert (request.bundle_version, asked.version) == (commit, commit)
