"""What of a ``pinwheel.yaml`` is in force: a version's own, or the former one's while its own is wrong.

Declared inputs may wait for their Dags. Policies are taken in with the version: for each Dag the release
decides which revision is in force.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import structlog
from attrs import evolve, frozen

from pinwheel.airflow3.bundles.versioned import SnapshotBundle
from pinwheel.airflow3.processor.guarded import Boundary
from pinwheel.airflow3.processor.head import Prepared
from pinwheel.core.parse.declared import (
    FILE,
    NOTHING,
    Declared,
    Rule,
    declare,
    in_repository,
    too_many,
    too_much,
    unknown_ids,
)
from pinwheel.core.parse.lined_yaml import MOST_BYTES, Wrong
from pinwheel.core.parse.pinwheel_yaml import Read, read
from pinwheel.core.release.policy import Policy
from pinwheel.core.text import fit
from pinwheel.services.ports.host import Host
from pinwheel.store import bundles, dags, policies
from pinwheel.store.policies import PolicySource

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

log = structlog.get_logger(__name__)

PLACE = FILE
"""The place of faults of a bundle's declared inputs."""
LOOK_AGAIN = 30.0
"""Seconds after which it is looked again for Dags that a file names and that were not there."""
_MISSPELT = "pinwheel.yml"


@frozen(kw_only=True)
class InForce:
    """What is declared at a version, and what its own file says."""

    declared: Declared
    to_store: Mapping[str, Any] | None
    """The rules that come into force with the version; None: those of before stay."""
    own: tuple[Rule, ...]
    """The rules of the version's own file; none where that is wrong."""
    waits: bool
    """They are not in force: no Dag is known yet of an id in them."""
    policies: tuple[Policy, ...] | None
    """Those of the version's own file; None: it is wrong, and those of before stay."""
    wrong: tuple[Wrong, ...]


class Declarations:
    """What one Dag processor knows of its bundles' declared inputs."""

    def __init__(self, host: Host, boundary: Boundary) -> None:
        self.host = host
        self.boundary = boundary
        self._heads: dict[str, tuple[Prepared, InForce]] = {}
        self._again: dict[str, float] = {}

    def at(self, bundle_name: str, prepared: Prepared) -> InForce:
        """What is declared at a version that is to be taken in."""
        source, version = prepared.source, str(prepared.version)
        found = _read(source.repository_path if isinstance(source, SnapshotBundle) else prepared.path)
        former = self.host.unit.run(lambda session: bundles.declared(session, bundle_name))
        rules = before = tuple(Rule.from_json(rule) for rule in former.get("rules", ()))
        wrong, waits = list(found.wrong), False
        declared: Declared | None = None
        if not wrong and found.rules != before:
            if why := too_much(found.rules, _repository(prepared)):
                wrong.append(Wrong(1, why, "Begin them with the names of folders, or declare fewer"))
            else:
                declared = _declare(found.rules, prepared)
                wrong += [Wrong(line, why, "Declare fewer") for line, why in too_many(declared).items()]
                waits = not wrong and bool(self._unknown(found.rules))
                if not wrong and not waits:
                    rules = found.rules
        if declared is None or rules is not found.rules:
            declared = _declare(rules, prepared)
        return InForce(
            declared=declared,
            to_store=stored(rules, version) if rules != before else None,
            own=() if wrong else found.rules,
            waits=waits,
            policies=None if wrong else found.policies,
            wrong=tuple(wrong),
        )

    def taken(self, bundle_name: str, prepared: Prepared, in_force: InForce) -> None:
        """The version is the head: tell what is wrong with its file, or take that back. Never raises."""
        self._heads[bundle_name] = prepared, in_force
        self._again.pop(bundle_name, None)
        if in_force.wrong:
            self._tell(bundle_name, in_force.wrong, whole=True)
        elif not in_force.waits and not _ids(in_force.own):
            self.boundary.worked(PLACE, bundle_name=bundle_name)

    def due(self) -> list[str]:
        """Bundles for whose missing Dags it is to be looked again."""
        now = time.monotonic()
        return [name for name, at in self._again.items() if now >= at]

    def known(self, bundle_name: str, seq: int) -> Declared | None:
        """All files of the head are known: look whether there is a Dag of each id in its rules.

        What is declared from now on, where that changes at this head with this ``seq``; else None.
        """
        found = self._heads.get(bundle_name)
        if found is None or not _ids(found[1].own):
            return None
        prepared, in_force = found
        if unknown := self._unknown(in_force.own):
            wrong = [
                Wrong(line, f"there is no Dag {dag_id!r}", "Correct the id, or remove it until there is one")
                for dag_id, line in sorted(unknown.items(), key=lambda pair: pair[1])
            ]
            self._again[bundle_name] = time.monotonic() + LOOK_AGAIN
            self._tell(bundle_name, wrong)
            return None
        self._again.pop(bundle_name, None)
        self.boundary.worked(PLACE, bundle_name=bundle_name)
        if not in_force.waits:
            return None
        rules = stored(in_force.own, str(prepared.version))
        if not self.host.unit.run(lambda session: bundles.declare_at(session, bundle_name, seq, rules)):
            return None
        declared = _declare(in_force.own, prepared)
        self._heads[bundle_name] = prepared, evolve(in_force, declared=declared, waits=False)
        log.info("Declared inputs are in force", bundle=bundle_name, rules=len(in_force.own))
        return declared

    def _unknown(self, rules: Sequence[Rule]) -> dict[str, int]:
        ids = _ids(rules)
        known = self.host.unit.run(lambda session: dags.living(session, ids)) if ids else set()
        return unknown_ids(rules, known)

    def _tell(self, bundle_name: str, wrong: Sequence[Wrong], *, whole: bool = False) -> None:
        """*whole*: nothing of the file was taken, its policies neither."""
        try:
            former, kept = self.host.unit.run(lambda session: _before(session, bundle_name))
        except Exception:
            log.exception("It can not be told what is wrong with a file", bundle=bundle_name, file=FILE)
            return
        stay = (
            f"the rules of version {former['version']} stay in force"
            if former.get("rules")
            else "nothing is declared"
        )
        if whole and kept:
            stay += f", and so do the policies of before ({fit(', '.join(kept), 200)})"
        more = f" {len(wrong) - 1} more: pinwheel inputs check." if wrong[1:] else ""
        said = f"Cannot use {FILE}: {fit(str(wrong[0]), 300)}{more} Push it corrected; until then {stay}."
        self.boundary.caught(PLACE, said, bundle_name=bundle_name)


