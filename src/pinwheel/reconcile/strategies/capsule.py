"""``capsule``: run the newer Airflow's scripts here, from the copy that it left in the database."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

import sqlalchemy as sa

from pinwheel.core.errors import HostError, Refused
from pinwheel.reconcile import capsule_store
from pinwheel.reconcile.capsule import Capsule
from pinwheel.reconcile.database import connected
from pinwheel.reconcile.installed import Deployment
from pinwheel.reconcile.revisions import release_of
from pinwheel.reconcile.strategy import Downgrade, Say
from pinwheel.reconcile.walk import TAKES_ALL_BACK

_SAFE_PATH = "PYTHONSAFEPATH"


def add_arguments(group: Any) -> None:
    """It has no options."""


def make(options: argparse.Namespace, deployment: Any) -> CapsuleStrategy:
    return CapsuleStrategy(deployment)


class CapsuleStrategy:
    """Needs a sound capsule that knows both revisions, or an installed Airflow that does."""

    name = "capsule"

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment

    def prepare(self, walk: Downgrade) -> list[str]:
        capsule = self._capsule(walk)
        undone = len(self._undone(capsule, walk))
        whose = f"the capsule of Airflow {capsule.airflow_version}" if capsule else "the installed Airflow"
        whole = self._deployment.engine.dialect.name in TAKES_ALL_BACK
        return [
            f"Undo {undone} migrations here, with the scripts of {whose}"
            + (", in one transaction" if whole else ", one after the other")
        ]

    @contextlib.contextmanager
    def ready(self, walk: Downgrade) -> Iterator[Callable[[Say], None]]:
        """Let the child load the scripts while the caller still decides; calling what is given walks."""
        capsule = self._capsule(walk)
        undone = self._undone(capsule, walk)
        with (
            self._package(capsule) as package,
            _started("walk", walk, undone, package, self._deployment) as child,
        ):

            def go(say: Say) -> None:
                child.go()
                for told in child.told():
                    if "resumed" in told:
                        say(
                            f"Going on inside of migration {told['resumed']}, "
                            f"after {told['statements']} of its statements"
                        )
                    if "step" in told:
                        say(f"{told['step']}/{len(undone)} undone: {told['undone']} {told['name']}")

            yield go

    def run(self, walk: Downgrade, say: Say) -> None:
        with self.ready(walk) as go:
            go(say)

    def rehearse(self, walk: Downgrade) -> None:
        """Load every script that the walk needs, without the database.

        :raises HostError: one can not be loaded with the libraries of this image.
        """
        capsule = self._capsule(walk)
        undone = self._undone(capsule, walk)
        with (
            self._package(capsule) as package,
            _started("load", walk, undone, package, self._deployment) as child,
        ):
            for _ in child.told():
                pass

    def _undone(self, capsule: Capsule | None, walk: Downgrade) -> list[str]:
        history = capsule.history if capsule else self._deployment.history
        return [revision.id for revision in history.between(walk.from_revision, walk.to_revision)]

    def _capsule(self, walk: Downgrade) -> Capsule | None:
        """None: the installed Airflow knows the way itself."""
        own = self._deployment.history
        if walk.from_revision in own and walk.to_revision in own:
            return None
        with connected(self._deployment.engine) as connection:
            stored = capsule_store.stored(connection)
        faults = {c.id: fault for c in stored if (fault := c.check(self._deployment.keys))}
        chosen = capsule_store.best(
            [c for c in stored if c.id not in faults], walk.from_revision, walk.to_revision
        )
        if chosen and _major(chosen.sqlalchemy) not in (None, _major(sa.__version__)):
            raise Refused(
                f"Cannot go from Airflow {walk.from_version} to {walk.to_version} by capsule",
                found=f"the migrations of Airflow {chosen.airflow_version} are written for SQLAlchemy "
                f"{_major(chosen.sqlalchemy)}, and this image has {sa.__version__}",
                remedy="Use --strategy command with the newer image, or --strategy exec with a running pod "
                "of it",
            )
        if chosen:
            return chosen
        raise Refused(
            f"Cannot go from Airflow {walk.from_version} to {walk.to_version} by capsule",
            found=_why_none(stored, faults, walk.from_revision),
            remedy="In the newer image, with this deployment's Fernet key, run: pinwheel db capsule store",
        )

    @contextlib.contextmanager
    def _package(self, capsule: Capsule | None) -> Iterator[Path]:
        if capsule is None:
            yield self._deployment.package
            return
        # mkdtemp: readable and writable by this user only, so nobody changes what was verified.
        with tempfile.TemporaryDirectory(prefix="pinwheel-capsule-") as folder:
            yield capsule.unpack(Path(folder), self._deployment.keys)


def _major(version: str) -> int | None:
    return release_of(version)[0] or None


def _why_none(stored: list[Capsule], faults: dict[int | None, str], revision: str) -> str:
    if not stored:
        return "no capsule is stored: no Airflow with Pinwheel migrated this database"
    told = [f"capsule {c.id} can not be used, as {faults[c.id]}" for c in stored if c.id in faults]
    sound = [c.airflow_version for c in stored if c.id not in faults]
    if sound:
        told.append(f"none of the capsules of Airflow {', '.join(sound)} knows revision {revision}")
    return "; ".join(told)


class _Child:
    """A running ``pinwheel.reconcile.walk``."""

    def __init__(
        self, process: subprocess.Popen[str], errors: IO[str], walk: Downgrade, *, whole: bool
    ) -> None:
        self._process = process
        self._errors = errors
        self._walk = walk
        self._whole = whole

    def send(self, line: str) -> None:
        assert self._process.stdin is not None
        # A child that has died tells why.
        with contextlib.suppress(BrokenPipeError):
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def go(self) -> None:
        """Let it walk, once it has loaded everything."""
        self.send("go")

    def told(self) -> Iterator[dict[str, Any]]:
        """What it tells, as it tells it, until its end.

        :raises HostError: it failed or died.
        """
        assert self._process.stdout is not None
        done, failed = False, None
        for line in self._process.stdout:
            told = _read(line)
            done = done or "done" in told
            failed = told if "failed" in told else failed
            yield told
        code = self._process.wait()
        if failed:
            raise _failure(failed, self._walk, whole=self._whole)
        if not done:
            raise HostError(
                "The walk was cut off",
                found=f"its process ended with code {code}: {_last_line(self._errors)}",
                remedy="Run the same command again: it goes on from where the schema stands",
            )


@contextlib.contextmanager
def _started(
    mode: str, walk: Downgrade, undone: list[str], package: Path, deployment: Deployment
) -> Iterator[_Child]:
    """Run ``pinwheel.reconcile.walk`` with *package* as its Airflow. It ends with this context."""
    env = {name: value for name, value in os.environ.items() if name != _SAFE_PATH}
    env["PYTHONPATH"] = os.pathsep.join(filter(None, [str(package.parent), env.get("PYTHONPATH")]))
    # Only the code is wanted: no ORM, no plugins, no log files of a half-known version.
    env["_AIRFLOW__AS_LIBRARY"] = "1"
    env["PYTHONDONTWRITEBYTECODE"] = "1"
    order = {
        "mode": mode,
        "package": str(package),
        "from_revision": walk.from_revision,
        "to_revision": walk.to_revision,
        "undone": undone,
        "url": deployment.url,
        "connect_args": deployment.connect_args,
    }
    with tempfile.TemporaryFile("w+") as errors, tempfile.TemporaryDirectory(prefix="pinwheel-walk-") as cwd:
        process = subprocess.Popen(
            [sys.executable, "-m", "pinwheel.reconcile.walk"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            env=env,
            cwd=cwd,
        )
        child = _Child(process, errors, walk, whole=deployment.engine.dialect.name in TAKES_ALL_BACK)
        assert process.stdin is not None and process.stdout is not None
        try:
            child.send(json.dumps(order))
            yield child
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            process.wait()
            process.stdout.close()


def _read(line: str) -> dict[str, Any]:
    """What the child told; what a library printed there is nothing."""
    try:
        told = json.loads(line)
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def _failure(told: dict[str, Any], walk: Downgrade, *, whole: bool) -> HostError:
    if told["failed"] == "load":
        return HostError(
            f"Cannot load the migrations of Airflow {walk.from_version} in this image",
            found=f"{told['kind']}: {told['found']}",
            remedy="Nothing was changed. Use --strategy command with the newer image instead",
        )
    if told.get("remedy"):
        left = told["remedy"]
    elif whole:
        left = "All was rolled back: the schema stands where it stood"
    else:
        left = "The schema stands between two versions; when the cause is gone, run the same command again"
    return HostError(
        f"The walk from Airflow {walk.from_version} to {walk.to_version} failed",
        found=f"{told['kind']}: {told['found']}",
        remedy=left,
    )


def _last_line(errors: IO[str]) -> str:
    errors.seek(0)
    lines = errors.read().strip().splitlines()
    return lines[-1][:300] if lines else "it wrote nothing"
