"""``pinwheel``: the parser, the verbs, and the one place where errors become exit codes.

Exit codes: 0 done, 1 unexpected, 2 wrong usage or invalid input, 3 not found, 4 conflict, 5 refused.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import NoReturn, TextIO

from pinwheel import __version__
from pinwheel.cli import completion
from pinwheel.cli.context import Context
from pinwheel.cli.output import as_json
from pinwheel.cli.parser import Parser, UsageError, add_command
from pinwheel.core.errors import PinwheelError
from pinwheel.core.problem import problem_of
from pinwheel.core.text import visible

INTERRUPTED = 130

# Verb to module and one line of help. A verb's module is imported when it is used.
VERBS = {
    "status": ("status", "what runs, what waits, what is broken"),
    "bundles": ("bundles", "where each bundle stands, what was refused of it, what fails"),
    "builds": ("builds", "the builds of a Dag, good and broken"),
    "releases": ("releases", "the releases of a Dag"),
    "diff": ("diff", "what changed between two builds of a Dag"),
    "pin": ("pin", "hold Dags on a build until they are unpinned"),
    "unpin": ("unpin", "release what waits, and each new build at once again, but none that is rejected"),
    "promote": ("promote", "release a newer build"),
    "rollback": ("rollback", "release the build of an earlier release, hold it, and reject what was active"),
    "reject": ("reject", "never release a build by itself again, or take that back"),
    "rollout": ("rollout", "what is on its way, what it waits for, and acts on it"),
    "check": ("check", "say what a check found of a commit, a build or a digest"),
    "trigger": ("trigger", "start a run, on any good build"),
    "clear": ("clear", "run runs again, on the build they had or another one"),
    "backfill": ("backfill", "run a Dag for past dates, on any good build"),
    "history": ("history", "which code each try of each task ran"),
    "timeline": ("timeline", "which builds a Dag's data of which dates is for"),
    "freeze": ("freeze", "let no place of some Dags be released for a time, and end that"),
    "windows": ("windows", "when places of a Dag may be released, and which rules say so"),
    "inputs": ("inputs", "check a repository's pinwheel.yaml, where it declares inputs of its Dags"),
    "policy": ("policy", "rules and policies, by which it is decided when new builds are released"),
    "events": ("events", "who changed what, when and why"),
    "dag-processor": ("dag_processor", "run the Dag processor, in place of airflow dag-processor"),
    "keeper": ("keeper", "look after runs that wait for their build, and show which do"),
    "prune": ("prune", "remove what nobody needs any more, as the Dag processor does once a day"),
    "db": ("db.command", "bring Airflow's database schema to the deployed version, up or down"),
    "standalone": ("standalone", "run a whole local Airflow with Pinwheel"),
    "uninstall": ("uninstall", "drop Pinwheel's tables; Airflow goes on without it"),
}


def make_parser(verb: str | None = None) -> Parser:
    """The whole parser, or one in which only *verb* has its arguments (the others are not imported)."""
    parser = Parser(
        prog="pinwheel",
        description="Release management for Airflow Dags: parsing makes builds, "
        "a release changes which build runs, and an unpinned Dag follows to newer commits of it.",
    )
    parser.add_argument("--version", action="version", version=f"pinwheel {__version__}")
    commands = parser.add_subparsers(dest="verb", metavar="COMMAND", required=True, parser_class=Parser)
    for name, (module, summary) in VERBS.items():
        command = add_command(commands, name, summary)
        if verb in (None, name):
            import_module(f"pinwheel.cli.{module}").add_arguments(command)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Never raises; prints nothing but the answer to stdout."""
    if argv is None and completion.asked():
        completion.complete(make_parser(_verb_in(completion.words())))
    arguments = list(sys.argv[1:] if argv is None else argv)
    form, debug = _wanted_output(arguments), "--debug" in arguments
    try:
        args = make_parser(_verb_in(arguments)).parse_args(arguments)
        return _run(args)
    except PinwheelError as error:
        if debug:
            _traceback()
        return _report(error, form)
    except SystemExit as leaving:
        # argparse after --help or --version; Airflow's own commands.
        return leaving.code if isinstance(leaving.code, int) else _report_exit(leaving.code)
    except KeyboardInterrupt:
        return INTERRUPTED
    except BrokenPipeError:
        _forget_stdout()
        return 0
    except Exception as error:
        if debug:
            _traceback()
        return _report(_expected(error), form)


def _verb_in(words: Sequence[str]) -> str:
    return next((word for word in words if not word.startswith("-")), "")


def _run(args: argparse.Namespace) -> int:
    module = import_module(f"pinwheel.cli.{VERBS[args.verb][0]}")
    if getattr(module, "OWN_STDOUT", False):
        return int(module.run(args) or 0)
    answer = sys.stdout
    # Airflow logs to standard output; there, only the answer may be.
    with contextlib.redirect_stdout(sys.stderr):
        code = module.run(Context(args, answer))
    answer.flush()
    return int(code or 0)


def _expected(error: Exception) -> PinwheelError:
    from pinwheel.wiring import translated

    known = translated(error)
    if isinstance(known, PinwheelError):
        return known
    words = " ".join(str(error).split())
    return PinwheelError(
        "Something unexpected happened",
        found=f"{type(error).__name__}: {words}" if words else type(error).__name__,
        remedy="Repeat with --debug to see where, and tell us",
    )


def _report(error: PinwheelError, form: str) -> int:
    with contextlib.suppress(BrokenPipeError):
        if form == "json":
            _write(sys.stderr, as_json(problem_of(error), default=str) + "\n")
        else:
            if isinstance(error, UsageError):
                _write(sys.stderr, visible(error.usage, keep="\n"))
            _write(sys.stderr, _styled("error: ") + visible(error.message, keep="\n") + "\n")
    return error.exit_code


def _report_exit(code: object) -> int:
    if code is None:
        return 0
    _write(sys.stderr, _styled("error: ") + visible(str(code), keep="\n") + "\n")
    return 1


def _styled(words: str) -> str:
    if sys.stderr.isatty() and not os.environ.get("NO_COLOR"):
        return f"\x1b[1;31m{words}\x1b[0m"
    return words


def _write(stream: TextIO, words: str) -> None:
    stream.write(words)
    stream.flush()


def _traceback() -> None:
    import traceback

    _write(sys.stderr, visible(traceback.format_exc(), keep="\n"))


def _wanted_output(arguments: list[str]) -> str:
    """The output format, found before the arguments are parsed: an error in them has a format too."""
    for place, argument in enumerate(arguments):
        if argument in ("-o", "--output") and place + 1 < len(arguments):
            return arguments[place + 1]
        if argument.startswith("--output="):
            return argument.removeprefix("--output=")
        if argument.startswith("-o") and len(argument) > 2:
            return argument[2:]
    return "table"


def _forget_stdout() -> None:
    """Let the interpreter's last flush of a closed pipe go nowhere."""
    with contextlib.suppress(OSError, ValueError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, sys.stdout.fileno())


def entry() -> NoReturn:
    """For ``python -m pinwheel.cli.main``."""
    sys.exit(main())


if __name__ == "__main__":
    entry()
