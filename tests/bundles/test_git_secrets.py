"""No secret of a repository's URL is seen by anybody but the repository's server."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

pytest.importorskip("airflow")

from harness.bundle_fixtures import Repository
from harness.bundle_fixtures import repo as repo
from harness.bundle_fixtures import storage as storage
from integration.git_server import GitServer, git_server
from pinwheel.airflow3.bundles.credentials import split_credentials, viewable, without_credentials
from pinwheel.airflow3.bundles.git import GitBundle
from pinwheel.core.errors import HostError, InvalidInput

SECRET = "s3cr3tT0k"
PASSWORDS = [
    f"x/y/{SECRET}/", f"x@{SECRET}@", f"x#?{SECRET}", f"%x:{SECRET}", f"x/@#%:?{SECRET}",
    f"'{SECRET}\" $HOME`",
]  # fmt: skip
ENCODED = [("%2F%40" + SECRET + "%25", "/@" + SECRET + "%")]


@pytest.fixture
def server(repo: Repository) -> Iterator[GitServer]:
    with git_server(repo.path.parent) as serving:
        yield serving


def nothing_leaked(server: GitServer, *texts: object) -> None:
    """Not in what is said, and not in the arguments of any process that ran meanwhile."""
    for text in (*texts, *server.arguments):
        assert SECRET not in str(text)
    assert any("remote-http" in text for text in server.arguments), "nobody looked"


def fails(bundle: GitBundle, caplog: pytest.LogCaptureFixture) -> str:
    """All that anybody can read after a refresh that failed."""
    with caplog.at_level(logging.DEBUG), pytest.raises(HostError) as caught:
        bundle.refresh()
    error = caught.value
    return f"{error} {error.args} {error.found} {bundle!r} {bundle.view_url_template()} {caplog.text}"


@pytest.mark.parametrize("written, password", [*((each, each) for each in PASSWORDS), *ENCODED])
def test_a_password_arrives_whole_at_the_server_and_nowhere_else(
    storage: Path, server: GitServer, caplog: pytest.LogCaptureFixture, written: str, password: str
) -> None:
    server.login = ("bot", password)
    bundle = GitBundle(name="n", tracking_ref="main", repo_url=server.url("repo/.git", f"bot:{written}"))
    bundle.initialize()
    assert (bundle.path / "README").exists()
    server.login = ("other", "other")
    text = fails(bundle, caplog)
    assert "(401)" in text and "127.0.0.1" in text
    assert set(server.logins) == {("bot", password)}
    files = [path.read_text(errors="replace") for path in storage.rglob("*") if path.is_file()]
    nothing_leaked(server, text, bundle.repo_url, *files)


def test_a_token_in_place_of_the_user_arrives_at_the_server_and_nowhere_else(
    storage: Path, server: GitServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.login = (SECRET, "")
    bundle = GitBundle(name="n", tracking_ref="main", repo_url=server.url("repo/.git", SECRET))
    bundle.initialize()
    server.login = ("other", "other")
    nothing_leaked(server, fails(bundle, caplog), bundle.repo_url)


def test_a_token_in_the_query_arrives_at_the_server_and_nowhere_else(
    storage: Path, server: GitServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.token = SECRET
    url = server.url(f"repo/.git?token={SECRET}")
    bundle = GitBundle(name="n", tracking_ref="main", repo_url=url)
    bundle.initialize()
    assert (bundle.path / "README").exists()
    server.token = "another"
    nothing_leaked(server, fails(bundle, caplog), bundle.repo_url)
    for other in (url.replace("?", "?x=1&private_") + "#" + SECRET, server.url(f"gone.git#{SECRET}")):
        nothing_leaked(server, fails(GitBundle(name="m", tracking_ref="main", repo_url=other), caplog))


def test_a_redirect_that_repeats_the_secret_is_told_without_it(
    storage: Path, server: GitServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.answer = lambda path: (
        (302, {"Location": f"/login?next=/x&ticket={SECRET}"}, b"") if "login" not in path
        else (200, {"Content-Type": "text/html"}, b"<p>Log in")
    )  # fmt: skip
    for url in (server.url(f"r.git?token={SECRET}"), server.url("r.git", f"bot:{SECRET}")):
        text = fails(GitBundle(name="n", tracking_ref="main", repo_url=url), caplog)
        assert "redirects" in text and "login" in text
        nothing_leaked(server, text)


def test_the_url_of_a_connection_is_read_the_same_way(
    storage: Path, server: GitServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connection(host: str, **more: str) -> None:
        monkeypatch.setenv("AIRFLOW_CONN_MY_GIT", json.dumps({"conn_type": "git", "host": host, **more}))

    def bundle(name: str) -> GitBundle:
        return GitBundle(name=name, tracking_ref="main", git_conn_id="my_git")

    for number, (login, user, password) in enumerate((
        (SECRET, SECRET, ""), (f"bot:{SECRET}/x", "bot", f"{SECRET}/x"),
        (f"bot:x@{SECRET}", "bot", f"x@{SECRET}"),
    )):  # fmt: skip
        server.login = (user, password)
        connection(server.url("repo/.git", login))
        made = bundle(f"c{number}")
        made.initialize()
        server.login = ("other", "other")
        nothing_leaked(server, fails(made, caplog), made.repo_url)
    server.login, server.token = ("ada", SECRET), None
    connection(server.url("repo/.git", "ada:old"), login="ada", password=SECRET)
    bundle("own").initialize()
    connection(f"bot:{SECRET}@127.0.0.1:x", extra='{"private_key": "a", "key_file": "b"}')
    nothing_leaked(server, fails(bundle("unusable"), caplog))


def test_the_mirror_url_is_read_the_same_way(
    storage: Path, repo: Repository, server: GitServer, caplog: pytest.LogCaptureFixture
) -> None:
    shared = repo.path.parent / "shared.git"
    subprocess.run(["git", "init", "-q", "--bare", str(shared)], check=True)
    subprocess.run(["git", "-C", str(shared), "config", "http.receivepack", "true"], check=True)
    server.login = ("bot", f"x@{SECRET}")
    bundle = GitBundle(
        name="n", tracking_ref="main", repo_url=str(repo.path),
        mirror_url=server.url("shared.git", f"bot:x@{SECRET}"),
    )  # fmt: skip
    bundle.initialize()
    sha = bundle.get_current_version().version
    assert bundle.protect([sha]) == set()
    assert subprocess.check_output(["git", "-C", str(shared), "for-each-ref"])
    server.login = ("other", "other")
    with pytest.raises(HostError) as caught:
        bundle.materialize("0" * 40)
    nothing_leaked(server, caught.value, caplog.text, bundle.mirror_url)
    queried = GitBundle(
        name="q",
        tracking_ref="main",
        repo_url=str(repo.path),
        mirror_url=server.url(f"shared.git?token={SECRET}"),
    )
    queried.initialize()
    assert queried.protect([sha]) == {sha} and "use a login" in caplog.text
    nothing_leaked(server, caplog.text, queried.mirror_url)


@pytest.mark.parametrize("form", ["ssh://bot:{}@host/{}", "bot:{}@host:{}"])
def test_a_password_for_ssh_is_typed_in_for_ssh_and_shown_to_nobody(
    storage: Path, repo: Repository, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, form: str
) -> None:
    seen = tmp_path / "seen"
    ssh = tmp_path / "ssh"
    ssh.write_text(
        f'#!/bin/sh\nprintf "%s " "$@" >> {seen}\n'
        f'"$SSH_ASKPASS" "bot@host\'s password: " > {seen}.password\n'
        f'"$SSH_ASKPASS" "Are you sure you want to continue connecting (yes/no)? " > {seen}.trust\n'
        'while [ $# -gt 1 ]; do shift; done; eval "exec $1"\n'
    )
    ssh.chmod(0o755)
    monkeypatch.setenv("GIT_SSH", str(ssh))
    monkeypatch.setenv("GIT_SSH_VARIANT", "ssh")
    password = f"x@{SECRET}"
    url = form.format(password, repo.path)
    GitBundle(name="n", tracking_ref="main", repo_url=url).initialize()
    assert Path(f"{seen}.password").read_text() == f"{password}\n"
    assert Path(f"{seen}.trust").read_text() == ""
    assert SECRET not in seen.read_text() and "bot@host" in seen.read_text()
    shutil.rmtree(storage)
    monkeypatch.setenv("GIT_SSH", "/bin/false")
    with pytest.raises(HostError) as caught:
        GitBundle(name="n", tracking_ref="main", repo_url=url).initialize()
    assert SECRET not in str(caught.value)


def test_a_url_with_a_control_character_is_refused_without_showing_it() -> None:
    for url in (
        f"https://bot:{SECRET}%0a@host/x",
        f"https://bot:{SECRET}\0@host/x",
        f"https://host/?{SECRET}\n",
    ):
        with pytest.raises(InvalidInput) as caught:
            split_credentials(url)
        assert SECRET not in str(caught.value)


def test_addresses_without_secrets_are_left_as_they_are() -> None:
    for url in (
        "git@github.com:a/b.git", "ssh://git@host:22/a", "https://host/a@b/c.git", "https://[::1]:80/a",
        "/srv/c#/r.git",
        "/srv/a:b@c:d", "./x?y", "../x", "file:///srv/a@b", "host:a/b", "https://host:8080/a", "C:/x",
    ):  # fmt: skip
        assert split_credentials(url) == (url, {})
    for url in ("https://host/a@b/c.git", "file:///srv/a@b?c", "not a url: a@b"):
        assert without_credentials(url) == url


def test_a_view_url_holds_no_credentials(storage: Path) -> None:
    for url in (f"https://{SECRET}@github.com/a/b.git", f"https://u:x/@{SECRET}@github.com/a/b.git?x={SECRET}",
                f"ssh://git:{SECRET}@github.com:22/a/b", f"git:{SECRET}@github.com:a/b.git"):  # fmt: skip
        bundle = GitBundle(name="n", tracking_ref="main", repo_url=url)
        assert bundle.view_url_template() == "https://github.com/a/b/tree/{version}"
    given = GitBundle(
        name="n",
        tracking_ref="main",
        repo_url="/x",
        view_url_template=f"https://u:{SECRET}@h/a@b/{{version}}",
    )
    assert given.view_url_template() == "https://h/a@b/{version}"
    odd = GitBundle(name="n", tracking_ref="main", repo_url="https://github.com/{a}/b", subdir="{version}")
    assert odd.view_url_template() == "https://github.com/%7Ba%7D/b/tree/{version}/%7Bversion%7D"
    assert viewable("/srv/x") == ("", "")
