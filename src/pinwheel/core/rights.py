"""Pinwheel's own rights, as somebody who hands them out sees them."""

from __future__ import annotations

from attrs import frozen


@frozen(kw_only=True)
class Rights:
    """The rights that there are, and which of them were made known to the auth manager just now."""

    names: tuple[str, ...]
    created: tuple[str, ...]
    said: str
    """How a user comes to have them, in a sentence or two without the last full stop."""
