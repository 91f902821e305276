"""Every error that Pinwheel raises on purpose.

::

    PinwheelError
    ├── InvalidInput      the request itself makes no sense          exit 2   HTTP 422
    ├── NotFound          no such Dag, build, release or run         exit 3   HTTP 404
    ├── Conflict          the world moved since the caller looked    exit 4   HTTP 409
    ├── Refused           a rule or a permission says no             exit 5   HTTP 403
    └── HostError         Airflow or its database did not play along exit 1   HTTP 502
        └── RefusedVersion  a bundle's version can not be taken

An error holds its facts as three sentences: what failed, what was found, what to do next.
"""

from __future__ import annotations

from typing import Any, ClassVar

from pinwheel.core.text import visible


class PinwheelError(Exception):
    """Root of all expected failures.

    ``failed``, ``found`` and ``remedy`` are full clauses without a final stop; ``facts`` are the ids and
    values behind them, safe to show to whoever may read the Dag (never credentials).
    """

    exit_code: ClassVar[int] = 1
    http_status: ClassVar[int] = 500
    title: ClassVar[str] = "Unexpected failure"

    def __init__(self, failed: str, *, found: str = "", remedy: str = "", **facts: Any) -> None:
        self.failed = failed
        self.found = found
        self.remedy = remedy
        self.facts = facts
        super().__init__(self.message)

    def __str__(self) -> str:
        """The message as a log can show it: an error often quotes what others wrote."""
        return visible(self.message, keep="\n")

    @property
    def message(self) -> str:
        """One text: ``failed: found. remedy.``"""
        text = self.failed
        if self.found:
            text += f": {self.found}"
        text += "."
        if self.remedy:
            text += f" {self.remedy}."
        return text


class InvalidInput(PinwheelError, ValueError):
    """The request can not mean anything: a malformed selector, a build number below 1, no reason."""

    exit_code = 2
    http_status = 422
    title = "Invalid input"


class NotFound(PinwheelError, LookupError):
    """The Dag, build, release or run named in the request does not exist (or may not be seen)."""

    exit_code = 3
    http_status = 404
    title = "Not found"


class Conflict(PinwheelError):
    """Somebody else changed the Dag between the caller's look and the caller's act."""

    exit_code = 4
    http_status = 409
    title = "Conflict"


class Refused(PinwheelError):
    """A rule of Pinwheel, a policy or a missing permission forbids it."""

    exit_code = 5
    http_status = 403
    title = "Refused"


class HostError(PinwheelError):
    """Airflow, its database or a bundle's source failed underneath us."""

    exit_code = 1
    http_status = 502
    title = "Airflow failed"


class RefusedVersion(HostError):
    """One version of a bundle can not be taken, whoever asks and however often; the version in use stays.

    ``version`` is None while it has no id yet. ``reason`` is what was found: with bundle and version, it is
    the refusal's identity. Never raised for what a second try may mend (network, disk, a folder at work).
    """

    title = "Version refused"

    def __init__(
        self,
        failed: str,
        *,
        found: str = "",
        remedy: str = "",
        bundle_name: str = "",
        version: str | None = None,
        **facts: Any,
    ) -> None:
        self.bundle_name = bundle_name
        self.version = version
        if bundle_name:
            facts |= {"bundle_name": bundle_name, "version": version}
        super().__init__(failed, found=found, remedy=remedy, **facts)

    @classmethod
    def of(
        cls, bundle_name: str, version: str | None, reason: str, *, remedy: str = "", **facts: Any
    ) -> RefusedVersion:
        """The refusal of *version* for *reason*; *remedy* replaces the advice to push again."""
        return cls(
            f"Can not take {f'version {version}' if version else 'the newest version'} "
            f"of bundle {bundle_name!r}",
            found=reason,
            remedy=remedy or "The version in use stays. Correct what is named, and push again",
            bundle_name=bundle_name,
            version=version,
            **facts,
        )

    @property
    def reason(self) -> str:
        """Why it can not be taken."""
        return self.found


def unknown_dag(dag_id: str) -> NotFound:
    """The same words for a Dag that there is not and for one that may not be seen."""
    return NotFound(
        f"Cannot find Dag {dag_id}",
        found="Pinwheel has no build of it",
        remedy="List what there is with: pinwheel status",
        dag_id=dag_id,
    )


def unknown_document(name: str, *, repository: bool = False) -> NotFound:
    """The same words for rules and policies that there are not and for those that may not be seen."""
    return NotFound(
        f"Cannot find {'policies of bundle' if repository else 'the document'} {name}",
        found="there are none" if repository else "no rule or policy in force is of it",
        remedy="List what there is with: pinwheel policy list",
    )


ON_ROLLOUT = "rollout "
"""Before the verb of a request that acts on a rollout: the word alone is that of another request."""


def spoken(verb: str) -> str:
    """A verb as it stands in a sentence: "Cannot roll back sales_daily"."""
    if verb.startswith(ON_ROLLOUT):
        return f"{verb.removeprefix(ON_ROLLOUT)} the rollout of"
    return {
        "rollback": "roll back",
        "timeline": "change the timeline of",
        "lift_freeze": "lift a freeze",
    }.get(verb, verb)
