"""Why what a file gave can not be stored, in words for those who wrote the file."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice

from pinwheel.core import text
from pinwheel.core.build import BuildContent
from pinwheel.core.digest import unstorable_values
from pinwheel.core.errors import PinwheelError, Refused
from pinwheel.store.refusals import said


def reason_of(path: str, reasons: Mapping[str, str]) -> str:
    """The import error of a file, given the reason of each refused Dag; ``""`` stands for the file itself."""
    named = [f"Dag {dag_id}: {why}" if dag_id else why for dag_id, why in sorted(reasons.items())]
    error = Refused(
        f"Cannot store what {path} gave",
        found="; ".join(named[:5]) + (f"; and {len(named) - 5} Dags more" if named[5:] else ""),
        remedy="Change what the file says there and push again; until then its Dags stay as released",
    )
    return text.fit(error.message, text.ERROR)


def of_dag(error: Exception, content: BuildContent) -> str:
    """What was wrong with one Dag, and where in it there is something that databases do not take."""
    odd = [f"{path} holds {what}" for path, what in islice(unstorable_values(content.serialized), 3)]
    return "; ".join([words(error), *odd])


def words(error: Exception) -> str:
    """What was wrong, as one clause."""
    return error.found if isinstance(error, PinwheelError) else said(error)
