"""An error as a document, RFC 9457 problem details: the same from the REST API and the command line."""

from __future__ import annotations

from typing import Any

from pinwheel.core.errors import (
    Conflict,
    HostError,
    InvalidInput,
    NotFound,
    PinwheelError,
    Refused,
    RefusedVersion,
)

TYPES: dict[type[PinwheelError], str] = {
    InvalidInput: "urn:pinwheel:invalid-input",
    NotFound: "urn:pinwheel:not-found",
    Conflict: "urn:pinwheel:conflict",
    Refused: "urn:pinwheel:refused",
    HostError: "urn:pinwheel:host-error",
    RefusedVersion: "urn:pinwheel:refused-version",
    PinwheelError: "urn:pinwheel:unexpected",
}
"""Error class to problem type; its status is the class's own. A subclass answers as its nearest parent."""

CLASSES = {kind: error for error, kind in TYPES.items()}


def type_of(error: type[PinwheelError]) -> str:
    """The problem type of an error class."""
    return next(TYPES[parent] for parent in error.__mro__ if parent in TYPES)


def problem_of(error: PinwheelError) -> dict[str, Any]:
    """The document of an error, with all its facts."""
    return {
        "type": type_of(type(error)),
        "title": error.title,
        "status": error.http_status,
        "detail": error.message,
        "failed": error.failed,
        "found": error.found,
        "remedy": error.remedy,
        "facts": error.facts,
    }
