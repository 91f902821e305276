"""Airflow's audit log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from airflow.models.log import Log
from sqlalchemy.orm import Session


def audit(
    session: Session, *, event: str, dag_id: str | None, actor: str, details: Mapping[str, Any]
) -> None:
    """Write one line to Airflow's audit log."""
    session.add(
        Log(
            event=event,
            dag_id=dag_id,
            owner=actor,
            owner_display_name=actor,
            extra=json.dumps(details, default=str, sort_keys=True),
        )
    )
