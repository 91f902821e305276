"""Bring the schema to the version that is wanted: the steps, in the order in which they are safe."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from functools import partial
from importlib import import_module
from typing import Any, cast

from attrs import field, frozen

from pinwheel.core.errors import HostError, InvalidInput, PinwheelError, Refused
from pinwheel.reconcile import assess, capsule_store, contents, journal, losses, saved_rows, writers
from pinwheel.reconcile.assess import Direction, Effects, Position
from pinwheel.reconcile.capsule import Capsule
from pinwheel.reconcile.database import connected, current_revision, our_lock, require_owner
from pinwheel.reconcile.installed import Deployment
from pinwheel.reconcile.strategies import NAMES
from pinwheel.reconcile.strategy import Downgrade, Say, Strategy

AUTO = "auto"
ALEMBIC_TABLE = "alembic-table"


@frozen(kw_only=True)
class Request:
    """What the operator asks for."""

    to: str | None = None
    allow_downgrade: bool = False
    downgrade_only: bool = False
    strategy: str = AUTO
    version_source: str = ALEMBIC_TABLE
    accept_loss: frozenset[str] = frozenset()
    snapshot: str | None = None
    full: bool = False
    wait_seconds: float = 0.0
    options: argparse.Namespace = field(factory=argparse.Namespace)
    """For the strategies."""


def locate(deployment: Deployment, request: Request) -> Position:
    """Where the schema stands and where it is to go."""
    told = None
    if request.version_source != ALEMBIC_TABLE:
        source = import_module("pinwheel.reconcile.kubernetes_source")
        told = source.current_version(request.version_source, request.options)
    with connected(deployment.engine) as connection:
        return assess.locate(
            connection,
            deployment,
            to=request.to,
            told_version=told,
            guess=request.strategy in ("exec", "command"),
        )


def plan(deployment: Deployment, request: Request) -> dict[str, Any]:
    """What :func:`reconcile` would do, and nothing of it done. ``ready`` says whether it would begin."""
    position = locate(deployment, request)
    found: dict[str, Any] = {
        **position.as_json(),
        "ready": True,
        "refusals": [],
        "strategy": None,
        "steps": [],
    }
    if position.direction is not Direction.BACKWARD:
        return found
    refusals: list[PinwheelError] = []
    if not request.allow_downgrade:
        refusals.append(_disabled(position))
    try:
        strategy, steps = choose(deployment, request, position)
        found.update(strategy=strategy.name, steps=steps)
        if rehearse := getattr(strategy, "rehearse", None):
            rehearse(position.walk)
    except PinwheelError as error:
        refusals.append(error)
    try:
        with connected(deployment.engine) as connection:
            require_owner(connection)
            effects = assess.effects(connection, deployment, position)
            found.update(effects.as_json())
            if not _is_covered(journal.unfinished(connection), position):
                _require_accepted(request, effects)
    except PinwheelError as error:
        refusals.append(error)
    try:
        _require_no_writers(deployment, request, lambda _: None, wait=0)
    except PinwheelError as error:
        refusals.append(error)
    found["refusals"] = [error.message for error in refusals]
    found["ready"] = not refusals
    return found


def reconcile(
    deployment: Deployment,
    request: Request,
    say: Say,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> dict[str, Any]:
    """Bring the schema to the wanted version; what was done. Safe to run again after it was killed.

    :raises Refused: a downgrade is not allowed, nobody can do it, it would destroy what was not agreed to, or
        somebody writes.
    :raises HostError: it failed on the way; run again, it goes on from where the schema stands.
    """
    if request.full and not request.snapshot:
        raise InvalidInput(
            "Cannot write a full dump",
            found="--full without --snapshot",
            remedy="Name a path with --snapshot",
        )
    position = locate(deployment, request)
    if position.direction is Direction.BACKWARD:
        return _backward(deployment, request, position, say, clock)
    done: dict[str, Any] = {**position.as_json(), "changed": False}
    if position.direction is not Direction.SAME and not request.downgrade_only:
        _forward(deployment, request, position, say)
        done["changed"] = True
    _close_journal(deployment, position, clock)
    if not request.downgrade_only or position.direction is Direction.SAME:
        done["capsule"] = store_capsule(deployment, clock())
    return done


def store_capsule(deployment: Deployment, now: datetime, make: Callable[[], Capsule] | None = None) -> str:
    """Store a capsule of the installed Airflow when the schema is its own. A sentence; never fails."""
    try:
        new = capsule_store.keep(deployment, now=now, make=make)
    except Exception as error:
        return capsule_store.not_stored(error)
    return capsule_store.is_stored(deployment, new=new)


def choose(deployment: Deployment, request: Request, position: Position) -> tuple[Strategy, list[str]]:
    """The first strategy that can do it, and its steps.

    :raises Refused: none can; each one's reason is in it.
    """
    names = NAMES if request.strategy == AUTO else (request.strategy,)
    reasons = []
    for name in names:
        try:
            strategy: Strategy = import_module(f"pinwheel.reconcile.strategies.{name}").make(
                request.options, deployment
            )
            return strategy, strategy.prepare(position.walk)
        except Refused as error:
            if len(names) == 1:
                raise
            reasons.append((name, error))
    raise Refused(
        f"Nothing here can go from Airflow {position.current_version} to {position.target_version}",
        found="; ".join(f"{name}: {error.found or error.failed}" for name, error in reasons),
        remedy=reasons[0][1].remedy,
    )


def _forward(deployment: Deployment, request: Request, position: Position, say: Say) -> None:
    command = [sys.executable, "-m", "airflow", "db", "migrate"]
    if position.target_revision != deployment.history.head:
        command += ["--to-version", position.target_version]
    say(f"Going up to Airflow {position.target_version}: airflow db migrate")
    last = ""
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        assert process.stdout is not None
        for line in process.stdout:
            say(line.rstrip())
            last = line.strip() or last
    if process.returncode:
        raise HostError(
            "airflow db migrate failed",
            found=last[:300] or f"it ended with code {process.returncode}",
            remedy="Run the same command again when the cause is gone",
        )
    _verify(deployment, position)


def _backward(
    deployment: Deployment, request: Request, position: Position, say: Say, clock: Callable[[], datetime]
) -> dict[str, Any]:
    if not request.allow_downgrade:
        raise _disabled(position)
    strategy, steps = choose(deployment, request, position)
    with connected(deployment.engine) as connection:
        require_owner(connection)
        # Before the wait for writers as well: a refusal should come at once.
        if request.wait_seconds and not _is_covered(journal.unfinished(connection), position):
            _require_accepted(request, assess.effects(connection, deployment, position))
    with (
        _ready(strategy, position.walk) as walk,
        our_lock(deployment.engine),
        ThreadPoolExecutor(1) as aside,
    ):
        _require_no_writers(deployment, request, say, wait=request.wait_seconds)
        with connected(deployment.engine) as connection:
            begun = journal.unfinished(connection)
            effects = assess.effects(connection, deployment, position)
        if not _is_covered(begun, position):
            _require_accepted(request, effects)
        entry, saved = _begin(deployment, request, position, strategy.name, begun, effects, say, clock)
        try:
            if effects.contents.rewritten or effects.contents.unreadable:
                with deployment.engine.begin() as connection:
                    contents.rewrite(connection, deployment.fernet_keys)
            for step in steps:
                say(step)
            # While the database is at work: what is stored in the end.
            packed = aside.submit(deployment.capsule)
            walk(say)
            _verify(deployment, position)
        except PinwheelError as error:
            _note_failure(deployment, entry, error, clock)
            raise
        journal.end(deployment.engine, entry, journal.DONE, now=clock())
    say(f"The schema is that of Airflow {position.target_version}")
    return {
        **position.as_json(),
        "changed": True,
        "strategy": strategy.name,
        "snapshot": saved,
        **effects.as_json(),
        "capsule": store_capsule(deployment, clock(), packed.result),
    }


def _ready(strategy: Strategy, walk: Downgrade) -> AbstractContextManager[Callable[[Say], None]]:
    """What walks when it is called. A strategy that has something to get ready does so meanwhile."""
    if ready := getattr(strategy, "ready", None):
        return cast("AbstractContextManager[Callable[[Say], None]]", ready(walk))
    return nullcontext(partial(strategy.run, walk))


def _begin(
    deployment: Deployment,
    request: Request,
    position: Position,
    strategy: str,
    begun: journal.Entry | None,
    effects: Effects,
    say: Say,
    clock: Callable[[], datetime],
) -> tuple[int, str | None]:
    """Write the journal and then the snapshot: the journal's id, and where the snapshot is.

    A walk that was killed keeps its snapshot: what it had dropped by then is only there.
    """
    if begun and begun.to_revision == position.target_revision:
        say(f"Taking up the walk from Airflow {begun.from_version} that was begun and not ended")
    if begun and _is_covered(begun, position):
        return begun.id, begun.snapshot
    if begun:
        journal.end(deployment.engine, begun.id, journal.LEFT, now=clock())
    path = request.snapshot
    if path:
        deployment.keys.require()
        # What the killed walk saved there is all still in the database.
        if not (begun and begun.snapshot == path and begun.from_revision == position.current_revision):
            saved_rows.require_new(path)
    entry = journal.begin(deployment.engine, position.walk, strategy=strategy, snapshot=path, now=clock())
    if path:
        if request.full:
            say(f"Writing a full dump to {path}.dump")
            saved_rows.dump(deployment.url, f"{path}.dump")
        with connected(deployment.engine) as connection:
            number = saved_rows.write(connection, path, position.walk, effects.losses, deployment.keys)
        say(f"Saved {number} rows to {path}")
        journal.running(deployment.engine, entry)
    return entry, path


def _is_covered(begun: journal.Entry | None, position: Position) -> bool:
    """Whether a killed walk stands half-way, with a snapshot from its beginning."""
    return (
        begun is not None
        and begun.to_revision == position.target_revision
        and (begun.inside or begun.from_revision != position.current_revision)
        and begun.state != journal.SAVING
        and begun.snapshot is not None
    )


def _verify(deployment: Deployment, position: Position) -> None:
    with connected(deployment.engine) as connection:
        found = current_revision(connection)
    if found != position.target_revision:
        raise HostError(
            f"The schema did not reach Airflow {position.target_version}",
            found=f"it stands at {found}, not at {position.target_revision}",
            remedy="Run the same command again: it goes on from there",
        )


def _require_accepted(request: Request, effects: Effects) -> None:
    lost = [] if request.snapshot else losses.not_accepted(effects.losses, request.accept_loss)
    unreadable = effects.contents.unreadable
    unread = [] if "all" in request.accept_loss else sorted(set(unreadable) - request.accept_loss)
    names = [*(loss.name for loss in lost), *unread]
    if not names:
        return
    told = [f"{loss.name} ({loss.held} rows)" for loss in lost]
    told += [f"{place} (with {', '.join(unreadable[place])})" for place in unread]
    agree = f"agree with --accept-loss {','.join(names)}"
    if unread:
        keep = "keep the tables and columns with --snapshot PATH; " if lost else ""
        remedy = f"Let the deferred tasks end first, as no snapshot keeps these values; {keep}or {agree}"
    else:
        remedy = f"Keep it with --snapshot PATH, or {agree}"
    raise Refused(
        "The downgrade would destroy what nobody agreed to lose",
        found=", ".join(told),
        remedy=remedy,
        losses=names,
    )


def _require_no_writers(deployment: Deployment, request: Request, say: Say, *, wait: float) -> None:
    writers.require_none(
        deployment.engine,
        component_seconds=deployment.heartbeat_seconds,
        task_seconds=deployment.task_heartbeat_seconds,
        wait_seconds=wait,
        say=say,
    )


def _disabled(position: Position) -> Refused:
    return Refused(
        "Downgrade required but disabled",
        found=f"the schema is that of Airflow {position.current_version} (revision "
        f"{position.current_revision}), and Airflow {position.target_version} is wanted",
        remedy="Allow it with --allow-downgrade (migrateDatabaseJob.allowDowngrade: true in the chart), or "
        f"deploy Airflow {position.current_version} again. Nothing was changed",
        current_version=position.current_version,
        target_version=position.target_version,
    )


def _close_journal(deployment: Deployment, position: Position, clock: Callable[[], datetime]) -> None:
    """A walk that was killed after its last step is done; one that the schema left behind is left."""
    with connected(deployment.engine) as connection:
        begun = journal.unfinished(connection)
    if begun:
        state = journal.DONE if begun.to_revision == position.target_revision else journal.LEFT
        journal.end(deployment.engine, begun.id, state, now=clock())


def _note_failure(
    deployment: Deployment, entry: int, error: PinwheelError, clock: Callable[[], datetime]
) -> None:
    try:
        journal.end(deployment.engine, entry, journal.FAILED, now=clock(), message=error.message)
    except Exception:
        # The database may be what failed. The journal then still says "running", which resumes as well.
        return
