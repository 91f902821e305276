"""Wire types: what the API takes and gives, as OpenAPI shows it.

Requests refuse unknown fields, NUL characters and broken Unicode. Answers hold the fields that are declared
here and no others; later versions may add some, so clients should ignore those that they do not know.
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import isfinite
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from pinwheel.core.request_values import LARGEST_NUMBER, LONGEST_NAME, LONGEST_REASON, MOST_TASKS

MAX_SELECTED = 10_000
MAX_DEPTH = 50
MIN_INTEGER, MAX_INTEGER = -(2**63), 2**64 - 1
"""What Airflow's messages to its tasks can carry (msgpack)."""

Number = Annotated[int, Field(strict=True, ge=1, le=LARGEST_NUMBER)]
"""A build or release number."""
DagId = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
Short = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
Text = Annotated[str, Field(max_length=LONGEST_REASON)]
TaskIds = Annotated[list[Short], Field(max_length=MOST_TASKS)]


def _representable(value: datetime) -> datetime:
    try:
        return value.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("is outside of what a date can be") from error


Instant = Annotated[AwareDatetime, AfterValidator(_representable)]


def clean(value: Any, depth: int = 0) -> Any:
    """Refuse what not every database can hold and give back, and absurd nesting, anywhere in a JSON value."""
    if depth > MAX_DEPTH:
        raise ValueError(f"is nested more than {MAX_DEPTH} levels deep")
    if isinstance(value, str):
        if "\0" in value or any("\ud800" <= letter <= "\udfff" for letter in value):
            raise ValueError("contains a NUL character or broken Unicode")
    elif isinstance(value, (int, float)):
        if not (MIN_INTEGER <= value <= MAX_INTEGER if isinstance(value, int) else isfinite(value)):
            raise ValueError("contains a number that 64 bits do not hold")
    elif isinstance(value, dict):
        for key, inner in value.items():
            clean(key, depth + 1)
            clean(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            clean(inner, depth + 1)
    return value


CommitUrl = Annotated[
    str | None, Field(description="Where the commit can be looked at, when the bundle knows it.")
]


class BaseRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    @model_validator(mode="before")
    @classmethod
    def _clean(cls, value: Any) -> Any:
        return clean(value)


NamedVersion = Annotated[
    Short | None,
    Field(
        description="The version of its bundle (a commit id) to take the build from, one in which it stood; "
        "without `build`: the build that stood there. Without: the newest in which it stands. Of one Dag."
    ),
]


class BaseAnswer(BaseModel):
    """What is shown comes from a view of the services with the very same fields."""


Moment = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
"""ISO 8601 in UTC, written by ``services.show.plain``: the same text for API and CLI."""


ReleaseKind = Literal["adopt", "auto", "pin", "unpin", "promote", "rollback", "retire"]


BundleState = Annotated[
    Literal["ok", "refused", "failing", "cannot_be_made", "not_configured"],
    Field(
        description="`refused`: its newest version was not taken; `failing`: something else of it does not "
        "work; `cannot_be_made`: its entry in Airflow's configuration gives no bundle; `not_configured`: it "
        "has none."
    ),
]
Told = Annotated[
    str | None,
    Field(
        description="Null when you may not see import errors; when you may not read all Dags of the bundle, "
        "a sentence that says so."
    ),
]


class BasePage(BaseAnswer):
    total_entries: int = Field(description="How many there are without `limit` and `offset`.")
