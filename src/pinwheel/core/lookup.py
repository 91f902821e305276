"""Looking up what a row may name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

Key = TypeVar("Key")
Value = TypeVar("Value")


def named(found: Mapping[Key, Value], key: Key | None) -> Value | None:
    """What was found under *key*; None where nothing was, or where the row names nothing."""
    return None if key is None else found.get(key)
