"""A git repository as people name it: spellings of a ref, and what a failed fetch means."""

from __future__ import annotations

import re

HEAD = "refs/upstream/HEAD"
_HEADS = ("HEAD", "@", "origin", "origin/HEAD", "remotes/origin/HEAD", "refs/remotes/origin/HEAD")
_PREFIXES = (
    ("refs/heads/", "heads"),
    ("heads/", "heads"),
    ("refs/remotes/origin/", "heads"),
    ("remotes/origin/", "heads"),
    ("origin/", "heads"),
    ("refs/tags/", "tags"),
    ("tags/", "tags"),
)
_RELATIVE = re.compile(r"(.+?)((?:~\d*|\^\d*|\^\{(?:commit)?\})+)\Z")
_COMMIT = re.compile(r"(?:.*-g)?([0-9a-f]{4,64})\Z", re.IGNORECASE)

_REASONS = tuple(
    (re.compile(pattern, re.IGNORECASE), reason)
    for pattern, reason in (
        (
            r"could not read (?:username|password)|terminal prompts disabled",
            "the server asks for a login (401), and none was given that it takes",
        ),
        (r"authentication failed|returned error: 401", "the server refuses the login (401)"),
        (r"returned error: 403", "the server forbids it (403): the login may not read this repository"),
        (
            r"returned error: 404|repository '.*' not found|repository not found",
            "the server knows no such repository (404), or hides it from this login",
        ),
        (
            r"update url base from redirection",
            "the server redirects to something that is no git repository: it may ask for a login",
        ),
        (
            r"not valid: is this a git repository|invalid server response|protocol error: bad line length",
            "what answers there is no git repository: it may be a login page or a proxy's",
        ),
        (r"returned error: (?P<status>\d+)", "the server answers with error {status}"),
        (r"operation too slow|operation timed out|timed out|gave no answer", "the server does not answer"),
        (r"could not resolve host", "the server's name can not be resolved"),
        (r"failed to connect|connection refused|connection reset|no route to host|empty reply from server|"
         r"network is unreachable", "the server can not be reached"),
        (r"ssl certificate|server certificate|certificate verif|gnutls|openssl|ssl routines",
         "no encrypted connection to the server can be made"),
        (r"host key verification failed", "the server's ssh host key is not known here"),
        (r"permission denied", "the server refuses the login"),
        (r"maximum \(\d+\) redirects", "the server redirects for ever"),
        (r"does not appear to be a git repository|repository '.*' does not exist",
         "there is no git repository at this address"),
        (r"could not read from remote repository|remote end hung up", "the server ended the connection"),
    )
)  # fmt: skip
PAGE = re.compile(r"html|json|xml", re.IGNORECASE)
"""Content types of what is surely no repository."""


def reason_of(stderr: str) -> str | None:
    """What a failed fetch means where the other side is to blame; None for what git says of this side."""
    for pattern, reason in _REASONS:
        if found := pattern.search(stderr):
            return reason.format(**found.groupdict())
    return None


def split_relative(ref: str) -> tuple[str, str]:
    """``"main~2"`` → ``("main", "~2")``; no branch or tag has these letters in its name."""
    found = _RELATIVE.match(ref)
    return (found[1], found[2]) if found else (ref, "")


def is_head(ref: str) -> bool:
    """Whether *ref* means what the repository itself calls its head."""
    return split_relative(ref)[0] in _HEADS


def spellings(ref: str) -> list[tuple[str, str]]:
    """Kind (``heads`` or ``tags``) and name of what *ref* may mean, first choice first.

    As the git provider's bundle takes it, which resets a clone to it (bundles/git.py ``refresh``,
    apache-airflow-providers-git 0.4): a branch before a tag, and git's own long forms.
    """
    found = [("heads", ref), ("tags", ref)]
    found += [(kind, ref.removeprefix(prefix)) for prefix, kind in _PREFIXES if ref.startswith(prefix)]
    return found


def commit_part(ref: str) -> str | None:
    """The full or short commit id that *ref* may be (also at the end of what ``git describe`` prints)."""
    found = _COMMIT.match(ref)
    return found[1].lower() if found else None
