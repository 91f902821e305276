"""Where the schema stands, where it is to go, and what that takes: decided without changing anything."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from typing import Any

import sqlalchemy as sa
from attrs import field, frozen
from sqlalchemy.engine import Connection

from pinwheel.core.errors import InvalidInput, Refused
from pinwheel.reconcile import capsule_store, contents, journal, losses, writers
from pinwheel.reconcile.capsule import Capsule, Schema
from pinwheel.reconcile.database import current_revision, knows_revision, other_schemas
from pinwheel.reconcile.installed import Deployment, fab_scripts
from pinwheel.reconcile.revisions import History, release_of
from pinwheel.reconcile.strategy import Downgrade

UNKNOWN = "unknown"


class Direction(StrEnum):
    """What has to happen to the schema."""

    SAME = "same"
    FORWARD = "forward"
    BACKWARD = "backward"
    EMPTY = "empty"
    """Airflow never migrated this database."""


@frozen(kw_only=True)
class Position:
    """Where the schema stands and where it is to go."""

    direction: Direction
    current_revision: str | None
    current_version: str
    target_revision: str
    target_version: str
    history: History | None
    """One that knows the current revision: the installed one, or a capsule's."""
    capsule: Capsule | None = field(default=None, repr=False)
    """The capsule that this history is from."""

    @property
    def undone(self) -> tuple[str, ...]:
        """The revisions to be undone, the newest first; empty when nobody here knows them."""
        if self.direction is not Direction.BACKWARD or self.history is None:
            return ()
        if self.target_revision not in self.history or self.current_revision is None:
            return ()
        return tuple(r.id for r in self.history.between(self.current_revision, self.target_revision))

    @property
    def walk(self) -> Downgrade:
        assert self.current_revision is not None
        return Downgrade(
            from_revision=self.current_revision,
            from_version=self.current_version,
            to_revision=self.target_revision,
            to_version=self.target_version,
        )

    def as_json(self) -> dict[str, Any]:
        return {
            "current": {"revision": self.current_revision, "airflow": self.current_version},
            "target": {"revision": self.target_revision, "airflow": self.target_version},
            "direction": str(self.direction),
            "migrations": len(self.undone),
        }


@frozen(kw_only=True)
class Effects:
    """What a walk down does to what is stored."""

    losses: tuple[losses.Loss, ...]
    contents: contents.Contents
    tasks: dict[str, int]
    """State -> number of task instances, for the states that are under way."""
    notes: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "losses": [loss.as_json() for loss in self.losses],
            "rewritten": self.contents.rewritten,
            "unreadable": {place: list(names) for place, names in self.contents.unreadable.items()},
            "tasks_under_way": self.tasks,
            "notes": list(self.notes),
        }


def locate(
    connection: Connection,
    deployment: Deployment,
    *,
    to: str | None,
    told_version: str | None = None,
    guess: bool = False,
) -> Position:
    """Find out where the schema stands and where it is to go.

    ``to`` is an Airflow version, by default the installed one; ``told_version`` is what a running pod says;
    ``guess``: a revision that nobody here knows is taken for a newer one, as the operator named a way down.

    :raises Refused: the current revision is unknown, or the target newer than this image.
    """
    target_version = to or deployment.version
    if release_of(target_version) > release_of(deployment.version):
        raise InvalidInput(
            f"Cannot go to Airflow {target_version}",
            found=f"this image has Airflow {deployment.version}, which knows no newer schema",
            remedy="Run this in the image of the version that you want",
        )
    own = deployment.history
    target = own.head_of(target_version) if to else own.head
    current = current_revision(connection)

    def position(direction: Direction, version: str, **more: Any) -> Position:
        return Position(
            direction=direction,
            current_revision=current,
            current_version=version,
            target_revision=target,
            target_version=target_version,
            **{"history": own, **more},
        )

    if current is None:
        return position(Direction.EMPTY, "none")
    sound = capsule_store.sound(capsule_store.stored(connection), deployment.keys)
    if current in own:
        version = deployment.version if current == own.head else _name(current, own, sound)
        steps = own.index(target) - own.index(current)
        direction = Direction.SAME if not steps else Direction.FORWARD if steps > 0 else Direction.BACKWARD
        return position(direction, told_version or version)
    capsule = capsule_store.best(sound, current)
    if capsule:
        history = capsule.history
        version = _name(current, history, sound)
        return position(Direction.BACKWARD, told_version or version, history=history, capsule=capsule)
    if guess or (told_version and release_of(told_version) > release_of(target_version)):
        return position(Direction.BACKWARD, told_version or UNKNOWN, history=None)
    raise _unknown_revision(connection, deployment, current)


def _name(revision: str, history: History, sound: Sequence[Capsule]) -> str:
    """The version that wrote it, where a capsule tells; scripts only say which release brought it."""
    wrote = next((known.airflow_version for known in sound if known.revision == revision), None)
    return wrote or history.name_of(revision)


def _unknown_revision(connection: Connection, deployment: Deployment, current: str) -> Refused:
    stored = capsule_store.stored(connection)
    faults = [f"capsule {c.id}: {fault}" for c in stored if (fault := c.check(deployment.keys))]
    if faults:
        why = "; ".join(faults)
    elif stored:
        why = f"the capsules at hand ({', '.join(c.airflow_version for c in stored)}) do not know it either"
    else:
        why = "no capsule is stored"
    return Refused(
        f"Cannot tell which Airflow the schema's revision {current} belongs to",
        found=f"Airflow {deployment.version} does not know it, and {why}",
        remedy="In the newer image, with this deployment's Fernet key, run: pinwheel db capsule store. "
        "Or name a way down: --strategy exec, or --strategy command --command '…'",
        revision=current,
    )


