"""``pinwheel check set``: say what a check found, of a commit, of a build of a Dag, or of a digest."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from pinwheel.cli import options
from pinwheel.cli.context import Context
from pinwheel.cli.output import counted, short_version, text
from pinwheel.cli.parser import add_command
from pinwheel.core.rule_request import SAYABLE, CheckRequest

if TYPE_CHECKING:
    from rich.console import Console


def add_arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(
        dest="check_verb", metavar="COMMAND", required=True, parser_class=type(parser)
    )
    summary = "note what a check found; it may come before the commit was parsed"
    made = add_command(
        verbs,
        "set",
        summary,
        "pinwheel check set ci/regression --commit $GITHUB_SHA --verdict passed --check-url $RUN_URL",
        "pinwheel check set ci/regression --dag orders_daily --build 3 --verdict failed --reason 'totals'",
    )
    made.add_argument("name", metavar="NAME", help="as policies name the check")
    of = made.add_argument_group("what it is about", "A commit, a Dag and its build, or a digest.")
    of.add_argument("--commit", metavar="SHA", help="the bundle version; need not be known yet")
    of.add_argument("--bundle", metavar="NAME", help="its bundle (default: the only one)")
    of.add_argument("--dag", metavar="DAG_ID")
    of.add_argument("--build", type=options.positive, metavar="N")
    of.add_argument(
        "--bundle-version", metavar="V", help="at which the build is meant (default: the newest it stands in)"
    )
    of.add_argument("--digest", metavar="DIGEST", help="of builds, whatever commit they come from")
    made.add_argument(
        "--verdict",
        required=True,
        choices=tuple(each.value for each in SAYABLE),
        help="passed, failed, inconclusive (found out, and neither) or error (not found out)",
    )
    made.add_argument("--check-url", metavar="URL", help="where the check says more")
    made.add_argument("-m", "--reason", metavar="TEXT", help="why; kept with the verdict")
    made.add_argument(
        "--expires-at", type=options.exact_instant, metavar="WHEN", help="from then on it counts no more"
    )
    options.add_request_id(made)
    options.add_common(made)


def run(context: Context) -> None:
    args = context.args
    request = CheckRequest(
        name=args.name,
        verdict=args.verdict,
        bundle=args.bundle,
        bundle_version=args.bundle_version if args.commit is None else args.commit,
        dag_id=args.dag,
        build=args.build,
        digest=args.digest,
        url=args.check_url,
        reason=args.reason,
        expires_at=args.expires_at,
        request_id=args.request_id,
    )
    made = context.backend.set_check(request)
    context.emit(made, lambda console: render(console, made))


def render(console: Console, made: dict[str, Any]) -> None:
    console.print(
        text(f"Check {made['name']} {made['verdict']}", "bold green" if made["verdict"] == "passed" else "")
        + text(f" of {_of(made)}."),
        soft_wrap=True,
    )
    on_their_way = counted(len(made["rollouts"]), "rollout")
    console.print(text(f"It is about {on_their_way} on their way.", "dim"))


def _of(made: dict[str, Any]) -> str:
    version = short_version(made["bundle_version"])
    if made["dag_id"] is not None:
        return f"{made['dag_id']} build {made['build']} at {version}"
    return f"digest {made['digest']}" if made["digest"] else f"{made['bundle']} {version}"