def stored(rules: Sequence[Rule], version: str) -> dict[str, Any]:
    """Rules as they are kept while they are in force."""
    return {"version": version, "rules": [rule.to_json() for rule in rules]}


def _before(session: Session, bundle_name: str) -> tuple[dict[str, Any], list[str]]:
    """The declared rules that are in force, and the names of the policies."""
    kept = policies.of_document(session, PolicySource.REPOSITORY, bundle_name)
    return bundles.declared(session, bundle_name), [each.policy.name for each in kept]


def _ids(rules: Sequence[Rule]) -> set[str]:
    return {dag_id for rule in rules for dag_id in rule.dags.ids}


def _declare(rules: Sequence[Rule], prepared: Prepared) -> Declared:
    subdir = prepared.source.subdir if isinstance(prepared.source, SnapshotBundle) else None
    return declare(rules, _repository(prepared), subdir) if rules else NOTHING


def _repository(prepared: Prepared) -> Mapping[str, str]:
    source = prepared.source
    return in_repository(prepared.manifest, source.subdir if isinstance(source, SnapshotBundle) else None)


def _read(root: Path) -> Read:
    """What the file at the root says. Raises OSError where it is there and can not be read."""
    path = root / FILE
    if not os.path.lexists(path):
        if not os.path.lexists(root / _MISSPELT):
            return Read()
        return Read(wrong=(Wrong(1, f"the file has the name {_MISSPELT}", f"Name it {FILE}"),))
    place = _file_at(path, root)
    if place is None:
        return Read(wrong=(Wrong(1, "it is no file of the repository", "Put a file there"),))
    with place.open("rb") as file:
        # One byte more than is taken, so that what reads it says so
        return read(file.read(MOST_BYTES + 1))


def _file_at(path: Path, root: Path) -> Path | None:
    """Where a path leads; None where that is no file of the repository: a link may hold anything."""
    try:
        place = path.resolve()
        return place if place.is_relative_to(root.resolve()) and place.is_file() else None
    except (OSError, RuntimeError):
        if path.is_symlink():
            return None
        raise