def target_schema(connection: Connection, deployment: Deployment, position: Position) -> Schema:
    """The tables and columns that are to be left.

    :raises Refused: it is another version than the installed one, and no capsule of it is stored.
    """
    if position.target_revision == deployment.history.head:
        return deployment.schema()
    for capsule in capsule_store.sound(capsule_store.stored(connection), deployment.keys):
        if capsule.revision == position.target_revision:
            return capsule.schema
    raise Refused(
        f"Cannot tell what a walk down to Airflow {position.target_version} would destroy",
        found="its schema is known neither to this image nor from a capsule",
        remedy=f"Run this in the image of Airflow {position.target_version}",
    )


def effects(connection: Connection, deployment: Deployment, position: Position) -> Effects:
    """What the walk down would do, counted on the rows that are there now."""
    before = position.capsule.schema if position.capsule else None
    if before is None and position.current_revision == deployment.history.head:
        before = deployment.schema()
    found = losses.find(
        connection, before, target_schema(connection, deployment, position), set(position.undone)
    )
    changed = contents.Contents({}, {})
    if contents.crosses(position.current_version, position.target_version):
        changed = contents.inspect(connection, deployment.fernet_keys)
    rows = connection.execute(
        sa.text(
            "SELECT state, count(*) FROM task_instance WHERE state IN ('queued', 'running', 'deferred', "
            "'restarting', 'up_for_reschedule') GROUP BY state ORDER BY state"
        )
    )
    return Effects(
        losses=tuple(found),
        contents=changed,
        tasks={str(state): int(number) for state, number in rows},
        notes=tuple(_notes(connection, deployment, position)),
    )


def _notes(connection: Connection, deployment: Deployment, position: Position) -> Sequence[str]:
    told = []
    for name, revision in other_schemas(sa.inspect(connection), connection).items():
        if name == "pinwheel":
            told.append("Pinwheel's own tables stay as they are")
        elif name == "fab" and (scripts := fab_scripts()) and not knows_revision(scripts, revision):
            told.append(
                f"FAB's tables stay at {revision}, which the FAB provider in this image does not know: "
                "install the provider version of the newer image here, or its own migration will fail"
            )
        else:
            told.append(f"The tables of {name} stay at their revision {revision}")
    if release_of(position.target_version) < (3, 1, 0) <= release_of(position.current_version):
        told.append(
            "Serialized Dags are in a form that Airflow 3.0 reads only after the Dag processor has parsed "
            "their files again: airflow dags reserialize does it at once"
        )
    elif position.target_revision == deployment.history.head and (
        dags := deployment.unreadable_dags(connection)
    ):
        told.append(
            f"Airflow {position.target_version} can not read some serialized Dags until their files are "
            "parsed again, and its scheduler may stop at them: run airflow dags reserialize first. "
            f"They are: {', '.join(dags)}"
        )
    return told


def capsules_at_hand(connection: Connection, deployment: Deployment) -> list[dict[str, Any]]:
    """All stored capsules: whether each can be used, for which walks, and by the next downgrade."""
    stored = capsule_store.stored(connection)
    sound = capsule_store.sound(stored, deployment.keys)
    current = current_revision(connection)
    chosen = capsule_store.best(sound, current) if current else None
    found = []
    for capsule in stored:
        fault = capsule.check(deployment.keys)
        history = capsule.history if fault is None else None
        versions = [_name(end, history, sound) for end in history.ends()] if history else []
        found.append(
            {
                "id": capsule.id,
                "airflow": capsule.airflow_version if history else None,
                "revision": history.head if history else None,
                "stored_at": capsule.stored_at.isoformat() if capsule.stored_at else None,
                "bytes": len(capsule.archive),
                "fault": fault,
                "from": versions[:-1],
                "to": versions[1:],
                "next": chosen is not None and capsule.id == chosen.id,
            }
        )
    return found


def no_way_back(found: Sequence[dict[str, Any]], deployment: Deployment, position: Position) -> str | None:
    """That no older Airflow can go back from the present schema, and what to run now; None when one can."""
    if position.current_revision is None or any(capsule["next"] for capsule in found):
        return None
    said = "No usable capsule knows the present schema, so that no older Airflow can go back from it"
    if not deployment.keys:
        return f"{said}. Set [core] fernet_key, and run now: pinwheel db capsule store"
    if position.current_revision in deployment.history:
        return f"{said}. Run now: pinwheel db capsule store"
    return f"{said}. Run now, in the image of Airflow {position.current_version}: pinwheel db capsule store"


def status(connection: Connection, deployment: Deployment, position: Position, now: Any) -> dict[str, Any]:
    """What ``pinwheel db status`` shows."""
    unfinished = journal.unfinished(connection)
    at_hand = capsules_at_hand(connection, deployment)
    return {
        **position.as_json(),
        "capsules": at_hand,
        "no_way_back": no_way_back(at_hand, deployment, position),
        "can_sign": bool(deployment.keys),
        "writers": [
            str(writer)
            for writer in writers.alive(
                connection,
                component_seconds=deployment.heartbeat_seconds,
                task_seconds=deployment.task_heartbeat_seconds,
                now=now,
            )
        ],
        "unfinished": None
        if unfinished is None
        else {
            "from": unfinished.from_version,
            "to": unfinished.to_version,
            "state": unfinished.state,
            "message": unfinished.message,
        },
        "other_schemas": other_schemas(sa.inspect(connection), connection),
    }
