"""Completion in the shell: commands, options, and ids of Dags.

``register-python-argcomplete pinwheel`` prints what a shell needs; it then starts ``pinwheel`` at each Tab,
with the line so far in its environment.
"""

from __future__ import annotations

import argparse
import glob
import os
from typing import Any


def asked() -> bool:
    """Whether a shell started this process to complete a line."""
    return "_ARGCOMPLETE" in os.environ


def words() -> list[str]:
    """The words of the line so far, without the command itself."""
    return os.environ.get("COMP_LINE", "").split()[1:]


def complete(parser: argparse.ArgumentParser) -> None:
    """Answer the shell, and leave the process."""
    from argcomplete import autocomplete
    from argcomplete.completers import SuppressCompleter

    # Where nothing is offered the shell offers files.
    autocomplete(parser, always_complete_options=False, default_completer=SuppressCompleter())


def dag_ids(prefix: str, parsed_args: argparse.Namespace, **_: Any) -> list[str]:
    """Ids that begin so, of the Airflow that the command would work on; none where it cannot be asked."""
    from pinwheel.cli.context import make_backend
    from pinwheel.core.request import Selection
    from pinwheel.core.selector import Selector

    given = vars(parsed_args)
    args = argparse.Namespace(
        url=given.get("url") or os.environ.get("PINWHEEL_URL") or None, token=given.get("token"), debug=False
    )
    try:
        selector = Selector(globs=(f"{glob.escape(prefix)}*",))
        return make_backend(args).select(Selection(selector=selector))
    except Exception:
        return []
