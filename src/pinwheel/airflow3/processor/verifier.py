"""Verification in the Dag processor: files that were judged unchanged are parsed in the background.

One at a time, only when nothing else is to be parsed, within the budget of the whole deployment, and by the
one processor that holds its lease. When all are verified nothing is asked until another version comes.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import psutil  # type: ignore[import-untyped]  # one of Airflow's own dependencies
import structlog
from airflow.configuration import conf
from airflow.dag_processing.manager import DagFileInfo
from attrs import evolve

from pinwheel.airflow3.processor.head import Head
from pinwheel.airflow3.processor.intake import Intake
from pinwheel.core.parse.verify import Bucket, Unverified, Verdict, changed_paths, folders_of, in_turn
from pinwheel.core.text import visible
from pinwheel.services.ingest import verify
from pinwheel.services.ingest.builds import ParsedFile
from pinwheel.services.ingest.verify import Spent
from pinwheel.services.ports.host import Host
from pinwheel.services.upkeep.lease import Lease
from pinwheel.store import verification as store

log = structlog.get_logger(__name__)

ASK_AGAIN = 5.0
"""Seconds after which it is asked again whether another processor has it."""
LONGEST = 60.0
"""Seconds after which others get their turn, who may have other bundles."""
LATE = 0.1
"""Weight of one verification in what one takes on the average."""


class Verification(DagFileInfo):
    """A file that is parsed to verify it: another entry than the file's own, and than its callbacks' of the
    same version. Dataclasses of two classes are never equal.
    """


def cpu_seconds_of(process: Any) -> float:
    """CPU seconds that a parser which is still there has used; 0 where that can not be told."""
    try:
        times = psutil.Process(process.pid).cpu_times()
    except (psutil.Error, AttributeError, OSError):
        return 0.0
    return float(sum(times[:4]))


def _place(file: Unverified | ParsedFile) -> tuple[str, str]:
    return file.bundle_name, file.path


class Verifier:
    """Which file is to be verified next, and what came of the last."""

    def __init__(
        self,
        host: Host,
        intake: Intake,
        *,
        older_manifest: Callable[[str, str], Mapping[str, str]] = lambda name, version: {},
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.host = host
        self.intake = intake
        self.clock = clock
        self._older_manifest = older_manifest
        self._lease = Lease(host, store.BUDGET)
        self._since: float | None = None
        self._bucket = Bucket(
            share=max(0.0, conf.getfloat("pinwheel", "verify_budget", fallback=0.05)), at=clock()
        )
        self._mean: float | None = None
        self._written: datetime | None = None
        self._overhead = 0.0
        self._unwritten = False
        self._waiting: deque[Unverified] | None = None
        self._differed: ParsedFile | None = None
        self._stopped: dict[tuple[str, str], datetime] = {}
        self._given_up: set[tuple[str, str]] = set()
        self._asleep = False
        self._not_before = float("-inf")
        self._told = False
        self.at_work: Verification | None = None

    def wake(self) -> None:
        """Another version was taken in: see anew which files are not verified."""
        self._waiting, self._asleep, self._not_before = None, False, float("-inf")
        self._given_up.clear()

    def next(self) -> Verification | None:
        """The file to verify now, if any. Nothing is asked of the database while there is none."""
        now = self.clock()
        if self.at_work is not None:
            # Nobody else is to begin one meanwhile.
            self._lease.have()
            return None
        self._write_down()
        if self._asleep or now < self._not_before:
            return None
        if not self._bucket.share:
            self._say_it_is_off()
            return None
        if not self._bucket.may_start(now):
            return None
        if self._since is not None and now - self._since >= LONGEST:
            self._let_go(now)
            return None
        if not self._lease.have():
            self._not_before, self._since = now + ASK_AGAIN, None
            return None
        if self._since is None:
            self._since = now
            if self._waiting is not None:
                self._waiting = self._in_turn(self._waiting)
        self._catch_up(now)
        if not self._bucket.may_start(now):
            return None
        chosen = self._chosen()
        if chosen is None:
            # Rather than to hold what nobody here needs: others may have other bundles.
            self._asleep = True
            self._let_go(now)
            return None
        head = self.intake.heads[chosen.bundle_name]
        self.at_work = Verification(
            rel_path=Path(chosen.path),
            bundle_name=chosen.bundle_name,
            bundle_path=head.path,
            bundle_version=head.version,
        )
        return self.at_work

    def end(self) -> None:
        """Let another processor go on at once."""
        self._write_down()
        if self._since is not None:
            self._let_go(self.clock())

    # What came of it

    def put_back(self, verification: Verification, cpu_seconds: float = 0.0) -> None:
        """It was not carried out, or not to its end: it is asked for again later. What it cost is charged.

        Not before the others: one that is stopped each time would keep them from their turn.
        """
        self._ended(verification)
        self._waiting = None
        if cpu_seconds > 0:
            place = verification.bundle_name, str(verification.rel_path)
            if place in self._stopped:
                self._differed = None
            self._stopped[place] = self.host.unit.now()
        self._charge(cpu_seconds)

    def gave_up(self, verification: Verification, cpu_seconds: float) -> None:
        """It took too long, or could not be started: it is not tried again in this version."""
        self._ended(verification)
        self._differed = None
        place = verification.bundle_name, str(verification.rel_path)
        self._given_up.add(place)
        self._stopped[place] = self.host.unit.now()
        self._charge(cpu_seconds)

    def take(
        self, verification: Verification, head: Head, parsed: ParsedFile, cpu_seconds: float
    ) -> ParsedFile | None:
        """What is to be registered of a verification that came to its end; mostly nothing."""
        began = time.thread_time()
        self._ended(verification)
        self._stopped.pop(_place(parsed), None)
        first, self._differed = self._differed, None
        if first is not None and (_place(first), first.tree) != (_place(parsed), parsed.tree):
            first = None
        self._mean = cpu_seconds if self._mean is None else self._mean + LATE * (cpu_seconds - self._mean)
        self._charge(cpu_seconds)
        spent = Spent(bucket=self._bucket, mean=self._mean)
        try:
            found = verify.look(self.host, parsed, first=first, spent=spent)
        except Exception:
            # The database was away, say: it is verified again.
            self._waiting = None
            raise
        self._written, self._unwritten = found.at, False
        registered = found.register
        if found.inputs is not None:
            self.intake.remember(parsed.bundle_name, parsed.path, parsed.seq, found.inputs, False, None)
        if found.verdict is Verdict.AGAIN:
            self._differed = parsed
        elif found.verdict is Verdict.MISSED and registered is not None:
            registered = verify.missed(registered, self._changed(head, found.since))
            self.intake.always(parsed.bundle_name, parsed.path, parsed.file_digest)
            log.warning(
                "A file depends on something that changed unseen: from now on it is parsed in each version",
                bundle=parsed.bundle_name,
                file=visible(parsed.path),
            )
        self._overhead += max(0.0, time.thread_time() - began)
        return registered

    # Inside

    def _ended(self, verification: Verification) -> None:
        if self.at_work is verification:
            self.at_work = None

    def _charge(self, cpu_seconds: float) -> None:
        self._bucket = self._bucket.charged(self.clock(), cpu_seconds + self._overhead)
        self._overhead, self._unwritten = 0.0, True

    def _let_go(self, now: float) -> None:
        self._not_before, self._since = now + ASK_AGAIN, None
        self._lease.give_up()

    def _catch_up(self, now: float) -> None:
        """Go on with the budget where another processor, or one before this, left it."""
        last = self.host.unit.run(store.budget)
        if last is not None and (
            self._written is None or abs(last.at - self._written) > timedelta(seconds=0.01)
        ):
            debt = (
                last.level + max(0.0, (self.host.unit.now() - last.at).total_seconds()) * self._bucket.share
            )
            self._bucket = self._bucket.taken_over(debt, now)
            self._mean = last.mean if last.mean is not None else self._mean
            self._waiting, self._written = None, last.at
        if last is None or last.share != self._bucket.share:
            self._write()

    def _write(self) -> None:
        self._written = self.host.unit.now()
        self.host.unit.run(
            partial(
                store.put_budget,
                share=self._bucket.share,
                level=self._bucket.level,
                mean=self._mean,
                now=self._written,
            )
        )

    def _write_down(self) -> None:
        """What a verification used that came to no end is owed by whoever goes on, too."""
        if self._unwritten:
            self._unwritten = False
            if self._lease.have():
                self._write()

    def _say_it_is_off(self) -> None:
        """So that nobody waits for what is not done."""
        self._asleep = True
        if not self._told:
            last = self.host.unit.run(store.budget)
            if last is not None and last.share:
                self._write()
            self._told = True

    def _chosen(self) -> Unverified | None:
        if self._waiting is None:
            self._waiting = self._in_turn(self._unverified())
        first, self._differed = self._differed, None
        if first is not None:
            head = self.intake.heads.get(first.bundle_name)
            if head is not None and head.tree == first.tree:
                self._differed = first
                again = Unverified(
                    bundle_name=first.bundle_name, path=first.path, verified_at=self.host.unit.now()
                )
                self._waiting = deque(each for each in self._waiting if _place(each) != _place(first))
                return again
        return self._waiting.popleft() if self._waiting else None

    def _in_turn(self, files: Iterable[Unverified]) -> deque[Unverified]:
        """In their order; one that was stopped has its place by when that was."""
        never = datetime.min.replace(tzinfo=UTC)
        as_late = [
            evolve(file, verified_at=max(file.verified_at, self._stopped.get(_place(file), never)))
            for file in files
        ]
        return deque(in_turn(as_late, self.host.unit.now()))

    def _unverified(self) -> list[Unverified]:
        found: list[Unverified] = []
        for name, head in self.intake.heads.items():
            if not head.tree:
                continue
            changed = folders_of(head.changed)
            for row in self.host.unit.run(partial(store.unverified, bundle_name=name, tree=head.tree)):
                path = row.relative_fileloc
                if path in head.manifest and (name, path) not in self._given_up:
                    near = path.rpartition("/")[0] in changed
                    found.append(
                        Unverified(bundle_name=name, path=path, verified_at=row.verified_at, near=near)
                    )
        return found

    def _changed(self, head: Head, since: str | None) -> list[str]:
        """What changed since a version; what the head changed where that one can not be had any more."""
        try:
            older = self._older_manifest(head.bundle_name, since) if since is not None else {}
        except Exception:
            log.warning("An earlier version can not be compared", bundle=head.bundle_name, exc_info=True)
            older = {}
        return changed_paths(older, head.manifest) if older else sorted(head.changed)
