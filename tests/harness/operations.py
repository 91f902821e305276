"""Every act that changes what runs, each in a form that can be repeated on one database for ever."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa
from attrs import frozen

from harness import asked
from harness.prebuilt import BROKEN, Prebuilt, Text
from pinwheel.core.release.decide import Verb
from pinwheel.services import change
from pinwheel.services.show import status as dag_status
from pinwheel.services.upkeep import repair

DAGS = ("a", "b", "c")


class World:
    """Three Dags with two builds each; ``body`` counts the builds made since."""

    def __init__(self) -> None:
        self.pusher = Prebuilt()
        self.host = self.pusher.host
        self.body = 0
        self.arriving: Any = None
        for shape in ("plain", "daily"):
            self.pusher.push({dag_id: Text(shape) for dag_id in DAGS})

    def change(self, verb: Verb, dag_ids: Sequence[str] = ("a",), **more: Any) -> list[Any]:
        wanted = asked.change(verb=verb, dag_ids=dag_ids, actor="ada", **more)
        return change.apply(self.host, wanted)

    def free(self, dag_id: str = "a") -> None:
        """Unpinned, and nothing of it is rejected."""
        from pinwheel.services.show.builds import builds

        self.change(Verb.UNPIN, [dag_id])
        for build in builds(self.host, dag_id):
            if build.rejected is not None:
                self.change(Verb.LIFT, [dag_id], build=build.build)

    def hold_first(self, *dag_ids: str) -> None:
        for dag_id in dag_ids or ("a",):
            self.change(Verb.PIN, [dag_id], build=1)

    def newest(self, dag_id: str = "a") -> int:
        """The number of its newest build."""
        (status,) = dag_status.status(self.host, dag_ids=[dag_id])
        assert status.newest_build is not None
        return status.newest_build

    def arrive(self, text: Text | None) -> None:
        """A new bundle version whose file ``a`` is not registered yet."""
        self.pusher.files["a"] = text
        version, seq = self.pusher.advance()
        self.arriving = self.pusher.parsed("a", version=version, seq=seq)

    def register(self) -> list[Any]:
        from pinwheel.services.ingest import register

        return register.register(self.host, self.arriving)

    def next_text(self) -> Text:
        self.body += 1
        return Text("assets", self.body)

    def vandalize(self, engine: sa.Engine) -> None:
        """What `airflow tasks test` leaves: no bundle version (and, here, a stale flag too)."""
        with engine.begin() as connection:
            connection.execute(
                sa.text("UPDATE dag SET bundle_version = NULL, is_stale = :y WHERE dag_id = 'a'"), {"y": True}
            )
            connection.execute(sa.text("UPDATE dag_version SET bundle_version = NULL WHERE dag_id = 'a'"))


@frozen
class Operation:
    name: str
    ready: Callable[[World, sa.Engine], Any]
    """Bring the world to where the act has something to do."""
    act: Callable[[World, str | None], Any]
    """The act, under this request id if it takes one; the same id makes a repeat harmless."""
    releases: int = 1
    """How many releases it makes."""


def _gone(world: World, engine: sa.Engine) -> None:
    world.free()
    world.pusher.push({"a": world.next_text()})
    world.arriving = world.pusher.advance()


def _retire(world: World, request_id: str | None) -> Any:
    from pinwheel.services.ingest import settle

    return settle.settle(
        world.host,
        bundle_name=world.pusher.bundle_name,
        seq=world.arriving[1],
        paths={"b.py", "c.py"},
        grace_seconds=0,
    )


def _take_in(world: World, request_id: str | None) -> Any:
    """A commit after which a's file has still to be parsed, and the others are as they were."""
    from harness.taking import take_in

    return take_in(
        world.host,
        world.pusher.bundle_name,
        f"{world.body:040x}",
        files={f"{dag_id}.py" for dag_id in DAGS},
        changed={"a.py"},
    )


def _new_text(world: World, engine: sa.Engine) -> None:
    world.free()
    world.arrive(world.next_text())


OPERATIONS = [
    Operation("promote", lambda w, _: w.hold_first(), lambda w, i: w.change(Verb.PROMOTE, request_id=i)),
    Operation("rollback", lambda w, _: w.free(), lambda w, i: w.change(Verb.ROLLBACK, request_id=i)),
    Operation(
        "reject",
        lambda w, _: w.free(),
        lambda w, i: w.change(Verb.REJECT, build=1, request_id=i),
        releases=0,
    ),
    Operation(
        "lift",
        lambda w, _: (w.free(), w.change(Verb.ROLLBACK), w.change(Verb.UNPIN)),
        lambda w, i: w.change(Verb.LIFT, build=w.newest(), request_id=i),
    ),
    Operation("pin", lambda w, _: w.free(), lambda w, i: w.change(Verb.PIN, build=1, request_id=i)),
    Operation("unpin", lambda w, _: w.hold_first(), lambda w, i: w.change(Verb.UNPIN, request_id=i)),
    Operation("arrive", _new_text, lambda w, i: w.register()),
    Operation(
        "take in",
        lambda w, _: (w.free(), w.arrive(w.next_text()), w.register()),
        _take_in,
        releases=0,
    ),
    Operation("broken", lambda w, _: w.arrive(BROKEN), lambda w, i: w.register(), releases=0),
    Operation("retire", _gone, _retire),
    Operation(
        "batch",
        lambda w, _: w.hold_first(*DAGS),
        lambda w, i: w.change(Verb.PROMOTE, DAGS, request_id=i),
        releases=3,
    ),
    Operation(
        "trigger",
        lambda w, _: w.hold_first(),
        lambda w, i: asked.trigger(w.host, "a", actor="ada", build=2, request_id=i),
        releases=0,
    ),
    Operation(
        "repair",
        lambda w, engine: (w.free(), w.vandalize(engine)),
        lambda w, i: repair.repair_drift(w.host),
        releases=0,
    ),
]
