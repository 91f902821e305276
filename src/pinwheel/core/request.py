"""What somebody asks for, as values: command line, REST body and service share them.

Each checks by itself what needs no database, so that both surfaces refuse the same in the same words.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from attrs import astuple, converters, field, frozen

from pinwheel.core.errors import InvalidInput, spoken
from pinwheel.core.json import Json
from pinwheel.core.release.decide import Verb
from pinwheel.core.request_values import (
    ERAS,
    LARGEST_NUMBER,
    LONGEST_NAME,
    LONGEST_NOTE,
    LONGEST_REASON,
    MOST_ERAS,
    MOST_RUNS,
    MOST_SHOWN,
    MOST_TASKS,
    Length,
    alone,
    aware,
    date,
    names,
    number,
    some,
    texts,
    valid_request_id,
    year,
)
from pinwheel.core.run.timeline import span_words
from pinwheel.core.selector import Selector


@frozen(kw_only=True)
class Selection:
    """The Dags that somebody means."""

    selector: Selector
    retired: bool = False
    """Whether those that only a pattern matches may be retired. One that is named is taken as it is."""

    @classmethod
    def to_show(cls, selector: Selector) -> Selection:
        """What a view shows: without a selector every Dag, else none that is retired and not named.

        :raises InvalidInput: all are selected, and some are named.
        """
        if not selector.empty:
            selector.require("show Dags")
        return cls(selector=selector, retired=selector.empty)

    @property
    def whole(self) -> bool:
        """Nothing is selected, so that nothing is left out."""
        return self.selector.empty


EVERY = Selection.to_show(Selector())


@frozen(kw_only=True)
class States:
    """States that somebody asks for, or the states of one Dag; in what is asked for, None is either way."""

    held: bool | None = None
    """A newer place waits."""
    pinned: bool | None = None
    broken: bool | None = None
    failing: bool | None = None
    """A run on the active release has failed and was not run again since."""
    behind: bool | None = None
    """New runs do not take what the bundle shows."""

    def admit(self, dag: States) -> bool:
        """Whether a Dag in these states is one that is asked for."""
        return all(wanted in (None, found) for wanted, found in zip(astuple(self), astuple(dag), strict=True))


ANY_STATE = States()


@frozen(kw_only=True)
class _Targeted:
    """What all requests say: a build, where it is taken from, why, and whether they are only a plan.

    ``build`` counts per Dag. ``bundle_version`` names the version of its bundle that the build is taken from;
    without a build it is the one that stood there. ``request_id`` makes a repeat harmless.
    """

    build: int | None = field(default=None, validator=number)
    bundle_version: str | None = field(default=None, validator=Length(LONGEST_NAME, empty=False))
    reason: str | None = field(default=None, validator=Length(LONGEST_REASON))
    plan: bool = False
    """Only say what would be done."""
    request_id: str | None = field(default=None, validator=valid_request_id)

    @property
    def failed(self) -> str:
        """The first clause of its refusals."""
        raise NotImplementedError


@frozen(kw_only=True)
class ChangeRequest(_Targeted):
    """To change what runs: of all Dags of a selection in one transaction, or of none.

    ``build``, ``to_release`` and ``expected_release`` count per Dag and need a selection of exactly one.
    ``expected_release`` is the active release that the caller saw; with it, a stale request is refused.
    """

    verb: Verb
    selection: Selection
    to_release: int | None = field(default=None, validator=number)
    expected_release: int | None = field(default=None, validator=number)
    rerun_failed: bool = False
    """With a rollback: in the failed runs of what is rolled back, what failed runs again."""
    rerun_whole: bool = False
    """With a rollback: these runs run again from their start, so that no versions mix in them."""
    to_blame: bool = True
    """With a rollback: what is rolled back is rejected."""
    eras: str | None = None
    """With a rollback of a Dag whose timeline has an era over the present: ``keep`` it, or ``replace`` it by
    what is rolled back to."""
    at: datetime | None = field(default=None, validator=[aware, year])
    """With a promote: not before this instant."""
    now: bool = False
    """With a promote or a pin: at once, past gates and rules. It needs a reason."""
    skip_refused: tuple[str, ...] = field(default=(), converter=some)
    """Dags that a plan showed as refused: they are left out, whether or not they still are."""

    def __attrs_post_init__(self) -> None:
        self.selection.selector.require(self.verb.value)
        if self.build is not None and self.to_release is not None:
            raise InvalidInput(
                self.failed, found="both a build and a release are given", remedy="Give one of them"
            )
        if self.rerun_failed and self.rerun_whole:
            raise InvalidInput(
                self.failed,
                found="both rerun_failed and rerun_whole are given",
                remedy="Give one of them: whole runs include what failed",
            )
        rollback_only = {
            "rerun_failed": self.rerun_failed,
            "rerun_whole": self.rerun_whole,
            "to_blame": not self.to_blame,
            "eras": self.eras is not None,
        }
        if self.eras not in (None, *ERAS):
            raise InvalidInput(
                self.failed, found=f"eras is {self.eras!r}", remedy=f"Give one of: {', '.join(ERAS)}"
            )
        for name, given in rollback_only.items():
            if given and self.verb is not Verb.ROLLBACK:
                raise InvalidInput(
                    self.failed, found=f"{name} goes with rollback only", remedy=f"Leave {name} out"
                )
        self._require_when()

    def _require_when(self) -> None:
        if self.at is not None and self.verb is not Verb.PROMOTE:
            raise InvalidInput(self.failed, found="at goes with promote only", remedy="Leave at out")
        if not self.now:
            return
        if self.verb not in (Verb.PROMOTE, Verb.PIN):
            raise InvalidInput(
                self.failed, found="now goes with promote and pin only", remedy="Leave now out"
            )
        if self.at is not None:
            raise InvalidInput(self.failed, found="both at and now are given", remedy="Give one of them")
        if not self.reason:
            raise InvalidInput(
                self.failed,
                found="it goes past gates and rules, and no reason is given",
                remedy="Say why with a reason: it is kept",
            )

    @property
    def reruns(self) -> bool:
        """Failed runs run again."""
        return self.rerun_failed or self.rerun_whole

    @property
    def failed(self) -> str:
        return f"Cannot {spoken(self.verb)}"


@frozen(kw_only=True)
class TriggerRequest(_Targeted):
    """To start one run on a build, released or not; without one on the active build."""

    dag_id: str
    run_id: str | None = field(default=None, validator=Length(LONGEST_NAME, empty=False))
    logical_date: datetime | None = None
    conf: dict[str, Json] | None = None
    note: str | None = field(default=None, validator=Length(LONGEST_NOTE))
    by_date: bool = field(default=False, validator=alone)
    """On the build of its date; so it is too where nothing is named and the Dag is judged by dates."""

    @property
    def failed(self) -> str:
        return f"Cannot trigger {self.dag_id}"


@frozen(kw_only=True)
class ClearRequest(_Targeted):
    """To let runs of one Dag run again, all in one transaction; without a build on those that they have."""

    dag_id: str
    run_ids: tuple[str, ...] = field(converter=texts, validator=names)
    only_failed: bool = False
    task_ids: tuple[str, ...] | None = field(
        default=None, converter=converters.optional(texts), validator=names
    )
    """None: all tasks."""
    by_date: bool = field(default=False, validator=alone)
    """Each on the build of its date, whatever it had."""

    def __attrs_post_init__(self) -> None:
        if not self.run_ids:
            raise InvalidInput(self.failed, found="no run is named", remedy="Name one", dag_id=self.dag_id)
        named = (("run", len(self.run_ids), MOST_RUNS), ("task", len(self.task_ids or ()), MOST_TASKS))
        for noun, given, most in named:
            if given > most:
                raise InvalidInput(
                    self.failed,
                    found=f"{given:,} {noun}s are named",
                    remedy=f"Name at most {most:,} {noun}s at once",
                    dag_id=self.dag_id,
                )

    @property
    def failed(self) -> str:
        return f"Cannot clear runs of {self.dag_id}"


@frozen(kw_only=True)
class BackfillRequest(_Targeted):
    """To run one Dag for all dates of a range; the words are those of ``airflow backfill create``.

    Without a build it is Airflow's own backfill.
    """

    dag_id: str
    from_date: datetime
    to_date: datetime
    max_active_runs: int = field(default=10, validator=number)
    run_backwards: bool = False
    reprocess_behavior: str = "none"
    """``none``, ``failed`` or ``completed``: which dates that have a run already are run again."""
    dag_run_conf: dict[str, Json] | None = None
    by_date: bool = field(default=False, validator=alone)
    """Each run on the build of its date, whatever it had. Without a build that is so where the Dag is judged
    by dates, but for runs that exist where Airflow's ``rerun_with_latest_version`` is off.
    """

    @property
    def failed(self) -> str:
        return f"Cannot backfill {self.dag_id}"


@frozen(kw_only=True)
class HistoryRequest:
    """To see what the tries of a Dag's newest *limit* runs ran on."""

    dag_id: str
    run_id: str | None = field(default=None, validator=Length(LONGEST_NAME, empty=False))
    task_id: str | None = field(default=None, validator=Length(LONGEST_NAME, empty=False))
    limit: int = 100

    @property
    def failed(self) -> str:
        """The first clause of its refusals."""
        return f"Cannot show the history of {self.dag_id}"

    def __attrs_post_init__(self) -> None:
        if not 1 <= self.limit <= MOST_SHOWN:
            raise InvalidInput(
                self.failed,
                found=f"limit {self.limit}",
                remedy=f"Give a limit from 1 to {MOST_SHOWN}",
                dag_id=self.dag_id,
            )


