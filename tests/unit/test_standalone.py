"""What `pinwheel standalone` decides before it starts anything."""

from __future__ import annotations

import configparser
import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from pinwheel.core.errors import Conflict, InvalidInput
from pinwheel.demo.repository import SampleRepository
from pinwheel.standalone import Deployment, Source
from pinwheel.standalone.settings import Home, airflow_settings, environment, port_is_free, write_config_file


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(tmp_path / "home")
    made.create()
    return made


def _settings(home: Home, source: Source, **more: object) -> dict[str, str]:
    return airflow_settings(
        home, host="127.0.0.1", port=8080, bundles=[source.bundle()], database_url=None, more=more
    )


def test_secrets_and_password_survive_a_restart_and_are_for_their_owner_only(home: Home) -> None:
    secrets, password = home.secrets(), home.password()
    again = Home(home.path)
    again.create()
    assert (again.secrets(), again.password()) == (secrets, password)
    assert home.path.stat().st_mode & 0o077 == 0
    for name in ("secrets.json", "passwords.json"):
        assert (home.path / name).stat().st_mode & 0o077 == 0


def test_no_airflow_setting_of_the_shell_reaches_the_components(home: Home, tmp_path: Path) -> None:
    surrounding = {
        "AIRFLOW_HOME": "/elsewhere",
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": "postgresql://production",
        "AIRFLOW_CONN_X": "x",
        "PATH": "/bin",
    }
    env = environment(home, _settings(home, Source(folder=tmp_path)), surrounding)
    assert env["AIRFLOW_HOME"] == str(home.path)
    assert env["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] == f"sqlite:///{home.path}/airflow.db"
    assert env["PATH"] == "/bin"
    assert "AIRFLOW_CONN_X" not in env


def test_the_config_file_says_the_same_as_the_environment(home: Home, tmp_path: Path) -> None:
    folder = tmp_path / "100% $HOME"
    folder.mkdir()
    settings = _settings(home, Source(folder=folder))
    write_config_file(home, settings)
    parser = configparser.ConfigParser()
    parser.read(home.path / "airflow.cfg")
    read = {
        f"{section}.{name}": value for section in parser.sections() for name, value in parser[section].items()
    }
    assert read == settings
    listed = settings["dag_processor.dag_bundle_config_list"]
    # Airflow would replace the name.
    assert "$" not in listed
    assert json.loads(listed)[0]["kwargs"] == {"path": str(folder)}


def test_more_settings_win(home: Home, tmp_path: Path) -> None:
    settings = _settings(home, Source(folder=tmp_path), **{"core.parallelism": 2})
    assert settings["core.parallelism"] == "2"


def test_a_repository_becomes_a_git_bundle() -> None:
    source = Source(repo="https://git.example.com/a.git", ref="main", subdir="dags", name="shop")
    assert source.bundle() == {
        "name": "shop",
        "classpath": "pinwheel.bundles.GitBundle",
        "kwargs": {"repo_url": "https://git.example.com/a.git", "tracking_ref": "main", "subdir": "dags"},
    }


@pytest.mark.parametrize(
    ("source", "found"),
    [
        (Source(), "neither or both"),
        (Source(folder=Path("/"), repo="x"), "neither or both"),
        (Source(folder=Path("/no/such/folder")), "it is no folder"),
        (Source(repo="/no/such/repository"), "does not appear to be a git repository"),
    ],
    ids=["nothing", "both", "no folder", "no repository"],
)
def test_a_source_that_can_not_be_read_is_refused(source: Source, found: str) -> None:
    with pytest.raises(InvalidInput) as refusal:
        source.check()
    assert found in refusal.value.found


def test_a_branch_that_does_not_exist_is_refused(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "--quiet", str(tmp_path)], check=True)
    with pytest.raises(InvalidInput) as refusal:
        Source(repo=str(tmp_path), ref="nope").check()
    assert "no such branch or tag" in refusal.value.found


def test_the_demos_repository_can_be_made_below_a_relative_path(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    repository = SampleRepository(Path("some/where"))
    first = repository.create()
    second = repository.push({"README.md": lambda text: text + "more\n"}, "More")
    assert first != second == repository.head()
    assert "README.md | 1 +" in repository.summary()


def test_a_taken_port_and_a_taken_home_are_conflicts(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert not port_is_free("127.0.0.1", port)
        deployment = Deployment(tmp_path / "home", Source(folder=tmp_path), port=port)
        with pytest.raises(Conflict) as refusal:
            deployment.start()
        assert refusal.value.facts == {"port": port}
    first = Deployment(tmp_path / "home", Source(folder=tmp_path), port=port)
    # The failed start has let the home go.
    first._take_lock()
    with pytest.raises(Conflict) as refusal:
        Deployment(tmp_path / "home", Source(folder=tmp_path), port=port).start()
    assert "already runs there" in refusal.value.found
    first.stop()


@pytest.mark.parametrize("signum", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_during_an_import_is_a_clean_end_too(signum: str) -> None:
    """Imports run texts with `exec` (dataclasses); an interrupt there must not become the exit code."""
    code = (
        "import os, signal\n"
        "from pinwheel.cli.standalone import ended_by_signals\n"
        "with ended_by_signals():\n"
        "    try:\n"
        f"        exec('os.kill(os.getpid(), signal.{signum})\\nfor _ in range(1000): pass')\n"
        "    except KeyboardInterrupt:\n"
        "        print('ended')\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "ended\n"), done.stderr
