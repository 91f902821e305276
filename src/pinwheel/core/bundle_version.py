"""What a person wants to know about a bundle version: who made it, when and why."""

from __future__ import annotations

from datetime import datetime

from attrs import field, frozen


def _aware(instance: object, attribute: object, value: datetime | None) -> None:
    if value is not None and value.utcoffset() is None:
        raise ValueError(f"An instant needs a time zone: {value!r}")


@frozen(kw_only=True)
class VersionInfo:
    """Facts about the commit behind a bundle version. All None where the source does not know (a folder)."""

    author: str | None = None
    """``Name <mail>``, as the commit says."""
    message: str | None = None
    """The whole commit message, without trailing line ends."""
    committed_at: datetime | None = field(default=None, validator=_aware)
    """Aware, UTC."""
    label: str | None = None
    """A git tag on the commit; the highest by version order if there are several."""


@frozen
class LeftOut:
    """One entry of the source that is not part of a version, and why."""

    path: str
    """From the repository's or folder's root; bytes that are not UTF-8 are lone surrogates."""
    reason: str
