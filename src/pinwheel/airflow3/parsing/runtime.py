"""The runtime that parses: Python, Airflow and the installed distributions, as one fingerprint."""

from __future__ import annotations

import hashlib
import json
import platform
import re
import site
import sys
import sysconfig
from collections.abc import Mapping
from functools import cache
from importlib.metadata import distributions
from pathlib import Path

from attrs import field, frozen

from pinwheel.airflow3.compat import airflow_version
from pinwheel.core.json import Json
from pinwheel.core.runtime import PACKAGES

_OURSELVES = "airflow-pinwheel"


@frozen
class ParseRuntime:
    """``details``: ``python``, ``airflow``, ``distributions`` (a digest); ``fingerprint`` is over these.

    And ``packages``: what the digest is of.
    """

    fingerprint: str
    details: Mapping[str, Json] = field(eq=False)


@cache
def current_runtime() -> ParseRuntime:
    """This process's runtime. Asked for before a parser is forked, so that no parse pays for it.

    Pinwheel's own version is left out: upgrading it does not change what a Dag is.
    """
    names = set()
    for distribution in distributions():
        name = re.sub(r"[-_.]+", "-", distribution.metadata["Name"] or "").lower()
        if name != _OURSELVES:
            names.add(f"{name}=={distribution.version}")
    details = {
        "python": platform.python_version(),
        "airflow": str(airflow_version()),
        "distributions": hashlib.sha256("\n".join(sorted(names)).encode()).hexdigest(),
    }
    text = json.dumps(details, sort_keys=True)
    fingerprint = hashlib.sha256(text.encode()).hexdigest()
    return ParseRuntime(fingerprint, {**details, PACKAGES: sorted(names)})


@cache
def installed_prefixes() -> tuple[str, ...]:
    """Directories, with a final slash, whose files belong to the runtime or system, not to a Dag."""
    places = {sys.prefix, sys.base_prefix, sys.exec_prefix, *sysconfig.get_paths().values()}
    places |= {*site.getsitepackages(), site.getusersitepackages()}
    places |= {str(Path(__file__).parents[2])}
    for name in ("airflow", "airflow.sdk"):
        module = sys.modules.get(name)
        if module is not None and module.__file__:
            places.add(str(Path(module.__file__).parent))
    places |= {str(Path(place).resolve()) for place in places}
    places |= {"/proc", "/sys", "/dev", "/usr/share/zoneinfo", "/usr/lib/ssl", "/etc/ssl", "/etc/pki"}
    # A Python installed in "/usr" makes no folder of data there part of the runtime.
    places -= {"/", "/usr", "/usr/local", str(Path.home())}
    return tuple(sorted(place.rstrip("/") + "/" for place in places))


SYSTEM_FILES = frozenset({"/etc/localtime", "/etc/timezone", "/etc/mime.types", "/etc/os-release"})
"""Files outside the prefixes that say something about the machine only."""
