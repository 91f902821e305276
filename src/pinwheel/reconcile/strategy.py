"""What every way of walking the schema down has to offer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from attrs import frozen


@frozen(kw_only=True)
class Downgrade:
    """One walk down, decided: both revisions are known and the one is an ancestor of the other."""

    from_revision: str
    from_version: str
    """The Airflow version that the current schema belongs to, as well as it is known: ``3.3.2``, ``3.3.0 or a
    later 3.3``, ``unknown``."""
    to_revision: str
    to_version: str
    """The Airflow version that is wanted, as the operator or the installed package says it (``3.2.2``)."""


Say = Callable[[str], None]
"""Takes one line of progress for the operator."""


class Strategy(Protocol):
    """One way to run the downgrade scripts of the newer Airflow."""

    name: str

    def prepare(self, walk: Downgrade) -> list[str]:
        """Find out whether this strategy can do *walk*, and change nothing.

        Gives sentences for the plan: what would run, where, as whom. The caller may call it several times.

        :raises Refused: it can not; ``found`` says why and ``remedy`` what would make it able. With
            ``auto`` the next strategy is asked, and all refusals are shown when none is left.
        """
        ...

    def run(self, walk: Downgrade, say: Say) -> None:
        """Walk the schema down to ``walk.to_revision``. Called after ``prepare``, under the lock of the
        reconcile, with no writer alive.

        It may be called again after it was killed, with a ``from_revision`` between the two. The caller
        verifies the revision afterwards; this only has to raise when it knows that it failed.

        :raises HostError: what was started failed; ``found`` carries its last lines, without credentials.
        """
        ...
