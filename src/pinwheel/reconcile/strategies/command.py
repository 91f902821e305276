"""``command``: whatever the operator gives, such as ``docker run newer-image airflow db downgrade …``."""

from __future__ import annotations

import argparse
import shlex
import subprocess
from typing import Any

from pinwheel.core.errors import HostError, InvalidInput, Refused
from pinwheel.reconcile.strategy import Downgrade, Say

PLACEHOLDERS = ("from_version", "to_version", "from_revision", "to_revision")
_KEPT = 20


def add_arguments(group: Any) -> None:
    group.add_argument(
        "--command",
        metavar="COMMAND",
        help="run this with the newer Airflow, without a shell; {from_version}, {to_version}, "
        "{from_revision} and {to_revision} are filled in",
    )


def make(options: argparse.Namespace, deployment: Any) -> CommandStrategy:
    return CommandStrategy(getattr(options, "command", None))


class CommandStrategy:
    """Runs the command as this user, in this environment, and believes only the revision afterwards."""

    name = "command"

    def __init__(self, command: str | None) -> None:
        self._command = command

    def prepare(self, walk: Downgrade) -> list[str]:
        return [f"Run: {shlex.join(self._words(walk))}"]

    def run(self, walk: Downgrade, say: Say) -> None:
        words = self._words(walk)
        try:
            process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="replace",
            )
        except OSError as error:
            raise HostError(
                f"Cannot run {words[0]}", found=error.strerror or str(error), remedy="Check --command"
            ) from error
        last: list[str] = []
        with process:
            assert process.stdout is not None
            for line in process.stdout:
                say(line.rstrip())
                last = [*last, line.strip()][-_KEPT:]
        if process.returncode:
            raise HostError(
                f"{words[0]} ended with code {process.returncode}",
                found=next((line for line in reversed(last) if line), "it wrote nothing"),
                remedy="Run the same command again when the cause is gone",
            )

    def _words(self, walk: Downgrade) -> list[str]:
        if not (self._command or "").strip():
            raise Refused(
                "Cannot use the strategy command",
                found="no command is given",
                remedy="Give one: --command 'docker run --rm NEWER-IMAGE airflow db downgrade "
                "--to-revision {to_revision} --yes'",
            )
        # The first word: of "3.3.0 or a later 3.3" that is a version.
        facts = {name: str(getattr(walk, name)).partition(" ")[0] for name in PLACEHOLDERS}
        try:
            return [word.format_map(facts) for word in shlex.split(self._command or "")]
        except (KeyError, IndexError, ValueError) as error:
            raise InvalidInput(
                "Cannot understand --command",
                found=f"{error} is no placeholder" if isinstance(error, LookupError) else str(error),
                remedy="Placeholders: " + ", ".join("{" + name + "}" for name in PLACEHOLDERS),
            ) from error
