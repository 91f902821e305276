"""Rollouts and what is known of their Dags, as values."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from pinwheel.core.rollout.gate import Answer, OfDigest, OfVersion, Verdict
from pinwheel.core.rollout.state import Place, Rollout
from pinwheel.core.rollout.steps import Approve, Check, Plan, Release, Step, Watch

NOW = datetime(2026, 1, 5, 9, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
LATER = NOW + HOUR
BUNDLE = "dags"
APPROVE = Approve()
CHECK = Check(name="ci")


def place(build: int, version: str | None = None) -> Place:
    """The place of a build, each in a version of its own unless told."""
    return Place(build_id=build, version=version or f"c{build}")


def plan(*steps: Step, watched: bool = False, by_hand: bool = False, **values: Any) -> Plan:
    """A plan of these gates, a release, and perhaps a watch."""
    watch = (Watch(),) if watched else ()
    return Plan(steps=(*steps, Release(by_hand=by_hand), *watch), **values)


def rollout(build: int = 2, *gates: Step, watched: bool = False, **values: Any) -> Rollout:
    """One that began at :data:`NOW`, at its first step."""
    made = {
        "id": build,
        "dag_id": "sales",
        "place": place(build),
        "plan": plan(*gates, watched=watched),
        "began_at": NOW,
        "since": NOW,
    }
    return Rollout(**made | values)


def verdict(answer: Answer, subject: Place | OfVersion | OfDigest | None = None, **values: Any) -> Verdict:
    """Of the check ``ci`` on build 2, an hour after :data:`NOW`, unless told."""
    made = {"name": "ci", "actor": "bot", "at": LATER, "answer": answer, "subject": subject or place(2)}
    return Verdict(**made | values)
