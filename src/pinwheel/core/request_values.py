"""What the values of requests may be: their limits, and validators that refuse what is beyond them.

Each needs no database; the surfaces refuse the same in the same words.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Protocol

from attrs import Attribute

from pinwheel.core.errors import InvalidInput
from pinwheel.core.rollout.window import FIRST_YEAR, LAST_YEAR

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


def texts(given: Iterable[str]) -> tuple[str, ...]:
    return tuple(given)


def some(given: Iterable[str] | None) -> tuple[str, ...]:
    return tuple(given or ())


class Asked(Protocol):
    """What a validator knows of the request that it checks."""

    @property
    def failed(self) -> str:
        """The first clause of its refusals."""
        ...


def number(request: Asked, attribute: Attribute[Any], number: int | None) -> None:
    if number is None or 1 <= number <= LARGEST_NUMBER:
        return
    bound = "below 1" if number < 1 else f"above {LARGEST_NUMBER}"
    name = {"to_release": "release"}.get(attribute.name, attribute.name.replace("_", " "))
    raise InvalidInput(
        request.failed, found=f"{name} {number} is {bound}", remedy=f"Numbers go from 1 to {LARGEST_NUMBER}"
    )


def alone(request: Any, attribute: Attribute[Any], by_date: bool) -> None:
    if by_date and (request.build is not None or request.bundle_version is not None):
        raise InvalidInput(
            request.failed,
            found="both a build and the one of its date are asked for",
            remedy="Name a build or a bundle version, or say --build by-date",
            dag_id=request.dag_id,
        )


class Length:
    """An attrs validator: so many letters, and not none where *empty* is false."""

    def __init__(self, longest: int, *, empty: bool = True) -> None:
        self.longest = longest
        self.empty = empty

    def __call__(self, request: Asked, attribute: Attribute[Any], text: str | None) -> None:
        if text is None or (len(text) <= self.longest and (text or self.empty)):
            return
        name = attribute.name.replace("_", " ")
        found = f"its {name} has {len(text)} letters" if text else f"its {name} is empty"
        raise InvalidInput(
            request.failed, found=found, remedy=f"Give at most {self.longest}, or leave it out"
        )


def names(request: Asked, attribute: Attribute[Any], names: tuple[str, ...] | None) -> None:
    for name in names or ():
        if not 0 < len(name) <= LONGEST_NAME:
            one = attribute.name.removesuffix("s").replace("_", " ")
            found = f"a {one} has {len(name)} letters" if name else f"a {one} is empty"
            raise InvalidInput(request.failed, found=found, remedy=f"Give 1 to {LONGEST_NAME}")


def why(request: Asked, _: object, text: str) -> None:
    """A reason that has to be given, and that is shown in one line."""
    if text.strip() and len(text) <= LONGEST_SHOWN_REASON:
        return
    found = f"its reason has {len(text)} letters" if text.strip() else "no reason is given"
    raise InvalidInput(
        request.failed, found=found, remedy=f"Say why (--reason), in at most {LONGEST_SHOWN_REASON} letters"
    )


def year(request: Asked, _: object, at: datetime | None) -> None:
    if at is not None and not FIRST_YEAR <= at.year <= LAST_YEAR:
        raise InvalidInput(
            request.failed,
            found=f"the year {at.year} is given",
            remedy=f"Give an instant of the years {FIRST_YEAR} to {LAST_YEAR}",
        )


def date(_: object, attribute: Attribute[Any], text: str | None) -> None:
    """A date of an era as somebody writes it, which may be one that is to be unset."""
    if text is None or 0 < len(text) <= LONGEST_DATE:
        return
    name = {"starts": "from"}.get(attribute.name, attribute.name)
    raise InvalidInput(
        "Cannot read the dates of an era",
        found=f"{name} has {len(text)} letters" if text else f"{name} is empty",
        remedy="Write it as 2026-03-01, or 2026-03-01T06:30; without it the era is open on that side",
    )


def aware(request: Asked, _: object, at: datetime | None) -> None:
    if at is not None and at.utcoffset() is None:
        raise InvalidInput(
            request.failed,
            found=f"{at.isoformat()} has no offset",
            remedy="Write the instant as 2026-12-20T18:00+01:00",
        )


def valid_request_id(_: object, __: Attribute[Any], text: str | None) -> None:
    if text is not None and not is_request_id(text):
        raise InvalidInput(
            "Cannot take the request id",
            found="it is empty, too long, or has other than printable ASCII characters",
            remedy=f"Give 1 to {LONGEST_ID} of them",
        )
