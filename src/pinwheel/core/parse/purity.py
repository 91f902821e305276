"""Which calls make a parse depend on something else than its bundle version."""

from __future__ import annotations

_CLOCK = frozenset(
    {
        "datetime.now",
        "datetime.utcnow",
        "datetime.today",
        "date.today",
        "datetime.datetime.now",
        "datetime.datetime.utcnow",
        "datetime.datetime.today",
        "datetime.date.today",
        "time.time",
        "time.time_ns",
        "pendulum.now",
        "pendulum.today",
        "pendulum.tomorrow",
        "pendulum.yesterday",
        "pendulum.DateTime.now",
        "pendulum.DateTime.utcnow",
        "pendulum.DateTime.today",
        "pendulum.Date.today",
        "arrow.now",
        "arrow.utcnow",
        "pandas.Timestamp.now",
        "pandas.Timestamp.utcnow",
        "pandas.Timestamp.today",
    }
)
_CLOCK_WITHOUT_ARGUMENTS = {"time.localtime": 0, "time.gmtime": 0, "time.ctime": 0, "time.strftime": 1}
"""Read the clock when they get no more than so many arguments."""

_RANDOM = frozenset(
    {"uuid.uuid1", "uuid.uuid4", "uuid.uuid6", "uuid.uuid7", "uuid6.uuid6", "uuid6.uuid7", "os.urandom"}
)
_RANDOM_MODULES = ("random.", "secrets.", "numpy.random.")
_SEEDED = frozenset(
    {
        "random.Random",
        "random.seed",
        "numpy.random.seed",
        "numpy.random.default_rng",
        "numpy.random.RandomState",
    }
)
"""Depend on chance only without an argument."""

_ENVIRONMENT = frozenset(
    {
        "os.getenv",
        "os.getenvb",
        "os.getlogin",
        "os.uname",
        "os.cpu_count",
        "socket.gethostname",
        "socket.getfqdn",
        "platform.node",
        "getpass.getuser",
        "os.path.expandvars",
    }
)
_VARIABLE = frozenset({"get", "set", "delete", "keys", "get_variable_from_secrets"})


def classify(name: str, resolved: bool, arguments: int, first: str | None) -> tuple[str, str] | None:
    """The kind and detail of a call that asks the world, or None for one that does not.

    *name* is the dotted name with import aliases replaced; *resolved* tells whether its first part was
    imported; *first* is the first argument if it is a literal string.
    """
    head, _, last = name.rpartition(".")
    if name in _CLOCK or (name in _CLOCK_WITHOUT_ARGUMENTS and arguments <= _CLOCK_WITHOUT_ARGUMENTS[name]):
        return "clock", f"{name}()"
    if last in ("days_ago", "utcnow") and (not resolved or name.startswith("airflow.")):
        return "clock", f"{name.removeprefix('?.')}()"
    if name in _RANDOM:
        return "random", f"{name}()"
    if resolved and name.startswith(_RANDOM_MODULES) and not (name in _SEEDED and arguments):
        return "random", f"{name}()"
    if name in _ENVIRONMENT:
        return "environment", first if first and last.startswith("getenv") else f"{name}()"
    if name.startswith("os.environ."):
        return None if last in ("update", "clear") else ("environment", first or "os.environ")
    owner = head.rpartition(".")[2]
    if owner == "Variable" and last in _VARIABLE:
        return "variable", first or f"{owner}.{last}()"
    if last in ("get_connection", "get_connection_from_secrets") or (owner == "Connection" and last == "get"):
        return "connection", first or f"{last}()"
    return None


def classify_reference(name: str, key: str | None) -> tuple[str, str] | None:
    """As :func:`classify`, for a name that is read, not called, with its literal subscript if any."""
    if name in ("os.environ", "os.environb", "environ"):
        return "environment", key or "os.environ"
    return None
