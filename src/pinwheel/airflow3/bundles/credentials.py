"""Where a repository is, without what opens it: a URL is read once, and its secrets go to git by environment.

What git is given as an argument everybody on the machine can read, and what it says ends up in logs. So a
URL is split into one that may be shown and variables ``PINWHEEL_GIT_*`` that only git's process gets;
:func:`for_remote` and :func:`configure` turn those into a credential helper, a password prompt or, for a
query, a transport of our own, when git is started.
"""

from __future__ import annotations

import re
import stat
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote

from pinwheel.core.errors import InvalidInput

_SCOPE, _USER, _PASSWORD = "PINWHEEL_GIT_SCOPE", "PINWHEEL_GIT_USER", "PINWHEEL_GIT_PASSWORD"
_BARE, _WHOLE = "PINWHEEL_GIT_BARE_URL", "PINWHEEL_GIT_WHOLE_URL"
# The last is the git provider's (hooks/git.py _token_credential_env, apache-airflow-providers-git 0.4)
_SECRETS = (_USER, _PASSWORD, "AIRFLOW_GIT_TOKEN")
_NO_SECRET_BELOW = 4
"""Letters: taking shorter ones out of a message would leave nothing to read."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://(.*)\Z", re.DOTALL)
_URL_IN_TEXT = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[^\s'\"<>]+")
_SCP = re.compile(r"([^/@:\s]+):(.+)@(\[[^\]]+\]|[^/@:]+):(.*)\Z", re.DOTALL)
_AUTHORITY = re.compile(r"(?:\[[^\]]*\]|[^:\[\]]*)(?::\d*)?(?:[?#].*)?\Z", re.DOTALL)
_HTTP, _SSH = ("http", "https", "ftp", "ftps"), ("ssh", "git+ssh", "ssh+git")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")

_HELPER = (
    '!f() { test "$1" = get && '
    'printf "username=%s\\npassword=%s\\n" "$PINWHEEL_GIT_USER" "$PINWHEEL_GIT_PASSWORD"; }; f'
)
_ASKPASS = """\
#!/bin/sh
case "$1" in
*assword*) printf '%s\\n' "$PINWHEEL_GIT_PASSWORD" ;;
*) exit 1 ;;
esac
"""


def split_credentials(url: str) -> tuple[str, dict[str, str]]:
    """A repository's URL without secrets, and the environment variables that hold them for git.

    Takes ``https://TOKEN@host``, ``https://user:password@host``, queries and fragments of those,
    ``ssh://user:password@host`` and ``user:password@host:path``; leaves paths alone. A password reaches to
    the last ``@`` before the first ``/``, as the git provider's hook reads it (hooks/git.py
    ``_strip_embedded_credentials``), and over a ``/`` where the URL could mean nothing else.
    Raises InvalidInput for control characters: neither git nor the environment takes them.
    """
    if _CONTROL.search(unquote(url)):
        raise InvalidInput(
            f"Can not use the repository {_CONTROL.sub('?', without_credentials(url))!r}",
            found="its URL holds a control character",
        )
    parts = _parts(url)
    if parts is None:
        if found := _SCP.match(url):
            user, password, host, path = found.groups()
            login = f"{user}@{host}"
            return f"{login}:{path}", {_SCOPE: f"ssh://{login}", _PASSWORD: unquote(password)}
        return url, {}
    scheme, userinfo, host, path, tail = parts
    user, colon, password = (userinfo or "").partition(":")
    if scheme in _HTTP:
        bare = f"{scheme}://{host}{path}"
        environment = {_BARE: bare, _WHOLE: bare + tail} if tail else {}
        if userinfo:
            environment |= {
                _SCOPE: f"{scheme}://{host}",
                _USER: unquote(user) or "user",
                _PASSWORD: unquote(password),
            }
        return bare, environment
    if scheme in _SSH and colon:
        login = f"{user}@{host}" if user else host
        return f"{scheme}://{login}{path}{tail}", {_SCOPE: f"ssh://{login}", _PASSWORD: unquote(password)}
    if scheme == "git" and userinfo is not None:
        return f"{scheme}://{host}{path}{tail}", {}
    return url, {}


def without_login(environment: Mapping[str, str]) -> dict[str, str]:
    """What :func:`split_credentials` found, less a login for http: a connection's goes before it."""
    if environment.get(_SCOPE, "").startswith("ssh://"):
        return dict(environment)
    return {name: value for name, value in environment.items() if name in (_BARE, _WHOLE)}


def without_credentials(text: str) -> str:
    """*text* with the login, query and fragment of every URL in it replaced by ``***``."""
    return _URL_IN_TEXT.sub(lambda found: _shown(found[0]), text)


def hide(text: str, environment: Mapping[str, str]) -> str:
    """*text* without the secrets of *environment*, however they are spelled, and without those of any URL."""
    secrets = {environment.get(name, "") for name in _SECRETS}
    if whole := environment.get(_WHOLE):
        tail = whole.removeprefix(environment.get(_BARE, ""))
        secrets |= {tail, tail[1:], *(value for _, value in parse_qsl(tail[1:].replace("#", "&")))}
    spellings = {spelled for secret in secrets for spelled in (secret, quote(secret), quote(secret, safe=""))}
    # Before the URLs: a secret with a quote or a space in it would hide where its URL ends
    for spelled in sorted(spellings, key=len, reverse=True):
        if len(spelled) >= _NO_SECRET_BELOW:
            text = text.replace(spelled, "***")
    return without_credentials(text)


