"""Running ``git`` so that nothing in a repository, a URL or the environment can make it do more."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import tempfile
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Timer
from typing import IO, cast

from pinwheel.airflow3.bundles.credentials import configure, hide
from pinwheel.airflow3.bundles.credentials import split_credentials as split_credentials
from pinwheel.airflow3.bundles.credentials import without_credentials as without_credentials
from pinwheel.airflow3.bundles.forks import start
from pinwheel.core.errors import HostError

NETWORK_TIMEOUT_SECONDS = 900
LOCAL_TIMEOUT_SECONDS = 600
PIECE = 1 << 20
"""So many bytes of a file are in memory at once, however large it is."""

_SAFE_CONFIG = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.attributesFile=/dev/null",
    "core.fsync=committed,loose-object",
    "core.fsyncMethod=batch",
    "safe.directory=*",
    "protocol.ext.allow=never",
    # Names that only Windows takes for .git are names; git would refuse the whole tree for one
    "core.protectNTFS=false",
    "gc.auto=0",
    "maintenance.auto=false",
    # Larger ones git streams, where it would hold a smaller one in memory as a whole
    "core.bigFileThreshold=16m",
    # Always keep what arrives as one pack: it appears whole or not at all, unlike loose objects
    "fetch.unpackLimit=1",
    "transfer.unpackLimit=1",
    "fastimport.unpackLimit=1",
    "http.lowSpeedLimit=1",
    "http.lowSpeedTime=30",
    "protocol.pinwheel.allow=always",
)
_REPOSITORY_VARIABLES = (
    "GIT_DIR",
    "GIT_WORK_TREE",
    "GIT_INDEX_FILE",
    "GIT_OBJECT_DIRECTORY",
    "GIT_ALTERNATE_OBJECT_DIRECTORIES",
    "GIT_NAMESPACE",
    "GIT_COMMON_DIR",
    "GIT_CURL_VERBOSE",
)
_CONTENT_TYPE = re.compile(r"<= [Rr]ecv header: content-type:(.*)", re.IGNORECASE)


class GitFailed(HostError):
    """``git`` ended with an error. ``stderr`` holds what it said, without credentials."""

    def __init__(self, failed: str, *, stderr: str, remedy: str = "") -> None:
        self.stderr = stderr
        super().__init__(failed, found=_shorten(stderr), remedy=remedy)


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
        code, out, err = self._ended(arguments, network, stdin, config)
        if code == 0:
            return out
        if not check:
            return b""
        text = hide(err.decode("utf-8", "replace"), network or {}).strip()
        raise GitFailed(f"git {arguments[0]} failed", stderr=text or f"exit status {code}")

    def _ended(
        self,
        arguments: tuple[str, ...],
        network: Mapping[str, str] | None,
        stdin: bytes | None = None,
        config: tuple[str, ...] = (),
        **more: str,
    ) -> tuple[int, bytes, bytes]:
        environment = {**_environment(network), **more}
        timeout = LOCAL_TIMEOUT_SECONDS if network is None else NETWORK_TIMEOUT_SECONDS
        with configure(environment):
            process = start(
                self._command(arguments, config),
                env=environment,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                # its own session, so that a time-out ends git's transport helpers too
                start_new_session=True,
            )
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
        return process.returncode, out, err

    def beginning(self, kind: str, oid: str, most: int) -> bytes:
        """At most the first *most* bytes of an object. Raises GitFailed when it is not here."""
        process = start(
            self._command(("cat-file", kind, oid), ()),
            env=_environment(None),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        try:
            out = process.stdout.read(most) if process.stdout is not None else b""
            if len(out) < most and process.wait() != 0:
                raise GitFailed("git cat-file failed", stderr=f"object {oid} can not be read")
        finally:
            process.kill()
            process.communicate()
        return out

    def pieces(self, *arguments: str, seconds: float | None = None) -> Generator[bytes]:
        """What ``git *arguments`` prints, as it comes: it may be more than there is memory for.

        It is killed when the caller closes this, and where *seconds* are given after these. Raises
        :class:`GitFailed`, at the end.
        """
        with tempfile.TemporaryFile() as errors:
            process = start(
                self._command(arguments, ()),
                env=_environment(None),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
            )
            stdout = cast("IO[bytes]", process.stdout)
            clock = Timer(seconds, process.kill) if seconds is not None else None
            if clock is not None:
                clock.daemon = True
                clock.start()
            try:
                while piece := stdout.read(PIECE):
                    yield piece
                process.wait(LOCAL_TIMEOUT_SECONDS)
            finally:
                if clock is not None:
                    clock.cancel()
                process.kill()
                process.communicate()
            _check_ended(process.returncode, arguments[0], errors)

    def readable(self, oids: bytes) -> bool:
        """Whether git can read the content of all these objects (one id a line). Keeps none of it."""
        process = start(
            self._command(("cat-file", "--batch"), ()),
            env=_environment(None),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )
        try:
            _, err = process.communicate(oids, timeout=LOCAL_TIMEOUT_SECONDS)
        except subprocess.TimeoutExpired:
            return False
        finally:
            process.kill()
            process.communicate()
        return process.returncode == 0 and not err

    def content_types(self, url: str, network: Mapping[str, str]) -> list[str]:
        """What an HTTP server calls its answers when it is asked for the repository *url*, last one last."""
        with tempfile.TemporaryDirectory() as folder:
            trace = Path(folder, "trace")
            self._ended(
                ("ls-remote", "--quiet", "--", url), network,
                GIT_TRACE_CURL=str(trace), GIT_TRACE_CURL_NO_DATA="1",
            )  # fmt: skip
            lines = trace.read_text(errors="replace").splitlines() if trace.exists() else []
        return [found[1].strip() for line in lines if (found := _CONTENT_TYPE.search(line))]

    @contextmanager
    def blobs(self) -> Iterator[BlobReader]:
        """A reader of raw object contents; one ``git`` process for all of them."""
        process = start(
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

    @contextmanager
    def fed(self, *arguments: str) -> Iterator[Callable[[bytes], object]]:
        """A ``git`` that is given its input in pieces, by the function yielded. Raises :class:`GitFailed`.

        It is killed when the body raises.
        """
        with tempfile.TemporaryFile() as errors:
            process = start(
                self._command(arguments, ()),
                env=_environment(None),
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
            stdin = cast("IO[bytes]", process.stdin)
            try:
                # An early end shows as its exit status, with what it said
                with suppress(BrokenPipeError):
                    yield stdin.write
                with suppress(BrokenPipeError):
                    stdin.close()
                process.wait(LOCAL_TIMEOUT_SECONDS)
            except subprocess.TimeoutExpired:
                raise GitFailed(
                    f"git {arguments[0]} failed",
                    stderr=f"it did not end within {LOCAL_TIMEOUT_SECONDS} seconds",
                ) from None
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()
                with suppress(BrokenPipeError):
                    stdin.close()
            _check_ended(process.returncode, arguments[0], errors)

    def _command(self, arguments: tuple[str, ...], config: tuple[str, ...]) -> list[str]:
        command = ["git", f"--git-dir={self.git_dir}"]
        for setting in (*_SAFE_CONFIG, *config):
            command += ["-c", setting]
        return [*command, *arguments]


class BlobReader:
    """Reads objects by id, in pieces. Not for several threads at once."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self._left = 0

    def open(self, oid: str) -> tuple[int, Iterator[bytes]]:
        """The size and the raw bytes of one object: no filter, no line-end conversion.

        The pieces (at most ``PIECE`` bytes) are to be taken before the next object is opened; what was not
        taken by then is lost. Raises GitFailed if the object is missing or cut short.
        """
        for _ in self._pieces("the one before"):
            pass
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
        self._left = size + 1
        return size, self._pieces(oid)

    def read(self, oid: str, *, most: int) -> bytes:
        """The first *most* bytes of one object. Raises GitFailed if it is missing or cut short."""
        _, pieces = self.open(oid)
        found = b""
        for piece in pieces:
            found += piece
            if len(found) >= most:
                break
        return found[:most]

    def _pieces(self, oid: str) -> Iterator[bytes]:
        stdout = self._process.stdout
        while self._left and stdout is not None:
            piece = stdout.read(min(self._left, PIECE))
            if not piece:
                raise GitFailed("git cat-file failed", stderr=f"object {oid} is cut short")
            self._left -= len(piece)
            # git ends each object with a line end of its own
            if self._left == 0:
                piece = piece[:-1]
            if piece:
                yield piece


def _check_ended(code: int, command: str, errors: IO[bytes]) -> None:
    if code != 0:
        errors.seek(0)
        text = without_credentials(errors.read(PIECE).decode("utf-8", "replace")).strip()
        raise GitFailed(f"git {command} failed", stderr=text or f"exit status {code}")


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
        for name in list(env):
            # A trace would write headers and URLs to wherever the machine's owner once wanted them
            if name in _REPOSITORY_VARIABLES or name.startswith("GIT_TRACE"):
                del env[name]
    env["GIT_TERMINAL_PROMPT"] = "0"
    env["GIT_NO_REPLACE_OBJECTS"] = "1"
    env["GIT_ATTR_NOSYSTEM"] = "1"
    env["LC_ALL"] = "C"
    return env


def _shorten(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return "; ".join(lines[:6]).rstrip(".")
