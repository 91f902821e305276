"""Builds that somebody wants to run at a version of their bundle: the Dag processor looks whether they can.

A timeline names places that nobody may have used for years. So each is looked at before it is set: is the
version there, does the bundle's class refuse one that it does not know, can the file be imported here?
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import structlog
from airflow.dag_processing.bundles.manager import DagBundlesManager
from airflow.dag_processing.manager import DagFileInfo
from attrs import frozen
from sqlalchemy.orm import Session

from pinwheel.airflow3.bundles.git_command import without_credentials
from pinwheel.airflow3.bundles.probe import takes_unknown
from pinwheel.airflow3.bundles.versioned import SnapshotBundle
from pinwheel.airflow3.processor.errands import Errands, Unfinished
from pinwheel.core.errors import PinwheelError
from pinwheel.core.text import storable
from pinwheel.services.ingest.builds import ParsedFile
from pinwheel.services.ports.host import Host
from pinwheel.store import builds, bundles
from pinwheel.store import trial_parses as store
from pinwheel.store.trial_parses import Question

log = structlog.get_logger(__name__)

WAITED_FOR = timedelta(seconds=60)
"""Of what was asked before nobody waits any more."""
LONGEST = 2000


class TrialParse(DagFileInfo):
    """A file that is parsed to answer a question: another entry than the file's own."""


@frozen
class _Ready:
    path: Path
    ignores: str | None


class Trials:
    """Which build is to be looked at next, and what came of it."""

    def __init__(self, host: Host, errands: Errands, *, has: Callable[[str], bool]) -> None:
        self.host = host
        self._errands = errands
        self._has = has
        self._at_work: dict[TrialParse, Question] = {}

    def due(self) -> list[TrialParse]:
        """Files to parse now; their versions are on disk, and stay fetchable. Asks the database once."""
        since = self.host.unit.now() - WAITED_FOR
        begun = {(each.build_id, each.bundle_version) for each in self._at_work.values()}
        found = []
        for question in self.host.unit.run(partial(store.open_questions, since=since)):
            place = question.build_id, question.bundle_version
            if place in begun or not self._has(question.bundle_name):
                continue
            try:
                data = self.host.unit.run(partial(_data_of, question=question))
                work = partial(_made_ready, question.bundle_name, question.bundle_version, data)
                ready = self._errands.ask(("trial", *place), work)
            except Unfinished:
                continue
            except Exception as error:
                self._no(question, "version-not-fetchable", _said(error))
                continue
            if ready.ignores is not None:
                self._no(question, "bundle-ignores-version", ready.ignores)
                continue
            file = TrialParse(
                rel_path=Path(question.relative_fileloc),
                bundle_name=question.bundle_name,
                bundle_path=ready.path,
                bundle_version=question.bundle_version,
            )
            self._at_work[file] = question
            found.append(file)
        return found

    def lost(self, still: Callable[[TrialParse], bool]) -> None:
        """Forget what is neither queued nor parsed any more: it is asked again, if anybody waits for it."""
        for file in [file for file in self._at_work if not still(file)]:
            del self._at_work[file]

    def take(self, file: TrialParse, parsed: ParsedFile) -> None:
        """What the parse of a file gave."""
        question = self._at_work.pop(file, None)
        if question is None:
            return
        content = next((each for each in parsed.contents if each.dag_id == question.dag_id), None)
        if content is None:
            error = "\n".join(parsed.errors.values()).strip().splitlines()
            said = error[-1] if error else f"there is no Dag {question.dag_id} in it"
            self._no(question, "does-not-import", said)
            return
        if parsed.runtime:
            # No build may ever have been made in it
            remember = partial(
                builds.remember_runtime,
                fingerprint=parsed.runtime,
                details=parsed.runtime_details,
                now=self.host.unit.now(),
            )
            self.host.unit.run(remember)
        self._answer(question, ok=True, digest=content.serialized_digest, runtime=parsed.runtime or None)

    def gave_up(self, file: TrialParse, why: str) -> None:
        """It could not be parsed to its end."""
        question = self._at_work.pop(file, None)
        if question is not None:
            self._no(question, "does-not-import", why)

    def _no(self, question: Question, problem: str, error: str) -> None:
        log.info(
            "A build can not run at a version",
            dag_id=question.dag_id,
            version=question.bundle_version,
            problem=problem,
            error=error,
        )
        self._answer(question, ok=False, problem=problem, error=storable(error)[:LONGEST])

    def _answer(self, question: Question, **answer: Any) -> None:
        now = self.host.unit.now()
        self.host.unit.run(lambda session: store.answer(session, question, now=now, **answer))


def _data_of(session: Session, question: Question) -> Any:
    """What the bundle's class gave with a version, and needs to make it again."""
    key = question.bundle_name, question.bundle_version
    known = bundles.versions(session, [key]).get(key)
    return known.version_data if known is not None else None


def _made_ready(bundle_name: str, version: str, data: Any) -> _Ready:
    """Fetch a version and keep it; in a thread, since a source may answer late."""
    bundle = DagBundlesManager().get_bundle(name=bundle_name, version=version)
    if data is not None:
        bundle.version_data = data
    bundle.initialize()
    path = bundle.path
    if not path.is_dir():
        raise FileNotFoundError(f"version {version} has no directory")
    if isinstance(bundle, SnapshotBundle):
        bundle.keep(version)
    return _Ready(path, takes_unknown(bundle_name))


def _said(error: Exception) -> str:
    words = error.found or error.failed if isinstance(error, PinwheelError) else str(error)
    return without_credentials(words or type(error).__name__)
