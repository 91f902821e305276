"""What an event is about: the words of the audit trail."""

from __future__ import annotations

from enum import StrEnum


class EventKind(StrEnum):
    """What happened. Releases and changes of the track have the name of what was asked or decided."""

    ADOPT = "adopt"
    AUTO = "auto"
    PIN = "pin"
    UNPIN = "unpin"
    PROMOTE = "promote"
    ROLLBACK = "rollback"
    RETIRE = "retire"
    REJECT = "reject"
    """A build was rejected without a rollback."""
    LIFT = "lift"
    """A rejection was taken back without a release."""
    FOLLOW = "follow"
    """New runs of Dags of a bundle took its newest version: one event a version, which counts them."""
    TRIGGER = "trigger"
    CLEAR = "clear"
    BACKFILL = "backfill"
    BUILD = "build"
    """A build was made."""
    BROKEN = "broken"
    """The file of a Dag could not be used in a bundle version."""
    UNSTABLE = "unstable"
    """Two parses of the same inputs gave different Dags."""
    FOLDED = "folded"
    """Parses of the same inputs gave other forms of an unstable build: one event, which counts them."""
    MISSED = "missed"
    """A verification found that a Dag depends on something that changed unseen; it is in effect since."""
    DUPLICATE = "duplicate"
    """A file holds a Dag that another place defines."""
    DRIFT = "drift"
    """Rows of Airflow were changed past Pinwheel, and put back."""
    REFUSED = "refused"
    """A version of a bundle was not taken."""
    FAULT = "fault"
    """Something of a bundle failed in the Dag processor."""


def event_kind(word: str) -> EventKind | str:
    """The kind of a stored event; a word of a later version of Pinwheel stays as it is."""
    try:
        return EventKind(word)
    except ValueError:
        return word
