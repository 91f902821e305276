"""The reconcile's decisions on plain values: versions, signatures, capsules, contents, losses."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path
from typing import Any

import attrs
import pytest

from pinwheel.core.errors import HostError, InvalidInput, NotFound, Refused
from pinwheel.reconcile import contents, losses
from pinwheel.reconcile.capsule import Capsule, make
from pinwheel.reconcile.revisions import History, Revision, read_history, release_of
from pinwheel.reconcile.signing import Keys
from pinwheel.reconcile.strategies.command import CommandStrategy
from pinwheel.reconcile.strategy import Downgrade

KEY = "u3Xb5vR2cYz0G4iG1dJq8r7m0d9m1oWJb0sVQ8l6u9E="
OTHER = "Zm9vYmFyYmF6cXV4Zm9vYmFyYmF6cXV4Zm9vYmFyMTI="
HISTORY = History(
    (
        Revision("aaa", (), "3.0.0"),
        Revision("bbb", ("aaa",), "3.1.0"),
        Revision("ccc", ("bbb",), "3.2.0"),
        Revision("ddd", ("ccc",), "3.2.0"),
    ),
    {"2.10.3": "zzz", "3.0.0": "aaa", "3.1.0": "bbb", "3.2.0": "ddd"},
)
WALK = Downgrade(from_revision="ddd", from_version="3.2.1", to_revision="bbb", to_version="3.1.5")


@pytest.mark.parametrize(
    ("version", "head"),
    [("3.0.0", "aaa"), ("3.0.9", "aaa"), ("3.1.8", "bbb"), ("3.2.0b1", "ddd"), ("3.9", "ddd")],
)
def test_a_version_without_migrations_of_its_own_has_the_head_of_the_one_before(
    version: str, head: str
) -> None:
    assert HISTORY.head_of(version) == head


@pytest.mark.parametrize("version", ["2.11.0", "2.10.3", "main", ""])
def test_what_is_no_airflow_3_is_no_target(version: str) -> None:
    with pytest.raises(NotFound, match="Cannot go to Airflow"):
        HISTORY.head_of(version)


def test_the_way_down_undoes_the_newest_first() -> None:
    assert [revision.id for revision in HISTORY.between("ddd", "aaa")] == ["ddd", "ccc", "bbb"]
    assert HISTORY.between("bbb", "bbb") == ()
    assert HISTORY.version_of("ccc") == "3.2.0" and "ccc" in HISTORY and "eee" not in HISTORY


def test_a_revision_is_named_after_all_the_releases_that_end_at_it() -> None:
    later = History(HISTORY.revisions, {**HISTORY.heads, "3.1.0": "aaa", "3.1.8": "bbb"})
    assert [later.name_of(end) for end in ("aaa", "bbb", "ccc", "ddd")] == [
        "3.0.0 or a later 3.0",
        "3.1.8 or a later 3.1",
        "3.2.0",
        "3.2.0 or a later 3.2",
    ]
    known = History(HISTORY.revisions, {"3.1.0": "bbb", "3.1.8": "ddd"})
    assert known.name_of("bbb") == "3.1.0 or a later 3.1 before 3.1.8"
    assert HISTORY.ends() == ["ddd", "bbb", "aaa"]
    name = attrs.evolve(WALK, from_version="3.2.0 or a later 3.2")
    assert CommandStrategy("down {from_version}").prepare(name) == ["Run: down 3.2.0"]


def test_a_history_survives_its_json() -> None:
    assert History.from_json(HISTORY.as_json()) == HISTORY


def test_a_beta_has_the_schema_of_its_release() -> None:
    assert release_of("3.4.0b2") == release_of("v3.4.0") == release_of("3.4") == (3, 4, 0)
    assert release_of("3.10.1") > release_of("3.9.9")


def test_the_history_of_the_installed_airflow_is_read_without_running_it() -> None:
    import airflow

    found = read_history(Path(airflow.__file__).parent)
    assert found.version_of(found.head)[:4] in ("3.3.", "3.4.")
    assert found.head_of("3.2.2") == "1d6611b6ab7c"
    assert found.index(found.head) == len(found.revisions) - 1


def test_a_folder_without_migrations_is_no_airflow(tmp_path: Path) -> None:
    (tmp_path / "utils").mkdir()
    (tmp_path / "utils" / "db.py").write_text("")
    with pytest.raises(HostError, match="Cannot read the migrations"):
        read_history(tmp_path)


# signatures and capsules


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A folder that looks like Airflow's package."""
    package = tmp_path / "airflow"
    for name in ("__init__.py", "migrations/versions/0001.py", "utils/db.py", "config.yml"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text(f"# {name}")
    for name in ("ui/index.js", "ui/main.py", "providers/x.py", "__pycache__/a.py", "secret.txt"):
        (package / name).parent.mkdir(parents=True, exist_ok=True)
        (package / name).write_text("not for a capsule")
    (tmp_path / "sdk").mkdir()
    (tmp_path / "sdk" / "__init__.py").write_text("# sdk")
    return package


def packed(package: Path, *keys: str) -> Capsule:
    return make(
        package=package,
        sdk=package.parent / "sdk",
        airflow_version="3.2.1",
        history=HISTORY,
        schema={"dag": ("dag_id",)},
        keys=Keys.of(keys or (KEY,)),
    )


def test_a_capsule_comes_out_as_it_went_in(package: Path, tmp_path: Path) -> None:
    capsule = packed(package)
    assert (capsule.airflow_version, capsule.revision, capsule.history) == ("3.2.1", "ddd", HISTORY)
    out = capsule.unpack(tmp_path / "out", Keys.of([KEY]))
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()) == [
        "__init__.py",
        "config.yml",
        "migrations/versions/0001.py",
        "sdk/__init__.py",
        "utils/db.py",
    ]


