"""What somebody asks of rules, policies and rollouts, as values that all surfaces and the services share.

Each checks by itself what needs no database, so that both surfaces refuse the same in the same words.
"""

from __future__ import annotations

from datetime import datetime

from attrs import field, frozen

from pinwheel.core.errors import InvalidInput, NotFound, spoken
from pinwheel.core.request import EVERY, Selection
from pinwheel.core.request_values import (
    LONGEST_DIGEST,
    LONGEST_NAME,
    LONGEST_REASON,
    LONGEST_URL,
    Length,
    aware,
    names,
    number,
    some,
    valid_request_id,
    why,
    year,
)
from pinwheel.core.rollout import table
from pinwheel.core.rollout.gate import Answer
from pinwheel.core.rollout.waiting import OF_ROLLOUTS, REASONED


@frozen(kw_only=True)
class FreezeRequest:
    """To let no place of some Dags be released for a time.

    Dags that the selector means later are frozen too.
    """

    selection: Selection
    reason: str = field(validator=why)
    since: datetime | None = field(default=None, validator=year)
    """None: from now on."""
    until: datetime | None = field(default=None, validator=year)
    """None: until it is lifted."""
    override: tuple[str, ...] = field(default=(), converter=some, validator=names)
    """Who may override it, besides having the right; none: all who have it."""
    plan: bool = False
    """Only say what would be frozen."""
    request_id: str | None = field(default=None, validator=valid_request_id)

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
    reason: str = field(validator=why)
    request_id: str | None = field(default=None, validator=valid_request_id)

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
    reason: str | None = field(default=None, validator=Length(LONGEST_REASON))
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
    reason: str | None = field(default=None, validator=Length(LONGEST_REASON))
    watched: bool = False
    """On the one that is watched, although another is ahead."""
    rollout: int | None = None
    """The id of the one that the caller saw; the Dag's by now may be another, which is refused."""
    expected_generation: int | None = field(default=None, validator=number)
    """That of the rollout that the caller saw; with it, a stale request is refused."""
    plan: bool = False
    """Only say what would be done."""
    request_id: str | None = field(default=None, validator=valid_request_id)

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

    name: str = field(validator=Length(LONGEST_NAME, empty=False))
    verdict: Answer = field(converter=Answer)
    bundle: str | None = field(default=None, validator=Length(LONGEST_NAME, empty=False))
    """Of the version; None: the only one that there is."""
    bundle_version: str | None = field(default=None, validator=Length(LONGEST_NAME, empty=False))
    """With a build: at which it is meant; None then: the newest in which it stands."""
    dag_id: str | None = field(default=None, validator=Length(LONGEST_NAME, empty=False))
    build: int | None = field(default=None, validator=number)
    digest: str | None = field(default=None, validator=Length(LONGEST_DIGEST, empty=False))
    url: str | None = field(default=None, validator=Length(LONGEST_URL))
    reason: str | None = field(default=None, validator=Length(LONGEST_REASON))
    expires_at: datetime | None = field(default=None, validator=aware)
    request_id: str | None = field(default=None, validator=valid_request_id)

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
