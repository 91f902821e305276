"""Wire types of freezes, and of when places of a Dag may be released."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from pinwheel.api.schemas.changes import SelectorBody
from pinwheel.api.schemas.parts import BaseAnswer, BaseRequest, Instant, Moment, Short
from pinwheel.core.release.notation import MOST_NAMES
from pinwheel.core.request_values import LONGEST_SHOWN_REASON
from pinwheel.core.rule_request import FreezeRequest

Reason = Annotated[str, Field(min_length=1, max_length=LONGEST_SHOWN_REASON)]
Overriders = Annotated[
    list[str],
    Field(description="Who may override it, besides having the right; empty: all who have it."),
]
Document = Annotated[
    str | None,
    Field(description="The platform's document that has the rule; null: somebody made it by hand."),
]


class FreezeBody(BaseRequest):
    """Dags of which no place is to be released for a time."""

    selector: SelectorBody = Field(
        description="Dags that it means later are frozen too. Whatever is more than ids needs the right to "
        "change rules."
    )
    reason: Reason = Field(description="Why; it is shown wherever the freeze holds something up.")
    since: Instant | None = Field(None, description="Without: from now on.")
    until: Instant | None = Field(None, description="Without: until it is lifted.")
    override: list[Short] = Field(
        default_factory=list,
        max_length=MOST_NAMES,
        description="Who may override it, besides having the right; none: all who have it.",
    )
    plan: bool = Field(
        False, strict=True, description="Only say what would be frozen. The same as `?plan=true`."
    )

    def request(self, **more: Any) -> FreezeRequest:
        asked = dict(self) | {"selection": self.selector.selection()} | more
        del asked["selector"]
        return FreezeRequest(**asked)


class FreezeSelector(BaseAnswer):
    """Ids and globs add up; tags (any of them) and the bundle narrow what they give."""

    ids: list[str] = Field(description="Without those of Dags that you may not see.")
    globs: list[str]
    tags: list[str]
    bundle: str | None
    everything: bool


class Freeze(BaseAnswer):
    """No place of these Dags is released from one instant to another, but for a way back."""

    name: str | None = Field(description="Null in a plan.")
    selector: FreezeSelector
    dags: int = Field(description="So many Dags that you may see it selects now.")
    dag_ids: list[str] = Field(description="The first of these, at most 20.")
    since: Moment
    until: Moment | None = Field(description="Null: until it is lifted.")
    reason: str | None
    override: Overriders
    document: Document
    by: str
    at: Moment


class Freezes(BaseAnswer):
    """Those that hold or will hold."""

    freezes: list[Freeze]


class FreezeChange(BaseAnswer):
    """What became of a freeze, or would."""

    changed: bool
    message: str
    freeze: Freeze


class Limit(BaseAnswer):
    """What one rule says about when places of a Dag may be released."""

    rule: str
    kind: Literal["window", "freeze"]
    says: str
    closes: bool = Field(description="At the instant that was asked for.")
    override: Overriders
    document: Document
    by: str


class Windows(BaseAnswer):
    """Whether a place of a Dag may be released at an instant."""

    dag_id: str
    at: Moment
    open: bool
    because: list[str] = Field(description="What closes it, freezes first; empty: it is open.")
    next_change: Moment | None = Field(
        description="When it opens or closes after that; null: not within two years."
    )
    next_opening: Moment | None = Field(
        description="The first instant from then on at which it is open; null: not within two years."
    )
    limits: list[Limit] = Field(description="All that are about the Dag, whether they close it or not.")