class TimelineVerb(StrEnum):
    """How a request changes a timeline."""

    SET = "set"
    """Its eras take their dates from those that have them."""
    UNSET = "unset"
    """No era is left in its dates."""
    PUT = "put"
    """Its eras are the whole timeline; without any there is none."""


@frozen(kw_only=True)
class EraWish:
    """An era that somebody wants, with its dates as they are written. Of an unset the dates alone count."""

    starts: str | None = field(default=None, validator=date)
    """None: it has no beginning."""
    until: str | None = field(default=None, validator=date)
    """The first moment after it; None: it has no end."""
    build: int | None = field(default=None, validator=number)
    bundle_version: str | None = field(default=None, validator=Length(LONGEST_NAME, empty=False))
    """The version of its bundle that the build is taken from; None: the newest in which it stands."""

    @property
    def failed(self) -> str:
        """The first clause of its refusals."""
        return f"Cannot set {self.words}"

    @property
    def words(self) -> str:
        return span_words(self.starts, self.until)


@frozen(kw_only=True)
class TimelineRequest:
    """To change which builds a Dag's data of which dates is for: a new revision of its timeline."""

    dag_id: str
    verb: TimelineVerb = field(default=TimelineVerb.PUT, converter=TimelineVerb)
    eras: tuple[EraWish, ...] = ()
    reason: str | None = field(default=None, validator=Length(LONGEST_REASON))
    expected_revision: int | None = None
    """The revision that the caller saw, 0 for none; with it, a stale request is refused."""
    force: bool = False
    """Set builds whose file can not be imported now."""
    unchecked: bool = False
    """Set builds that no Dag processor could look at."""
    now: bool = False
    """Set what new runs use from now on past rules that let no release happen. It needs a reason."""
    plan: bool = False
    """Only say what would change."""
    request_id: str | None = field(default=None, validator=valid_request_id)

    def __attrs_post_init__(self) -> None:
        if self.verb is not TimelineVerb.PUT and not self.eras:
            raise InvalidInput(self.failed, found="no era is given", remedy="Give the dates of one")
        if len(self.eras) > MOST_ERAS:
            raise InvalidInput(
                self.failed,
                found=f"{len(self.eras):,} eras are given",
                remedy=f"A timeline has at most {MOST_ERAS:,}",
            )
        if self.now and not self.reason:
            raise InvalidInput(
                self.failed,
                found="it goes past rules, and no reason is given",
                remedy="Say why with a reason: it is kept",
            )
        for era in self.eras:
            if self.verb is not TimelineVerb.UNSET and (era.build or era.bundle_version) is None:
                raise InvalidInput(
                    era.failed,
                    found="neither a build nor a bundle version is given",
                    remedy="Say which build runs then",
                    dag_id=self.dag_id,
                )
        if self.expected_revision is not None and not 0 <= self.expected_revision <= LARGEST_NUMBER:
            raise InvalidInput(
                self.failed,
                found=f"revision {self.expected_revision} can not be",
                remedy="Give the one that you saw; 0 where there was none",
            )

    @property
    def failed(self) -> str:
        return f"Cannot change the timeline of {self.dag_id}"


@frozen(kw_only=True)
class ClearDatedRequest:
    """To run again, on the builds of their dates, the runs that are on other ones."""

    dag_id: str
    run_ids: tuple[str, ...] = field(default=(), converter=some, validator=names)
    """Only these; none: all that do not match."""
    reason: str | None = field(default=None, validator=Length(LONGEST_REASON))
    plan: bool = False
    """Only say what would run again."""
    request_id: str | None = field(default=None, validator=valid_request_id)

    @property
    def failed(self) -> str:
        return f"Cannot clear runs of {self.dag_id}"
