"""What somebody asks for, as values: command line, REST body and service share them.

Each checks by itself what needs no database, so that both surfaces refuse the same in the same words.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from enum import StrEnum
from typing import Any, Protocol

from attrs import Attribute, astuple, converters, field, frozen

from pinwheel.core.errors import InvalidInput, NotFound, spoken
from pinwheel.core.json import Json
from pinwheel.core.release.decide import Verb
from pinwheel.core.rollout import table
from pinwheel.core.rollout.gate import Answer
from pinwheel.core.rollout.waiting import OF_ROLLOUTS, REASONED
from pinwheel.core.rollout.window import FIRST_YEAR, LAST_YEAR
from pinwheel.core.run.timeline import span_words
from pinwheel.core.selector import Selector

LONGEST_ID = 255
LONGEST_NAME = 250
"""Letters of a Dag, run or task id and of a bundle version."""
LONGEST_NOTE = 1000
LONGEST_DATE = 64
"""Letters of a date as somebody writes it."""
LONGEST_REASON = 10_000
LONGEST_URL = 2000
LONGEST_DIGEST = 64
LONGEST_SHOWN_REASON = 250
"""Letters of a reason that is shown wherever it holds something up."""
LARGEST_NUMBER = 2**31 - 1
MOST_RUNS = 1000
"""So many runs are cleared at once."""
MOST_TASKS = 5000
"""So many tasks can be named, in a clear and in its preview."""
ERAS = ("keep", "replace")
"""What a rollback may do with an era over the present."""
MOST_ERAS = 1000
"""So many eras a timeline has."""
MOST_SHOWN = 10_000
"""So many of a Dag's newest runs are shown at once."""


def is_request_id(text: str) -> bool:
    """Whether it can be the id of a request: 1 to :data:`LONGEST_ID` printable ASCII characters."""
    return 0 < len(text) <= LONGEST_ID and text.isascii() and text.isprintable()


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


