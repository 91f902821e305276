"""Running ``git`` so that nothing in a repository, a URL or the environment can make it do more."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote

from pinwheel.core.errors import HostError

NETWORK_TIMEOUT_SECONDS = 900
LOCAL_TIMEOUT_SECONDS = 600

_SAFE_CONFIG = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.fsync=committed,loose-object",
    "core.fsyncMethod=batch",
    "safe.directory=*",
    "protocol.ext.allow=never",
    "gc.auto=0",
    "maintenance.auto=false",
    # Always keep what arrives as one pack: it appears whole or not at all, unlike loose objects
    "fetch.unpackLimit=1",
    "transfer.unpackLimit=1",
    "fastimport.unpackLimit=1",
    "http.lowSpeedLimit=1",
    "http.lowSpeedTime=60",
)
_REPOSITORY_VARIABLES = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_COMMON_DIR",
    "GIT_TRACE",
    "GIT_TRACE_CURL",
    "GIT_CURL_VERBOSE",
)
_CREDENTIALS_IN_URL = re.compile(r"(?<=://)[^/@\s]+@")
_CREDENTIAL_URL = re.compile(r"(https?://)([^/@]*)@([^/]*)(.*)\Z", re.DOTALL)


class GitFailed(HostError):
    """``git`` ended with an error. ``stderr`` holds what it said, without credentials."""

    def __init__(self, failed: str, *, stderr: str, remedy: str = "") -> None:
        self.stderr = stderr
        super().__init__(failed, found=_shorten(stderr), remedy=remedy)


def without_credentials(text: str) -> str:
    """*text* with the user and password of every URL in it replaced by ``***``."""
    return _CREDENTIALS_IN_URL.sub("***@", text)


def split_credentials(url: str) -> tuple[str, dict[str, str]]:
    """A URL without ``user:password@``, and the environment that gives them to git for that host only.

    Keeps passwords out of argument lists, repository configuration and messages.
    """
    match = _CREDENTIAL_URL.match(url)
    if not match or ":" not in match[2]:
        return url, {}
    user, _, password = match[2].partition(":")
    scope = f"credential.{match[1]}{match[3]}.helper"
    helper = (
        '!f() { test "$1" = get && '
        'printf "username=%s\\npassword=%s\\n" "$PINWHEEL_GIT_USER" "$PINWHEEL_GIT_PASSWORD"; }; f'
    )
    index = int(os.environ.get("GIT_CONFIG_COUNT") or 0)
    return match[1] + match[3] + match[4], {
        "GIT_CONFIG_COUNT": str(index + 2),
        f"GIT_CONFIG_KEY_{index}": scope,
        f"GIT_CONFIG_VALUE_{index}": "",
        f"GIT_CONFIG_KEY_{index + 1}": scope,
        f"GIT_CONFIG_VALUE_{index + 1}": helper,
        "PINWHEEL_GIT_USER": unquote(user),
        "PINWHEEL_GIT_PASSWORD": unquote(password),
    }


class Git:
    """``git`` on one bare repository."""

    def __init__(self, git_dir: Path) -> None:
        self.git_dir = git_dir

    def run(
        self,
        *arguments: str,
        stdin: bytes | None = None,
        network: Mapping[str, str] | None = None,
        config: tuple[str, ...] = (),
        check: bool = True,
    ) -> bytes:
        """What ``git *arguments`` prints. *network* is the environment for commands that talk to a remote.

        Only those see the machine's and the user's git configuration (proxies, certificates, ``insteadOf``).
        With ``check=False`` a failure gives an empty answer. Raises :class:`GitFailed`.
        """
        process = subprocess.Popen(
            self._command(arguments, config),
            env=_environment(network),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # its own session, so that a time-out ends git's transport helpers too
            start_new_session=True,
        )
        timeout = LOCAL_TIMEOUT_SECONDS if network is None else NETWORK_TIMEOUT_SECONDS
        try:
            out, err = process.communicate(stdin, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise GitFailed(
                f"git {arguments[0]} failed", stderr=f"it gave no answer within {timeout} seconds"
            ) from None
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.communicate()
        if process.returncode == 0:
            return out
        if not check:
            return b""
        text = without_credentials(err.decode("utf-8", "replace")).strip()
        raise GitFailed(f"git {arguments[0]} failed", stderr=text or f"exit status {process.returncode}")

    @contextmanager
    def blobs(self) -> Iterator[BlobReader]:
        """A reader of raw object contents; one ``git`` process for all of them."""
        process = subprocess.Popen(
            self._command(("cat-file", "--batch"), ()),
            env=_environment(None),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield BlobReader(process)
        finally:
            process.kill()
            process.communicate()

    def _command(self, arguments: tuple[str, ...], config: tuple[str, ...]) -> list[str]:
        command = ["git", f"--git-dir={self.git_dir}"]
        for setting in (*_SAFE_CONFIG, *config):
            command += ["-c", setting]
        return [*command, *arguments]


class BlobReader:
    """Reads objects by id. Not for several threads at once."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process

    def read(self, oid: str) -> bytes:
        """The raw bytes of one object: no filter, no line-end conversion. Raises GitFailed if missing."""
        stdin, stdout = self._process.stdin, self._process.stdout
        if stdin is None or stdout is None:
            raise GitFailed("git cat-file failed", stderr="it has no pipes")
        try:
            stdin.write(oid.encode() + b"\n")
            stdin.flush()
        except BrokenPipeError as error:
            raise GitFailed("git cat-file failed", stderr="it ended early") from error
        header = stdout.readline().split()
        if len(header) != 3:
            raise GitFailed("git cat-file failed", stderr=f"object {oid} is missing from the mirror")
        size = int(header[2])
        content = stdout.read(size + 1)
        if len(content) != size + 1:
            raise GitFailed("git cat-file failed", stderr=f"object {oid} is cut short")
        return content[:-1]


def _environment(network: Mapping[str, str] | None) -> dict[str, str]:
    if network is None:
        env = {
            key: value
            for key, value in os.environ.items()
            if not key.startswith("GIT_") or key == "GIT_EXEC_PATH"
        }
        env["GIT_CONFIG_NOSYSTEM"] = "1"
        env["GIT_CONFIG_GLOBAL"] = os.devnull
    else:
        env = {**os.environ, **network}
        for name in _REPOSITORY_VARIABLES:
            env.pop(name, None)
    env["GIT_TERMINAL_PROMPT"] = "0"
    env["GIT_NO_REPLACE_OBJECTS"] = "1"
    env["GIT_ATTR_NOSYSTEM"] = "1"
    env["LC_ALL"] = "C"
    return env


def _shorten(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(lines[:6]).rstrip(".")
