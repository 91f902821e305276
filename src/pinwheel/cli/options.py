"""Arguments that several verbs share."""

from __future__ import annotations

import argparse
import json
import os
from datetime import UTC, datetime
from typing import Any

from pinwheel.cli import completion
from pinwheel.core.errors import InvalidInput
from pinwheel.core.request_values import LONGEST_ID, is_request_id
from pinwheel.core.rollout import window_text
from pinwheel.core.selector import Selector
from pinwheel.core.side import side as parsed_side

OUTPUTS = ("table", "json", "yaml")


def add_common(parser: argparse.ArgumentParser) -> None:
    """``--output``, ``--url``, ``--token``, ``--debug``: on every verb that shows or changes Dags."""
    add_output(parser)
    group = parser.add_argument_group("connection")
    group.add_argument(
        "--url",
        default=os.environ.get("PINWHEEL_URL") or None,
        metavar="URL",
        help="work on the Airflow behind this API server (default: $PINWHEEL_URL, else the local database)",
    )
    group.add_argument(
        "--token",
        default=None,
        metavar="TOKEN",
        help="access token of that API server (default: $PINWHEEL_TOKEN, where other users can not see it)",
    )


def add_output(parser: argparse.ArgumentParser) -> None:
    """``--output`` and ``--debug``."""
    group = parser.add_argument_group("output")
    group.add_argument(
        "-o",
        "--output",
        choices=OUTPUTS,
        default="table",
        metavar="FORMAT",
        help="table (default), json or yaml",
    )
    group.add_argument("--debug", action="store_true", help="show the traceback of an error")


def add_dag_id(parser: argparse.ArgumentParser) -> None:
    """The one Dag that a command is about."""
    _completed(parser.add_argument("dag_id", metavar="DAG_ID"))


def _completed(action: argparse.Action) -> None:
    action.completer = completion.dag_ids  # type: ignore[attr-defined]


def add_selectors(parser: argparse.ArgumentParser) -> None:
    """The ways to say which Dags are meant."""
    _completed(parser.add_argument("dag_ids", nargs="*", metavar="DAG_ID", help="Dags by id"))
    group = parser.add_argument_group("selection", "Ids and globs add up; tags and the bundle narrow them.")
    group.add_argument(
        "--dag-glob",
        action="append",
        metavar="GLOB",
        help="Dags whose id matches, such as 'sales_*'; may be repeated",
    )
    group.add_argument(
        "--tag", action="append", metavar="TAG", help="Dags with this tag; may be repeated (any of them)"
    )
    group.add_argument("--bundle", metavar="NAME", help="Dags of this bundle")
    group.add_argument("--all", action="store_true", help="all Dags that are not retired")


def add_change(parser: argparse.ArgumentParser) -> None:
    """What every changing verb takes."""
    group = parser.add_argument_group("change")
    group.add_argument("--plan", action="store_true", help="show what would change, change nothing")
    group.add_argument(
        "--skip-refused",
        action="store_true",
        help="leave out the Dags that can not take the change, and name them; one that is refused only after "
        "that was found out keeps all as they are",
    )
    group.add_argument(
        "-m",
        "--reason",
        metavar="TEXT",
        help="why; kept with the release and its event. Releasing a rejected build needs one, and lifts the "
        "rejection",
    )
    group.add_argument(
        "--expected-release",
        type=positive,
        metavar="N",
        help="refuse when the active release is another one (one Dag only)",
    )
    add_request_id(group)
    group.add_argument("-y", "--yes", action="store_true", help="do not ask before several Dags are changed")


def add_request_id(parser: argparse._ActionsContainer) -> None:
    """``--request-id``: on every verb that changes something."""
    parser.add_argument(
        "--request-id",
        type=request_id,
        metavar="ID",
        help="makes a repeat of this command, within 7 days, change nothing again",
    )


def add_target(parser: argparse.ArgumentParser, *release_names: str) -> None:
    """``--build N`` or ``--release N``."""
    group = parser.add_mutually_exclusive_group()
    group.add_argument("--build", type=positive, metavar="N", help="this build (one Dag only)")
    group.add_argument(
        *(release_names or ("--release",)),
        dest="release",
        type=positive,
        metavar="N",
        help="the build of this release (one Dag only)",
    )
    add_bundle_version(parser)


def add_now(parser: argparse._ActionsContainer) -> None:
    """``--now``: past gates and rules."""
    parser.add_argument(
        "--now",
        action="store_true",
        help="at once, past gates, windows and freezes; needs a reason, and who may is said by a right",
    )


def add_bundle_version(parser: argparse.ArgumentParser) -> None:
    """``--bundle-version V``."""
    parser.add_argument(
        "--bundle-version",
        metavar="V",
        help="take the build from this version of its bundle, one in which it stood (default: the newest); "
        "without --build: the build that stood there",
    )


def selector_of(args: argparse.Namespace) -> Selector:
    """The selector that the arguments of :func:`add_selectors` say; it may be empty."""
    return Selector.of(
        args.dag_ids, globs=args.dag_glob, tags=args.tag, bundle=args.bundle, everything=args.all
    )


def positive(text: str) -> int:
    """A number from 1 on."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 on")
    return number


BY_DATE = "by-date"


def build_or_date(text: str) -> int | str:
    """A number from 1 on, or ``by-date``."""
    return text if text == BY_DATE else positive(text)


def asked_build(args: argparse.Namespace) -> dict[str, Any]:
    """The build that was asked for with :func:`build_or_date`, as requests of runs have it."""
    by_date = args.build == BY_DATE
    return {"build": None if by_date else args.build, "by_date": by_date}


def side(text: str) -> str:
    """A build (``3``, ``b3``) or a release (``r4``), to be compared."""
    try:
        parsed_side(text)
    except InvalidInput as error:
        raise argparse.ArgumentTypeError(f"{error.found}. {error.remedy}") from error
    return text


def request_id(text: str) -> str:
    """As an ``Idempotency-Key`` of the REST API."""
    if not is_request_id(text):
        raise argparse.ArgumentTypeError(f"an id has 1 to {LONGEST_ID} printable ASCII characters")
    return text


def instant(text: str) -> datetime:
    """A date or instant of ISO 8601; without an offset it is UTC."""
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a date and time as ISO 8601 writes them") from None
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def exact_instant(text: str) -> datetime:
    """A date and time with its offset: what takes effect then is not left to a guess."""
    try:
        return window_text.instant(text)
    except window_text.Unreadable as error:
        raise argparse.ArgumentTypeError(f"{text!r}: {error.found}. {error.remedy}") from None


def json_object(text: str) -> dict[str, Any]:
    """A JSON object, such as a run's configuration."""
    try:
        value = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"not JSON: {error}") from None
    if not isinstance(value, dict):
        raise argparse.ArgumentTypeError("a JSON object is needed")
    return value