def for_remote(url: str, network: Mapping[str, str]) -> tuple[str, dict[str, str]]:
    """The argument that names *url* to git, and *network* without what is meant for another repository."""
    environment = dict(network)
    if environment.get(_SCOPE, "").startswith("ssh://") and environment[_SCOPE] != _ssh_login(url):
        environment.pop(_SCOPE)
        environment.pop(_PASSWORD, None)
    if environment.get(_BARE) == url:
        return f"pinwheel::{url}", environment
    environment.pop(_WHOLE, None)
    return url, environment


@contextmanager
def configure(environment: dict[str, str]) -> Iterator[None]:
    """Make *environment*, for git, give out the secrets it holds: each to its own host only."""
    try:
        index = int(environment.get("GIT_CONFIG_COUNT") or 0)
    except ValueError:
        index = 0
    scope = environment.get(_SCOPE, "")
    settings: list[tuple[str, str]] = []
    if scope and not scope.startswith("ssh://"):
        if environment.get(_PASSWORD):
            # An empty one first: the machine's helpers would answer before ours, and store what we give
            settings.append((f"credential.{scope}.helper", ""))
        else:
            # A token, or a user whose password one of the machine's helpers knows: they are asked first
            settings.append((f"credential.{scope}.username", environment.get(_USER, "")))
        settings.append((f"credential.{scope}.helper", _HELPER))
    if whole := environment.get(_WHOLE):
        # git hands a URL to its transport as an argument, but one that is configured it only names
        scheme = whole.partition(":")[0]
        transport = (
            f'!f() {{ GIT_CONFIG_COUNT="$((GIT_CONFIG_COUNT + 1))" exec git remote-{scheme} pinwheel; }}; f'
        )
        settings.append(("alias.remote-pinwheel", transport))
        environment[f"GIT_CONFIG_KEY_{index + len(settings)}"] = "remote.pinwheel.url"
        environment[f"GIT_CONFIG_VALUE_{index + len(settings)}"] = whole
        if allowed := environment.get("GIT_ALLOW_PROTOCOL"):
            environment["GIT_ALLOW_PROTOCOL"] = f"{allowed}:pinwheel"
    for number, (key, value) in enumerate(settings, index):
        environment[f"GIT_CONFIG_KEY_{number}"] = key
        environment[f"GIT_CONFIG_VALUE_{number}"] = value
    if settings:
        environment["GIT_CONFIG_COUNT"] = str(index + len(settings))
    if not scope.startswith("ssh://") or environment.get("SSH_ASKPASS_REQUIRE"):
        # A connection's key with a passphrase brings its own prompt
        yield
        return
    with tempfile.TemporaryDirectory() as folder:
        program = Path(folder, "askpass")
        program.write_text(_ASKPASS)
        program.chmod(stat.S_IRWXU)
        environment |= {"SSH_ASKPASS": str(program), "SSH_ASKPASS_REQUIRE": "force"}
        environment.setdefault("DISPLAY", ":")
        yield


def viewable(url: str) -> tuple[str, str]:
    """The host of a repository, and the https URL at which people find it; empty where there is none."""
    url, _ = split_credentials(url)
    if found := re.match(r"[^/@:\s]+@([^/@:]+):/?(.*)\Z", url, re.DOTALL):
        return found[1].lower(), f"https://{found[1]}/{found[2]}"
    parts = _parts(url)
    if parts is None or parts[0] not in (*_HTTP, *_SSH):
        return "", ""
    scheme, _, host, path, _ = parts
    name = re.sub(r":\d*\Z", "", host)
    if scheme in _SSH:
        return name.lower(), f"https://{name}{path}"
    return name.lower(), f"{scheme}://{host}{path}"


def _parts(url: str) -> tuple[str, str | None, str, str, str] | None:
    """Scheme, ``user:password``, host, path and the rest from ``?`` or ``#`` on; None for what is no URL."""
    found = _URL.match(url)
    if not found:
        return None
    scheme, rest = found[1].lower(), found[2]
    if scheme == "file":
        return scheme, None, "", rest, ""
    authority, slash, path = rest.partition("/")
    userinfo: str | None
    userinfo, at, host = authority.rpartition("@")
    if not _AUTHORITY.match(host) and "@" in path:
        # "user:pa" is no host and port: the password goes on to the "@" of a later part
        parts = path.split("/")
        number = next(index for index, part in enumerate(parts) if "@" in part)
        before, at, host = parts[number].rpartition("@")
        userinfo = "/".join([authority, *parts[:number], before])
        slash, path = ("/" if parts[number + 1 :] else ""), "/".join(parts[number + 1 :])
    cut = re.search(r"[?#]", host)
    if cut:
        host, path, tail = host[: cut.start()], "", f"{host[cut.start() :]}{slash}{path}"
    else:
        cut = re.search(r"[?#]", path)
        path, tail = (path[: cut.start()], path[cut.start() :]) if cut else (path, "")
        path = slash + path
    return scheme, userinfo if at else None, host, path, tail


def _shown(url: str) -> str:
    parts = _parts(url)
    if parts is None or parts[0] == "file":
        return url
    scheme, userinfo, host, path, tail = parts
    login = "***@" if userinfo is not None else ""
    return f"{scheme}://{login}{host}{path}{f'{tail[0]}***' if tail else ''}"


def _ssh_login(url: str) -> str:
    found = re.match(r"(?:ssh|git\+ssh|ssh\+git)://([^/]+)|([^/@:]+@(?:\[[^\]]+\]|[^/@:]+)):", url)
    return f"ssh://{found[1] or found[2]}" if found else ""