def test_the_same_airflow_makes_the_same_capsule(package: Path) -> None:
    assert packed(package) == packed(package)


def test_whatever_is_changed_is_noticed_before_anything_is_unpacked(package: Path, tmp_path: Path) -> None:
    good = packed(package)
    altered = bytes([*good.archive[:-1], good.archive[-1] ^ 1])
    for bad in (
        attrs.evolve(good, archive=altered),
        attrs.evolve(good, header_text=good.header_text.replace("3.2.1", "3.2.2")),
        attrs.evolve(good, signature="0" * 64),
    ):
        assert "does not match its signature" in str(bad.check(Keys.of([KEY])))
        with pytest.raises(Refused):
            bad.unpack(tmp_path / "out", Keys.of([KEY]))
    assert "another Fernet key" in str(good.check(Keys.of([OTHER])))
    assert good.check(Keys.of([OTHER, KEY])) is None
    assert not (tmp_path / "out").exists()


def test_a_file_outside_of_the_package_is_not_written_even_when_it_is_signed(tmp_path: Path) -> None:
    import hashlib

    keys = Keys.of([KEY])
    for name in ("../escape.py", "/tmp/escape.py", "airflow/../../escape.py", "os.py"):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            archive.writestr(name, "x")
        content = buffer.getvalue()
        signed = hashlib.sha256(b"{}").digest() + hashlib.sha256(content).digest()
        capsule = Capsule(
            header_text="{}", key_id=keys.first.id, signature=keys.first.sign(signed), archive=content
        )
        assert capsule.check(keys) is None
        with pytest.raises(Refused, match="outside of its package"):
            capsule.unpack(tmp_path / "out", keys)
    assert not list(tmp_path.rglob("escape.py"))


def test_no_key_and_no_good_key_are_refused() -> None:
    with pytest.raises(Refused, match="no Fernet key"):
        Keys.of([]).require()
    for bad in ("short", "ä" * 32, "=" * 44):
        with pytest.raises(Refused, match="no Fernet key"):
            Keys.of([bad])
    assert KEY not in repr(Keys.of([KEY]))


# contents


