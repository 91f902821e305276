"""What the git provider's hook hands to git, without what it does to this process.

``GitHook.configure_hook_env`` (apache-airflow-providers-git 0.4 to 1.0) sets variables of the whole process,
a token among them, for as long as a command runs.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

from pinwheel.airflow3.bundles.forks import foreign_environment

if TYPE_CHECKING:
    from airflow.providers.git.hooks.git import GitHook

_one_at_a_time = threading.Lock()


@contextmanager
def hook_environment(hook: GitHook) -> Iterator[dict[str, str]]:
    """The environment for git commands that use the hook's login; its files are there inside the context.

    Only made and taken down one at a time: a command that never ends keeps no other bundle from its own.
    """
    if getattr(hook, "uses_github_app_auth", False):
        # It asks GitHub, which may take its time: not while others wait
        hook._ensure_github_app_token()
    files = ExitStack()
    with _one_at_a_time, foreign_environment():
        files.enter_context(hook.configure_hook_env())
        environment = {**os.environ, **hook.env}
    try:
        yield environment
    finally:
        with _one_at_a_time, foreign_environment():
            files.close()
