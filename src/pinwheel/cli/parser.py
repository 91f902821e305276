"""The parser: its errors name the command that they are about, what was perhaps meant, and where to read."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from pinwheel.core.errors import InvalidInput


class UsageError(InvalidInput):
    """The command line itself is wrong."""

    def __init__(self, parser: argparse.ArgumentParser, found: str, *, meant: str = "") -> None:
        guess = f"Did you mean {meant}? " if meant else ""
        super().__init__(
            "Cannot understand the command", found=found, remedy=f"{guess}See: {parser.prog} --help"
        )
        self.usage = parser.format_usage()


class Parser(argparse.ArgumentParser):
    """Raises instead of leaving the process, so that errors look alike."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**{"formatter_class": _formatter, "allow_abbrev": False, **kwargs})

    def error(self, message: str) -> NoReturn:
        raise UsageError(self, message)

    # Of a command below, what it does not know would be an error of the one above, with that one's usage.
    def parse_known_args(self, args: Any = None, namespace: Any = None) -> tuple[Any, list[str]]:
        known, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self._refuse(unknown)
        return known, unknown

    def _refuse(self, unknown: Sequence[str]) -> NoReturn:
        option = next((word for word in unknown if word.startswith("-")), None)
        if option is None:
            raise UsageError(self, f"{self.prog} takes no further argument {unknown[0]!r}")
        name = option.partition("=")[0]
        taken = [
            string
            for action in self._actions
            if action.help != argparse.SUPPRESS
            for string in action.option_strings
        ]
        raise UsageError(self, f"{self.prog} has no option {name}", meant=nearest(name, taken))

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        if action.choices is None or value in action.choices:
            return
        choices = [str(choice) for choice in action.choices]
        meant = nearest(str(value), choices)
        if isinstance(action, argparse._SubParsersAction):
            raise UsageError(self, f"{self.prog} has no command {value}", meant=meant)
        name = action.option_strings[-1] if action.option_strings else action.metavar
        raise UsageError(self, f"{name} is one of {', '.join(choices)}, not {value!r}", meant=meant)


def nearest(word: str, words: Iterable[str]) -> str:
    """The one of *words* that somebody who wrote *word* may have meant; nothing where none is like it."""
    return next(iter(difflib.get_close_matches(word, list(words), n=1)), "")


def add_command(commands: Any, name: str, summary: str, *examples: str) -> Parser:
    """A command below another one: what it does stands in the list of these, and on top of its own help."""
    parser: Parser = commands.add_parser(
        name, help=summary, description=f"{summary[0].upper()}{summary[1:]}."
    )
    if examples:
        add_examples(parser, *examples)
    return parser


def add_examples(parser: argparse.ArgumentParser, *lines: str, more: str = "") -> None:
    """Show whole command lines at the end of a command's help, and *more* below them."""
    shown = "\n".join(["Examples:", *(f"  {line}" for line in lines)])
    parser.epilog = f"{shown}\n\n{more}" if more else shown


def _formatter(prog: str) -> argparse.HelpFormatter:
    # Imported only when help or a usage is asked for.
    from pinwheel.cli.help import Formatter

    return Formatter(prog)
