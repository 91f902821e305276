"""What a request is called by whoever may repeat it."""

from __future__ import annotations

LONGEST_ID = 255


def is_request_id(text: str) -> bool:
    """Whether it can be the id of a request: 1 to :data:`LONGEST_ID` printable ASCII characters."""
    return 0 < len(text) <= LONGEST_ID and text.isascii() and text.isprintable()
