"""``pinwheel`` as a command that starts at once: each call is a fork of a process that has Airflow loaded.

    with warm_pinwheel(folder, environment) as bin_folder:
        subprocess.run(["pinwheel", "db", "status"], env={"PATH": str(bin_folder), …})

Airflow reads its configuration from *environment* when the process starts, so all calls share one database;
other variables are the caller's own.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

_CALL = """#!{python} -SE
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({address!r})
    message = json.dumps([sys.argv[1:], dict(os.environ)]).encode()
    socket.send_fds(connection, [len(message).to_bytes(8, "big")], [1, 2])
    connection.sendall(message)
    sys.exit(connection.recv(1)[0])
"""


@contextlib.contextmanager
def warm_pinwheel(folder: Path, environment: dict[str, str]) -> Iterator[Path]:
    """Give a folder for PATH with a ``pinwheel`` in it."""
    folder.mkdir(parents=True, exist_ok=True)
    address = folder / "s"
    command = folder / "pinwheel"
    command.write_text(_CALL.format(python=sys.executable, address=str(address)))
    command.chmod(0o755)
    process = subprocess.Popen(
        [sys.executable, __file__, str(address)],
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n", "the process did not load Airflow"
        yield folder
    finally:
        process.kill()
        process.wait()


def _serve(address: str) -> None:
    # What takes long to import, for all calls.
    import kubernetes.client
    import kubernetes.stream  # noqa: F401

    from pinwheel.reconcile.installed import deployment

    deployment().schema()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        print("ready", flush=True)
        while True:
            connection, _ = listener.accept()
            with connection:
                size, descriptors, _, _ = socket.recv_fds(connection, 8, 2)
                message = b""
                while len(message) < int.from_bytes(size, "big"):
                    message += connection.recv(1 << 20)
                child = os.fork()
                if child == 0:
                    _run(descriptors, *json.loads(message))
                for descriptor in descriptors:
                    os.close(descriptor)
                _, status = os.waitpid(child, 0)
                with contextlib.suppress(BrokenPipeError):
                    connection.sendall(bytes([os.waitstatus_to_exitcode(status) & 255]))


def _run(descriptors: list[int], arguments: list[str], environment: dict[str, str]) -> None:
    """The rest of the child's life."""
    code = 70
    try:
        for target, descriptor in zip((1, 2), descriptors, strict=True):
            os.dup2(descriptor, target)
        own = {name: value for name, value in os.environ.items() if name.startswith("AIRFLOW")}
        os.environ.clear()
        os.environ.update(environment | own)
        from pinwheel.cli.main import main

        code = main(arguments)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


if __name__ == "__main__":
    _serve(sys.argv[1])