def test_arguments_of_a_deferred_task_get_the_form_that_3_1_reads() -> None:
    new = {
        "moment": {
            "__classname__": "pendulum.datetime.DateTime",
            "__version__": 2,
            "__data__": {"timestamp": 1700000000.0, "tz": ["UTC", "pendulum", 1]},
        },
        "every": {"__classname__": "datetime.timedelta", "__version__": 2, "__data__": 5.0},
        "pair": {"__classname__": "builtins.tuple", "__version__": 1, "__data__": ["a", {"b": None}]},
        "zone": {"__classname__": "zoneinfo.ZoneInfo", "__version__": 1, "__data__": "Europe/Rome"},
        "plain": ["x", 1, True],
    }
    unknown: set[str] = set()
    assert contents.to_old_form(new, unknown) == {
        "__type": "dict",
        "__var": {
            "moment": {"__type": "datetime", "__var": 1700000000.0},
            "every": {"__type": "timedelta", "__var": 5.0},
            "pair": {"__type": "tuple", "__var": ["a", {"__type": "dict", "__var": {"b": None}}]},
            "zone": {"__type": "timezone", "__var": "Europe/Rome"},
            "plain": ["x", 1, True],
        },
    }
    old = contents.to_old_form(new, unknown)
    assert contents.to_old_form(old, unknown) == old and not unknown
    assert contents.to_old_form({}, unknown) == {"__type": "dict", "__var": {}}


def test_a_class_that_3_1_can_not_read_is_named_and_becomes_text() -> None:
    unknown: set[str] = set()
    thing = {"__classname__": "acme.Thing", "__version__": 1, "__data__": {"a": 1}}
    assert contents.to_old_form([thing], unknown) == ['{"a": 1}']
    assert unknown == {"acme.Thing"}


def test_only_a_walk_across_3_2_changes_contents() -> None:
    assert contents.crosses("3.3.2", "3.1.8") and contents.crosses("3.2.0", "3.0.0")
    assert contents.crosses("unknown", "3.1.8") and not contents.crosses("unknown", "3.2.2")
    assert not contents.crosses("3.4.0b2", "3.2.0") and not contents.crosses("3.1.8", "3.0.0")


# losses


def loss(table: str, column: str | None = None, held: int = 1) -> losses.Loss:
    return losses.Loss(table=table, column=column, rows=5, held=held)


def test_a_loss_is_accepted_by_its_name_its_table_or_all() -> None:
    found = [loss("dag", "is_draining"), loss("job_team"), loss("log", "team_name", held=0)]

    def left(*accepted: str) -> list[str]:
        return [one.name for one in losses.not_accepted(found, accepted)]

    assert left() == ["dag.is_draining", "job_team"]
    assert left("dag.is_draining") == ["job_team"]
    assert left("dag", "job_team") == left("all") == []
    assert left("job") == ["dag.is_draining", "job_team"]


# the command strategy


def test_a_command_gets_its_placeholders_and_no_shell() -> None:
    steps = CommandStrategy("docker run 'my image' down {to_version} {to_revision}; rm").prepare(WALK)
    assert steps == ["Run: docker run 'my image' down 3.1.5 'bbb;' rm"]


@pytest.mark.parametrize(
    ("command", "kind"),
    [("", Refused), (None, Refused), ("run {nonsense}", InvalidInput), ("run 'open", InvalidInput)],
)
def test_a_command_that_means_nothing_is_refused(command: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        CommandStrategy(command).prepare(WALK)


def test_what_a_command_says_is_passed_on_and_its_failure_told() -> None:
    said: list[str] = []
    CommandStrategy("echo {to_version}").run(WALK, said.append)
    assert said == ["3.1.5"]
    with pytest.raises(HostError, match="ended with code 3: gone wrong"):
        CommandStrategy("sh -c 'echo gone wrong; exit 3'").run(WALK, said.append)
    with pytest.raises(HostError, match="Cannot run no-such-program"):
        CommandStrategy("no-such-program").run(WALK, said.append)
