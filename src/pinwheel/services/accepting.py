"""Which file a Dag belongs to, and what becomes of a build that arrives: the newest one, and a release."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pinwheel.core import text
from pinwheel.core.build import Build
from pinwheel.core.release import Command, Verb, decide
from pinwheel.services.making import Made
from pinwheel.services.ports import Host
from pinwheel.services.releasing import ACTOR, Act, Outcome, carry_out, load_states
from pinwheel.store import builds, dags, events, files


def release_newest(
    host: Host,
    session: Any,
    made: Mapping[str, Made],
    rows: Mapping[str, Any],
    *,
    bundle_name: str,
    seq: int,
    now: datetime,
) -> list[Outcome]:
    """Make builds the newest of their Dags, whose locked rows are given, and release those of unpinned ones.

    A Dag that another file holds too stays with that file until a newer version of the bundle shows that
    it is gone from there; until then it is only on the shelf.
    """
    accepted = _accepted(session, made, rows, bundle_name=bundle_name, seq=seq, now=now)
    if not accepted:
        return []
    dags.change_each(
        session,
        [
            {
                "dag_id": dag_id,
                "newest_build_id": item.build.id,
                "newest_seq": seq,
                "bundle_name": bundle_name,
                "relative_fileloc": item.path,
                "missing_since": None,
            }
            for dag_id, item in sorted(accepted.items())
        ],
    )
    states = load_states(host, session, sorted(accepted))
    acts = [
        Act(
            state=states[dag_id],
            decision=decide(
                states[dag_id], Command(verb=Verb.ARRIVE, build=item.build, rewritten=item.folded)
            ),
            verb=Verb.ARRIVE.value,
            actor=ACTOR,
            reason=_reason(item.build),
        )
        for dag_id, item in sorted(accepted.items())
    ]
    contents = {item.build.id: item.content for item in accepted.values() if item.content is not None}
    return carry_out(host, session, acts, now=now, contents=contents)


def _accepted(
    session: Any,
    made: Mapping[str, Made],
    rows: Mapping[str, Any],
    *,
    bundle_name: str,
    seq: int,
    now: datetime,
) -> dict[str, Made]:
    accepted = {}
    for dag_id, item in made.items():
        row = rows[dag_id]
        elsewhere = (row.bundle_name, row.relative_fileloc) != (bundle_name, item.path)
        owner = f"{row.bundle_name}: {row.relative_fileloc}"
        if elsewhere and row.newest_build_id is not None and _still_there(session, row, dag_id):
            events.add(
                session,
                "duplicate",
                now=now,
                actor=ACTOR,
                dag_id=dag_id,
                bundle_name=bundle_name,
                reason=f"{item.path} holds the Dag too; it stays with {owner}",
                path=item.path,
                owner=owner,
            )
        elif elsewhere or row.newest_seq <= seq:
            accepted[dag_id] = item
    return accepted


def _still_there(session: Any, row: Any, dag_id: str) -> bool:
    owner = files.one(session, row.bundle_name, row.relative_fileloc)
    return owner is not None and dag_id in owner.dag_ids


def record_broken(
    session: Any,
    dag_ids: Sequence[str],
    bundle_name: str,
    bundle_version: str,
    path: str,
    error: str,
    *,
    now: datetime,
) -> None:
    """Remember that these Dags could not be made from the file in this bundle version."""
    for dag_id in dag_ids:
        if builds.add_broken(session, dag_id, bundle_name, bundle_version, path, error, now=now):
            events.add(
                session,
                "broken",
                now=now,
                actor=ACTOR,
                dag_id=dag_id,
                bundle_name=bundle_name,
                bundle_version=bundle_version,
                path=path,
                error=_last_line(error),
            )


def _reason(build: Build) -> str | None:
    if build.message and build.message.strip():
        return build.message.strip().splitlines()[0][:200]
    return None


def _last_line(error: str) -> str:
    lines = error.strip().splitlines()
    return text.fit(lines[-1], text.EVENT) if lines else ""
