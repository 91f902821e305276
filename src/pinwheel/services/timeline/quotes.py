"""What a Dag processor said of builds that can not run quotes their files: who may read which of it."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from attrs import evolve, frozen

from pinwheel.core.build import Build
from pinwheel.core.text import fit
from pinwheel.services.ingest.errors_of_files import told_in, told_of_bundle
from pinwheel.services.ports.host import Host
from pinwheel.services.timeline.views import TimelineChange
from pinwheel.store.trial_parses import TrialParse

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

LONGEST = 2000
OF_ITS_FILE = "does-not-import"
"""The problem whose words are those of the Dag file; all others' are of its bundle."""


@frozen(kw_only=True)
class Quoted:
    """Words that may quote files of Dags."""

    text: str
    dag_ids: Collection[str]
    """The Dags of which they may tell."""
    of_bundle: bool
    """They may quote any file of a bundle, and else one."""


Reads = Callable[[Quoted], str | None]
"""What the one who asks may read of it; None: nothing."""


def all_of_it(quoted: Quoted) -> str:
    return quoted.text


class Quotes:
    """What is quoted to one who asks. Told with the answer and never kept with it: a repeat may be asked by
    one who may read less.
    """

    def __init__(self, host: Host, reads: Reads) -> None:
        self._host = host
        self._reads = reads
        self._by_warning: dict[str, str] = {}

    def of(self, session: Session, build: Build, answer: TrialParse) -> str | None:
        """What may be told of the words of an answer."""
        if answer.error is None:
            return "it gives no reason"
        of_file = answer.problem in (OF_ITS_FILE, None)
        place = build.bundle_name, answer.bundle_version, build.relative_fileloc
        return self._reads(
            Quoted(
                text=fit(answer.error, LONGEST).rstrip("."),
                dag_ids=told_in(self._host, session, [place])[place]
                if of_file
                else told_of_bundle(self._host, session, build.bundle_name),
                of_bundle=not of_file,
            )
        )

    def add(self, warning: str, quoted: str | None) -> None:
        """A warning is to be told with these words."""
        if quoted is not None:
            self._by_warning[warning] = quoted

    def told(self, answer: TimelineChange) -> TimelineChange:
        """The answer, its warnings with what they quote."""
        quoted = {warning: f"{warning}: {text}" for warning, text in self._by_warning.items()}
        return evolve(answer, warnings=tuple(quoted.get(each, each) for each in answer.warnings))
