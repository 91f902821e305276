"""One side of a comparison: a build, or a release, which stands for its build."""

from __future__ import annotations

import re

from attrs import frozen

from pinwheel.core.errors import InvalidInput
from pinwheel.core.request_values import LARGEST_NUMBER

PATTERN = r"^[rbt]?[0-9]{1,10}$"
_SIDE = re.compile(PATTERN)


@frozen
class Side:
    """A build's or a release's number."""

    number: int
    release: bool = False

    def __str__(self) -> str:
        return f"{'release' if self.release else 'build'} {self.number}"


Which = Side | int | str | None
"""A side as a caller may give it: a number is a build's. None: the usual one."""


def side(which: Side | int | str) -> Side:
    """``3``, ``b3`` and ``t3`` (a trial of it) are build 3; ``r4`` is release 4.

    :raises InvalidInput: it is none of these.
    """
    if isinstance(which, Side):
        return which
    text = str(which)
    if _SIDE.match(text) is None:
        raise InvalidInput(
            "Cannot compare",
            found=f"{text!r} names neither a build nor a release",
            remedy="Write 3 or b3 for build 3, r4 for release 4",
        )
    found = Side(int(text.lstrip("rbt")), release=text.startswith("r"))
    if not 1 <= found.number <= LARGEST_NUMBER:
        raise InvalidInput(
            "Cannot compare", found=f"there is no {found}", remedy=f"Numbers go from 1 to {LARGEST_NUMBER}"
        )
    return found