def _texts(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(given)


def _some(given: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(given or ())


class _Asked(Protocol):
    """What a validator knows of the request that it checks."""

    @property
    def failed(self) -> str:
        """The first clause of its refusals."""
        ...


def _number(request: _Asked, attribute: Attribute[Any], number: int | None) -> None:
    if number is None or 1 <= number <= LARGEST_NUMBER:
        return
    bound = "below 1" if number < 1 else f"above {LARGEST_NUMBER}"
    name = {"to_release": "release"}.get(attribute.name, attribute.name.replace("_", " "))
    raise InvalidInput(
        request.failed, found=f"{name} {number} is {bound}", remedy=f"Numbers go from 1 to {LARGEST_NUMBER}"
    )


def _alone(request: Any, attribute: Attribute[Any], by_date: bool) -> None:
    if by_date and (request.build is not None or request.bundle_version is not None):
        raise InvalidInput(
            request.failed,
            found="both a build and the one of its date are asked for",
            remedy="Name a build or a bundle version, or say --build by-date",
            dag_id=request.dag_id,
        )


class _Length:
    """An attrs validator: so many letters, and not none where *empty* is false."""

    def __init__(self, longest: int, *, empty: bool = True) -> None:
        self.longest = longest
        self.empty = empty

    def __call__(self, request: _Asked, attribute: Attribute[Any], text: str | None) -> None:
        if text is None or (len(text) <= self.longest and (text or self.empty)):
            return
        name = attribute.name.replace("_", " ")
        found = f"its {name} has {len(text)} letters" if text else f"its {name} is empty"
        raise InvalidInput(
            request.failed, found=found, remedy=f"Give at most {self.longest}, or leave it out"
        )


def _names(request: _Asked, attribute: Attribute[Any], names: tuple[str, ...] | None) -> None:
    for name in names or ():
        if not 0 < len(name) <= LONGEST_NAME:
            one = attribute.name.removesuffix("s").replace("_", " ")
            found = f"a {one} has {len(name)} letters" if name else f"a {one} is empty"
            raise InvalidInput(request.failed, found=found, remedy=f"Give 1 to {LONGEST_NAME}")


def _why(request: _Asked, _: object, text: str) -> None:
    """A reason that has to be given, and that is shown in one line."""
    if text.strip() and len(text) <= LONGEST_SHOWN_REASON:
        return
    found = f"its reason has {len(text)} letters" if text.strip() else "no reason is given"
    raise InvalidInput(
        request.failed, found=found, remedy=f"Say why (--reason), in at most {LONGEST_SHOWN_REASON} letters"
    )


def _year(request: _Asked, _: object, at: datetime | None) -> None:
    if at is not None and not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise InvalidInput(
            request.failed,
            found=f"the year {at.year} is given",
            remedy=f"Give an instant of the years {FIRST_YEAR} to {LAST_YEAR}",
        )


def _date(_: object, attribute: Attribute[Any], text: str | None) -> None:
    """A date of an era as somebody writes it, which may be one that is to be unset."""
    if text is None or 0 < len(text) <= LONGEST_DATE:
        return
    name = {"starts": "from"}.get(attribute.name, attribute.name)
    raise InvalidInput(
        "Cannot read the dates of an era",
        found=f"{name} has {len(text)} letters" if text else f"{name} is empty",
        remedy="Write it as 2026-03-01, or 2026-03-01T06:30; without it the era is open on that side",
    )


def _aware(request: _Asked, _: object, at: datetime | None) -> None:
    if at is not None and at.utcoffset() is None:
        raise InvalidInput(
            request.failed,
            found=f"{at.isoformat()} has no offset",
            remedy="Write the instant as 2026-12-20T18:00+01:00",
        )


def _request_id(_: object, __: Attribute[Any], text: str | None) -> None:
    if text is not None and not is_request_id(text):
        raise InvalidInput(
            "Cannot take the request id",
            found="it is empty, too long, or has other than printable ASCII characters",
            remedy=f"Give 1 to {LONGEST_ID} of them",
        )


@frozen(kw_only=True)
class _Targeted:
    """What all requests say: a build, where it is taken from, why, and whether they are only a plan.

    ``build`` counts per Dag. ``bundle_version`` names the version of its bundle that the build is taken from;
    without a build it is the one that stood there. ``request_id`` makes a repeat harmless.
    """

    build: int | None = field(default=None, validator=_number)
    bundle_version: str | None = field(default=None, validator=_Length(LONGEST_NAME, empty=False))
    reason: str | None = field(default=None, validator=_Length(LONGEST_REASON))
    plan: bool = False
    """Only say what would be done."""
    request_id: str | None = field(default=None, validator=_request_id)

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
    to_release: int | None = field(default=None, validator=_number)
    expected_release: int | None = field(default=None, validator=_number)
    rerun_failed: bool = False
    """With a rollback: in the failed runs of what is rolled back, what failed runs again."""
    rerun_whole: bool = False
    """With a rollback: these runs run again from their start, so that no versions mix in them."""
    to_blame: bool = True
    """With a rollback: what is rolled back is rejected."""
    eras: str | None = None
    """With a rollback of a Dag whose timeline has an era over the present: ``keep`` it, or ``replace`` it by
    what is rolled back to."""
    at: datetime | None = field(default=None, validator=[_aware, _year])
    """With a promote: not before this instant."""
    now: bool = False
    """With a promote or a pin: at once, past gates and rules. It needs a reason."""
    skip_refused: tuple[str, ...] = field(default=(), converter=_some)
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
    run_id: str | None = field(default=None, validator=_Length(LONGEST_NAME, empty=False))
    logical_date: datetime | None = None
    conf: dict[str, Json] | None = None
    note: str | None = field(default=None, validator=_Length(LONGEST_NOTE))
    by_date: bool = field(default=False, validator=_alone)
    """On the build of its date; so it is too where nothing is named and the Dag is judged by dates."""

    @property
    def failed(self) -> str:
        return f"Cannot trigger {self.dag_id}"


@frozen(kw_only=True)
class ClearRequest(_Targeted):
    """To let runs of one Dag run again, all in one transaction; without a build on those that they have."""

    dag_id: str
    run_ids: tuple[str, ...] = field(converter=_texts, validator=_names)
    only_failed: bool = False
    task_ids: tuple[str, ...] | None = field(
        default=None, converter=converters.optional(_texts), validator=_names
    )
    """None: all tasks."""
    by_date: bool = field(default=False, validator=_alone)
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
    max_active_runs: int = field(default=10, validator=_number)
    run_backwards: bool = False
    reprocess_behavior: str = "none"
    """``none``, ``failed`` or ``completed``: which dates that have a run already are run again."""
    dag_run_conf: dict[str, Json] | None = None
    by_date: bool = field(default=False, validator=_alone)
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
    run_id: str | None = field(default=None, validator=_Length(LONGEST_NAME, empty=False))
    task_id: str | None = field(default=None, validator=_Length(LONGEST_NAME, empty=False))
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

    starts: str | None = field(default=None, validator=_date)
    """None: it has no beginning."""
    until: str | None = field(default=None, validator=_date)
    """The first moment after it; None: it has no end."""
    build: int | None = field(default=None, validator=_number)
    bundle_version: str | None = field(default=None, validator=_Length(LONGEST_NAME, empty=False))
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
    reason: str | None = field(default=None, validator=_Length(LONGEST_REASON))
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
    request_id: str | None = field(default=None, validator=_request_id)

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
    run_ids: tuple[str, ...] = field(default=(), converter=_some, validator=_names)
    """Only these; none: all that do not match."""
    reason: str | None = field(default=None, validator=_Length(LONGEST_REASON))
    plan: bool = False
    """Only say what would run again."""
    request_id: str | None = field(default=None, validator=_request_id)

    @property
    def failed(self) -> str:
        return f"Cannot clear runs of {self.dag_id}"


@frozen(kw_only=True)
class FreezeRequest:
    """To let no place of some Dags be released for a time.

    Dags that the selector means later are frozen too.
    """

    selection: Selection
    reason: str = field(validator=_why)
    since: datetime | None = field(default=None, validator=_year)
    """None: from now on."""
    until: datetime | None = field(default=None, validator=_year)
    """None: until it is lifted."""
    override: tuple[str, ...] = field(default=(), converter=_some, validator=_names)
    """Who may override it, besides having the right; none: all who have it."""
    plan: bool = False
    """Only say what would be frozen."""
    request_id: str | None = field(default=None, validator=_request_id)

    def __attrs_post_init__(self) -> None:
        self.selection.selector.require("freeze")
        if self.since is not None and self.until is not None and self.until <= self.since:
            raise InvalidInput(
                self.failed, found="it ends before it begins", remedy="Give a later end, or an earlier begin"
            )

    @property
    def failed(self) -> str:
        """The first clause of its refusals."""
        return "Cannot freeze"


@frozen(kw_only=True)
class LiftRequest:
    """To end a freeze."""

    name: str
    reason: str = field(validator=_why)
    request_id: str | None = field(default=None, validator=_request_id)

    @property
    def failed(self) -> str:
        """The first clause of its refusals."""
        return f"Cannot lift {self.name}"

    @property
    def unknown(self) -> NotFound:
        """There is no such freeze."""
        return NotFound(
            self.failed,
            found="no freeze that holds or will hold is called so",
            remedy="See those that there are: pinwheel freeze list",
        )


@frozen(kw_only=True)
class DocumentRequest:
    """To let a document of the platform say this: its rules and policies, as a file has them."""

    document: str
    text: str
    reason: str | None = field(default=None, validator=_Length(LONGEST_REASON))
    plan: bool = False
    """Only say what would change."""

    def __attrs_post_init__(self) -> None:
        name = self.document
        if not (name.strip(" .") and len(name) <= LONGEST_NAME and name.isprintable() and "/" not in name):
            raise InvalidInput(
                "Cannot save rules and policies",
                found=f"a document has a name of 1 to {LONGEST_NAME} printable characters without a slash",
                remedy="Give it another name",
            )

    @property
    def failed(self) -> str:
        return f"Cannot save the document {self.document}"


@frozen(kw_only=True)
class TrialRequest:
    """To say what a file of rules and policies would mean for Dags."""

    text: str
    document: str
    """The platform's document that it would be."""
    bundle: str | None = None
    """It would be the ``pinwheel.yaml`` of this bundle's repository instead."""
    selection: Selection = EVERY

    @property
    def failed(self) -> str:
        return "Cannot try rules and policies"


@frozen(kw_only=True)
class RolloutRequest:
    """To do something to a Dag's rollout: to the one ahead, else to the one that is watched."""

    dag_id: str
    verb: table.Verb = field(converter=table.Verb)
    reason: str | None = field(default=None, validator=_Length(LONGEST_REASON))
    watched: bool = False
    """On the one that is watched, although another is ahead."""
    rollout: int | None = None
    """The id of the one that the caller saw; the Dag's by now may be another, which is refused."""
    expected_generation: int | None = field(default=None, validator=_number)
    """That of the rollout that the caller saw; with it, a stale request is refused."""
    plan: bool = False
    """Only say what would be done."""
    request_id: str | None = field(default=None, validator=_request_id)

    def __attrs_post_init__(self) -> None:
        if self.verb not in OF_ROLLOUTS:
            raise InvalidInput(
                self.failed,
                found=f"{self.verb} is no act on a rollout",
                remedy=f"Give one of: {', '.join(OF_ROLLOUTS)}",
                dag_id=self.dag_id,
            )
        if self.verb in REASONED and not self.reason:
            raise InvalidInput(
                self.failed,
                found="no reason is given",
                remedy="Say why with a reason: it is kept",
                dag_id=self.dag_id,
            )

    @property
    def failed(self) -> str:
        return f"Cannot {spoken(self.verb)} the rollout of {self.dag_id}"


SAYABLE = (Answer.PASSED, Answer.FAILED, Answer.INCONCLUSIVE, Answer.ERROR)
"""What a check can say."""


@frozen(kw_only=True)
class CheckRequest:
    """To say what a check found: of a bundle version, of a build of a Dag, or of a digest."""

    name: str = field(validator=_Length(LONGEST_NAME, empty=False))
    verdict: Answer = field(converter=Answer)
    bundle: str | None = field(default=None, validator=_Length(LONGEST_NAME, empty=False))
    """Of the version; None: the only one that there is."""
    bundle_version: str | None = field(default=None, validator=_Length(LONGEST_NAME, empty=False))
    """With a build: at which it is meant; None then: the newest in which it stands."""
    dag_id: str | None = field(default=None, validator=_Length(LONGEST_NAME, empty=False))
    build: int | None = field(default=None, validator=_number)
    digest: str | None = field(default=None, validator=_Length(LONGEST_DIGEST, empty=False))
    url: str | None = field(default=None, validator=_Length(LONGEST_URL))
    reason: str | None = field(default=None, validator=_Length(LONGEST_REASON))
    expires_at: datetime | None = field(default=None, validator=_aware)
    request_id: str | None = field(default=None, validator=_request_id)

    def __attrs_post_init__(self) -> None:
        if self.verdict not in SAYABLE:
            raise InvalidInput(
                self.failed,
                found=f"its verdict is {self.verdict}",
                remedy=f"Give one of: {', '.join(SAYABLE)}",
            )
        of_build = self.dag_id is not None or self.build is not None
        of_version = self.bundle is not None or (self.bundle_version is not None and not of_build)
        if [of_build, of_version, self.digest is not None].count(True) != 1:
            raise InvalidInput(
                self.failed,
                found="it names more than one of a bundle version, a build and a digest, or none",
                remedy="Name a bundle version, or a Dag and a build, or a digest",
            )
        if (self.dag_id is None) != (self.build is None) or (self.bundle and not self.bundle_version):
            raise InvalidInput(
                self.failed,
                found="a part of what it is about is missing",
                remedy="Give a Dag and a build, or a bundle and a version",
            )
        if self.url is not None and not self.url.startswith(("http://", "https://")):
            raise InvalidInput(
                self.failed,
                found="its url is neither of http nor of https",
                remedy="Give a whole address, or leave it out",
            )

    @property
    def failed(self) -> str:
        return f"Cannot set check {self.name}"
