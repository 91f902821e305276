"""Path, query and header parameters that several routes share."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Annotated

from fastapi import Depends, Header, Path, Query
from pydantic import StringConstraints

from pinwheel.api.access import Access, Permission, unreadable
from pinwheel.core.errors import InvalidInput
from pinwheel.core.request_values import LARGEST_NUMBER, LONGEST_ID
from pinwheel.core.side import PATTERN as SIDE
from pinwheel.services.once import Sees

NO_CONTROLS = r"^[^\x00-\x1f\x7f]+$"
DEFAULT_LIMIT, MAX_LIMIT, MAX_OFFSET = 100, 1000, 10_000_000

DagIdPath = Annotated[str, Path(alias="dag_id", min_length=1, max_length=250, pattern=NO_CONTROLS)]
RunIdPath = Annotated[str, Path(alias="run_id", min_length=1, max_length=250, pattern=NO_CONTROLS)]
BuildPath = Annotated[int, Path(alias="build", ge=1, le=LARGEST_NUMBER)]
LimitQuery = Annotated[int, Query(alias="limit", ge=1, le=MAX_LIMIT)]
OffsetQuery = Annotated[int, Query(alias="offset", ge=0, le=MAX_OFFSET)]
_SideQuery = Annotated[str | None, Query(max_length=11, pattern=SIDE)]
_HOW = "`3` or `b3`: build 3; `r4`: release 4, which stands for its build."
FromQuery = Annotated[_SideQuery, Query(alias="from", description=f"{_HOW} Without: the active build.")]
ToQuery = Annotated[_SideQuery, Query(alias="to", description=f"{_HOW} Without: the newest build.")]
TextQuery = Annotated[str | None, Query(min_length=1, max_length=250, pattern=NO_CONTROLS)]
_Word = Annotated[str, StringConstraints(min_length=1, max_length=250, pattern=NO_CONTROLS)]
Words = Annotated[list[_Word], Query(max_length=1000)]
PlanQuery = Annotated[bool, Query(description="Only say what would change.")]


def _if_match(
    if_match: Annotated[
        str | None,
        Header(
            max_length=50,
            description='The active release that you saw, as `"12"`; 409 when it is another one by now.',
        ),
    ] = None,
) -> int | None:
    return _number(if_match, "a release number")


def _if_match_generation(
    if_match: Annotated[
        str | None,
        Header(
            max_length=50,
            description='The generation of the rollout that you saw, as `"3"`; 409 when it has moved since.',
        ),
    ] = None,
) -> int | None:
    return _number(if_match, "a generation")


def _number(if_match: str | None, what: str) -> int | None:
    if if_match is None or if_match.strip() == "*":
        return None
    number = if_match.strip().removeprefix("W/").strip('"')
    if not (number.isascii() and number.isdigit() and 1 <= int(number) <= LARGEST_NUMBER):
        raise InvalidInput(
            "Cannot read the header If-Match",
            found=f"it is not {what}",
            remedy='Give it as: If-Match: "12"',
        )
    return int(number)


IfMatch = Annotated[int | None, Depends(_if_match)]
IfMatchGeneration = Annotated[int | None, Depends(_if_match_generation)]

IdempotencyKey = Annotated[
    str | None,
    Header(
        alias="Idempotency-Key",
        min_length=1,
        max_length=LONGEST_ID,
        pattern=r"^[\x20-\x7e]+$",
        description="Any text of your own. The same request with the same key by the same user within 7 "
        "days changes nothing a second time, and answers with what the first one did. Another answers 409.",
    ),
]


def expected(if_match: int | None, in_body: int | None, what: str = "release") -> int | None:
    """The release, or what else, that the caller saw, from the header or the body."""
    if if_match is not None and in_body is not None and if_match != in_body:
        raise InvalidInput(
            "Cannot read the request",
            found=f"If-Match says {what} {if_match}, expected_{what} says {in_body}",
            remedy="Give one of the two",
        )
    return if_match if if_match is not None else in_body


def sees(access: Access) -> Sees:
    """What lets a service tell of an earlier request only what the user may see."""
    return lambda dag_ids: set(dag_ids) - set(unreadable(access, dag_ids))


def sees_runs(access: Access) -> Callable[[Collection[str]], set[str]]:
    """What lets a service tell only of runs that the user may see."""
    return lambda dag_ids: set(dag_ids) - set(access.lacking(Permission.READ_RUNS, dag_ids))
