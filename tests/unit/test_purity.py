"""Which calls and names ask the world: one line for each that is known, and their near misses."""

from __future__ import annotations

import pytest

from pinwheel.core.parse.purity import classify, classify_reference

CLOCK = [
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today", "datetime.date.today"),
    *("time.time", "time.time_ns", "arrow.now", "arrow.utcnow"),
    *("pendulum.now", "pendulum.today", "pendulum.tomorrow", "pendulum.yesterday"),
    *("pendulum.DateTime.now", "pendulum.DateTime.utcnow", "pendulum.DateTime.today", "pendulum.Date.today"),
    *("pandas.Timestamp.now", "pandas.Timestamp.utcnow", "pandas.Timestamp.today"),
]
RANDOM = [
    *("uuid.uuid1", "uuid.uuid4", "uuid.uuid6", "uuid.uuid7"),
    *("uuid6.uuid6", "uuid6.uuid7", "os.urandom"),
]
ENVIRONMENT = [
    *("os.getlogin", "os.uname", "os.cpu_count", "os.path.expandvars"),
    *("socket.gethostname", "socket.getfqdn", "platform.node", "getpass.getuser"),
]


def asks(
    name: str, *, resolved: bool = True, arguments: int = 0, first: str | None = None
) -> tuple[str, str] | None:
    return classify(name, resolved, arguments, first)


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        *(("clock", name) for name in CLOCK),
        *(("random", name) for name in RANDOM),
        *(("environment", name) for name in ENVIRONMENT),
    ],
)
@pytest.mark.parametrize("resolved", [True, False])
def test_a_call_that_asks_the_world_is_told_by_its_kind_and_name(
    kind: str, name: str, resolved: bool
) -> None:
    assert asks(name, resolved=resolved) == (kind, f"{name}()")
    assert asks(name, resolved=resolved, arguments=3, first="x") == (kind, f"{name}()")


@pytest.mark.parametrize(
    ("name", "most"), [("time.localtime", 0), ("time.gmtime", 0), ("time.ctime", 0), ("time.strftime", 1)]
)
def test_a_call_that_may_get_the_time_reads_the_clock_without_it(name: str, most: int) -> None:
    assert asks(name, arguments=most) == ("clock", f"{name}()")
    assert asks(name, arguments=most + 1) is None


@pytest.mark.parametrize("last", ["days_ago", "utcnow"])
def test_airflows_own_clocks_are_known_by_their_last_name(last: str) -> None:
    assert asks(f"airflow.utils.dates.{last}") == ("clock", f"airflow.utils.dates.{last}()")
    assert asks(f"?.{last}", resolved=False) == ("clock", f"{last}()")
    assert asks(f"own.{last}", resolved=False) == ("clock", f"own.{last}()")
    assert asks(f"own.{last}") is None, "it was imported from elsewhere"
    assert asks(f"airflow.utils.dates.{last}_or_so") is None


@pytest.mark.parametrize("module", ["random", "secrets", "numpy.random"])
def test_all_calls_of_a_module_of_chance_depend_on_it_if_it_was_imported(module: str) -> None:
    assert asks(f"{module}.some", arguments=1) == ("random", f"{module}.some()")
    assert asks(f"{module}.some", resolved=False) is None, "a name of the file's own"


@pytest.mark.parametrize(
    "name",
    [
        "random.Random",
        "random.seed",
        "numpy.random.seed",
        "numpy.random.default_rng",
        "numpy.random.RandomState",
    ],
)
def test_what_takes_a_seed_depends_on_chance_without_one(name: str) -> None:
    assert asks(name) == ("random", f"{name}()")
    assert asks(name, arguments=1) is None


@pytest.mark.parametrize("name", ["os.getenv", "os.getenvb"])
def test_an_environment_variable_is_told_by_its_name_where_that_is_plain(name: str) -> None:
    assert asks(name, arguments=1, first="HOME") == ("environment", "HOME")
    assert asks(name, arguments=1) == ("environment", f"{name}()")


def test_the_environment_is_read_but_for_what_only_changes_it() -> None:
    assert asks("os.environ.get", arguments=1, first="HOME") == ("environment", "HOME")
    assert asks("os.environ.items") == ("environment", "os.environ")
    assert asks("os.environ.update", arguments=1) is None
    assert asks("os.environ.clear") is None
    assert asks("own.environ.get", arguments=1, first="HOME") is None


@pytest.mark.parametrize("call", ["get", "set", "delete", "keys", "get_variable_from_secrets"])
def test_a_variable_of_airflow_is_told_by_its_name_where_that_is_plain(call: str) -> None:
    assert asks(f"airflow.sdk.Variable.{call}", arguments=1, first="region") == ("variable", "region")
    assert asks(f"Variable.{call}", resolved=False) == ("variable", f"Variable.{call}()")
    assert asks(f"Constant.{call}", arguments=1, first="region") is None
    assert asks(f"Variable.{call}_of") is None


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("airflow.hooks.base.BaseHook.get_connection", "get_connection()"),
        ("?.get_connection", "get_connection()"),
        ("airflow.models.Connection.get_connection_from_secrets", "get_connection_from_secrets()"),
        ("airflow.sdk.Connection.get", "get()"),
    ],
)
def test_a_connection_is_told_by_its_id_where_that_is_plain(name: str, told: str) -> None:
    assert asks(name, arguments=1, first="warehouse") == ("connection", "warehouse")
    assert asks(name) == ("connection", told)


@pytest.mark.parametrize("name", ["Connection.from_json", "own.get", "print", "json.dumps"])
def test_other_calls_ask_nothing(name: str) -> None:
    assert asks(name, arguments=1, first="x") is None


@pytest.mark.parametrize("name", ["os.environ", "os.environb", "environ"])
def test_the_environment_that_is_named_is_told_by_the_key_that_is_read(name: str) -> None:
    assert classify_reference(name, "HOME") == ("environment", "HOME")
    assert classify_reference(name, None) == ("environment", "os.environ")


def test_other_names_ask_nothing() -> None:
    assert classify_reference("os.path", "HOME") is None
