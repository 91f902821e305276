"""Completion in the shell: commands, options, and ids of Dags.

``register-python-argcomplete pinwheel`` prints what a shell needs; it then starts ``pinwheel`` at each Tab,
with the line so far in its environment.
"""

from __future__ import annotations

import argparse
import glob
import os
from typing import Any

from pinwheel.core.errors import PinwheelError


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
    """Ids that begin so, of the API server that the command would ask; none where it does not answer.

    None of the database here: to ask that means to import Airflow, for seconds at each Tab.
    """
    given = vars(parsed_args)
    url = given.get("url") or os.environ.get("PINWHEEL_URL")
    if not url:
        return []
    from pinwheel.cli.context import make_backend
    from pinwheel.core.request import Selection
    from pinwheel.core.selector import Selector

    selector = Selector(globs=(f"{glob.escape(prefix)}*",))
    try:
        backend = make_backend(argparse.Namespace(url=url, token=given.get("token")))
        return backend.select(Selection(selector=selector))
    except PinwheelError:
        return []
