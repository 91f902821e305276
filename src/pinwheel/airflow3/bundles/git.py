"""A git repository as a bundle."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlparse

from pinwheel.airflow3.bundles.git_command import Git, GitFailed, split_credentials, without_credentials
from pinwheel.airflow3.bundles.mirror import KEEP, Mirror, key_of
from pinwheel.airflow3.bundles.snapshot import SnapshotBundle, Tree
from pinwheel.airflow3.bundles.tree import SUBMODULE, TreeEntry, checked_subdir, decode_path, sparse
from pinwheel.core.errors import HostError, InvalidInput
from pinwheel.core.version_alias import is_commit_id

if TYPE_CHECKING:
    from airflow.providers.git.hooks.git import GitHook

# The provider's hook sets variables of the whole process while a command runs
# (GitHook.configure_hook_env, apache-airflow-providers-git 0.4): two threads must not interleave.
_HOOK_ENVIRONMENT = threading.Lock()
# GitHub answers "Repository not found" for a few seconds after it issued an app's token (as in the provider).
_GITHUB_APP_WAITS_SECONDS = (2, 4, 8, 15)
_VIEW_URLS = {
    "github.com": "{url}/tree/{{version}}",
    "gitlab.com": "{url}/-/tree/{{version}}",
    "bitbucket.org": "{url}/src/{{version}}",
}


class GitBundle(SnapshotBundle):
    """A branch, tag or commit of a git repository; each version is a full commit id.

    The arguments are those of the git provider's ``GitDagBundle``, and the connection is used by the
    provider's hook. It is looked up when it is first needed, so a task whose version is on disk needs none.

    *tracking_ref*: branch, tag or commit. *subdir*: where the Dags are in the repository. *git_conn_id*:
    connection with the credentials, and the URL if *repo_url* is not given. *submodules*: write the
    submodules' files too. *sparse_dirs*: write only these folders (cone mode).
    *prune_dotgit_folder* False: each version's directory is a git work tree that borrows the mirror's
    objects. Files are written byte for byte as committed: no filters (LFS), no line-end conversion.
    """

    def __init__(
        self,
        *,
        tracking_ref: str,
        subdir: str | None = None,
        git_conn_id: str | None = None,
        repo_url: str | None = None,
        submodules: bool = False,
        prune_dotgit_folder: bool = True,
        sparse_dirs: list[str] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not tracking_ref or tracking_ref.startswith("-"):
            raise InvalidInput(f"Can not track {tracking_ref!r}", found="it is no branch, tag or commit")
        self.tracking_ref = tracking_ref
        self.subdir = checked_subdir(subdir)
        self.git_conn_id = git_conn_id
        self.submodules = submodules
        self.prune_dotgit_folder = prune_dotgit_folder
        self.sparse_dirs = sparse_dirs
        self._given_url, self._url_credentials = split_credentials(repo_url or "")
        self._hook: GitHook | None = None
        self._hook_sought = False

    def __repr__(self) -> str:
        return (
            f"<GitBundle(name={self.name!r}, tracking_ref={self.tracking_ref!r}, "
            f"subdir={self.subdir!r}, version={self.version!r})>"
        )

    @property
    def hook(self) -> GitHook | None:
        """The provider's hook, or None when the connection is missing and *repo_url* is given.

        Raises HostError when the connection is missing and needed.
        """
        if not self._hook_sought:
            from airflow.providers.git.hooks.git import GitHook

            try:
                self._hook = GitHook(
                    git_conn_id=self.git_conn_id or "git_default", repo_url=self._given_url or None
                )
            except Exception as error:
                if not self._given_url:
                    raise HostError(
                        f"Can not find the repository of bundle {self.name!r}",
                        found=f"connection {self.git_conn_id or 'git_default'!r} can not be used "
                        f"({type(error).__name__}) and the bundle has no repo_url",
                        remedy="Create the connection, or give the bundle a repo_url",
                    ) from error
            self._hook_sought = True
        return self._hook

    @property
    def repo_url(self) -> str:
        """Where the repository is, without credentials."""
        hook = self.hook
        url = str(hook.repo_url or "") if hook is not None else self._given_url
        url, credentials = split_credentials(url)
        self._url_credentials = credentials or self._url_credentials
        if not url or url.startswith("-"):
            raise HostError(
                f"Can not find the repository of bundle {self.name!r}",
                found="neither repo_url nor the connection's host names one",
                remedy="Set repo_url, or the host of the connection",
            )
        return os.path.expanduser(url)

    def view_url_template(self) -> str | None:
        """Where a person can look at a version: known for GitHub, GitLab and Bitbucket."""
        if self._view_url_template:
            return self._view_url_template
        url = self.repo_url
        if url.startswith("git@") and ":" in url:
            host, _, path = url.removeprefix("git@").partition(":")
            url = f"https://{host}/{path}"
        url = without_credentials(url).replace("://***@", "://").removesuffix(".git")
        host = urlparse(url).hostname or ""
        for known, template in _VIEW_URLS.items():
            if host == known or host.endswith("." + known):
                found = template.format(url=url)
                return f"{found}/{self.subdir}" if self.subdir else found
        return None

    # -- the source ---------------------------------------------------------------------------------------

    @property
    def _head_ref(self) -> str:
        source = self._given_url or f"connection:{self.git_conn_id or 'git_default'}"
        return f"refs/pinwheel/head/{key_of(source, self.tracking_ref)}"

    @contextmanager
    def _network(self) -> Iterator[dict[str, str]]:
        hook = self.hook
        if hook is None:
            yield dict(self._url_credentials)
            return
        with _HOOK_ENVIRONMENT, hook.configure_hook_env():
            # As in the provider, the connection's password goes before one in the URL
            own = {} if hook.auth_token else self._url_credentials
            yield {**os.environ, **hook.env, **own}

    def _take_newest(self) -> str:
        with self.mirror.fetching():
            before = self.mirror.refs("refs/upstream/")
            try:
                self._fetch(lambda url, network: self.mirror.fetch_all(url, network))
            except GitFailed as error:
                raise HostError(
                    f"Can not fetch the repository of bundle {self.name!r} "
                    f"({without_credentials(self.repo_url)})",
                    found=self._redacted(error.found),
                    remedy="The version in use stays. Check that the repository exists and is reachable from "
                    f"here, and the credentials of connection {self.git_conn_id or 'git_default'!r}",
                ) from None
            head = self._resolve_tracked()
            if self.mirror.refs("refs/upstream/") != before:
                self.mirror.tidy()
        return head

    def _resolve_tracked(self) -> str:
        ref = self.tracking_ref
        for name in (f"refs/upstream/heads/{ref}", f"refs/upstream/tags/{ref}"):
            if sha := self.mirror.resolve(name):
                return sha
        if len(ref) >= 7 and all(letter in "0123456789abcdef" for letter in ref.lower()):
            sha = self.mirror.resolve(ref.lower())
            if sha is None and is_commit_id(ref):
                self._require(ref)
                sha = ref
            if sha:
                return sha
        branches = sorted(self.mirror.refs("refs/upstream/heads/"))
        shown = ", ".join(branches[:10]) + (", …" if len(branches) > 10 else "")
        raise HostError(
            f"Can not refresh bundle {self.name!r} to {ref!r}",
            found=f"the repository has no such branch, tag or commit; its branches are: {shown}"
            if branches
            else "the repository has no branches at all",
            remedy="The version in use stays. Push the branch, or correct tracking_ref",
        )

    def _sources(self, sha: str) -> Iterator[tuple[str, Callable[[], object]]]:
        # One commit by its id first: it changes no ref and so waits for nobody else's fetch
        def everything() -> None:
            with self.mirror.fetching():
                self._fetch(lambda url, network: self.mirror.fetch_all(url, network))

        yield (
            "the repository, this commit",
            lambda: self._fetch(lambda url, network: self.mirror.fetch_one(url, network, sha)),
        )
        yield "the repository, all branches and tags", everything

    def _fetch(self, fetch: Callable[[str, dict[str, str]], object]) -> None:
        url = self.repo_url
        hook = self.hook
        waits = list(_GITHUB_APP_WAITS_SECONDS if getattr(hook, "uses_github_app_auth", False) else ())
        while True:
            try:
                with self._network() as network:
                    fetch(url, network)
                return
            except GitFailed as error:
                if not waits or "not found" not in error.stderr.lower():
                    error.found = self._redacted(error.found)
                    raise
                time.sleep(waits.pop(0))

    def _redacted(self, text: str) -> str:
        for name in ("auth_token", "private_key", "private_key_passphrase"):
            secret = getattr(self._hook, name, None)
            if secret:
                text = text.replace(secret, "***")
        return without_credentials(text)

    # -- content ------------------------------------------------------------------------------------------

    def _tree(self, sha: str) -> Tree:
        entries = sparse(self.mirror.entries(sha), self.sparse_dirs)
        if not self.submodules or not any(entry.mode == SUBMODULE for entry in entries.values()):
            return Tree(entries, {})
        elsewhere: dict[str, Mirror] = {}
        return Tree(self._with_submodules(self.mirror, sha, entries, self.repo_url, elsewhere, 0), elsewhere)

    def _with_submodules(
        self,
        mirror: Mirror,
        sha: str,
        entries: Mapping[str, TreeEntry],
        url: str,
        elsewhere: dict[str, Mirror],
        depth: int,
    ) -> dict[str, TreeEntry]:
        if depth > 10:
            raise HostError(f"Can not use version {sha}", found="its submodules are nested too deeply")
        urls = _submodule_urls(mirror, sha)
        found: dict[str, TreeEntry] = {}
        for path, entry in entries.items():
            if entry.mode != SUBMODULE:
                found[path] = entry
                continue
            if path not in urls:
                raise HostError(
                    f"Can not write the submodule {path!r} of version {sha}",
                    found=".gitmodules does not say where it is",
                )
            module_url = _absolute_url(url, urls[path])
            module = Mirror(self.base_dir / "modules" / f"{key_of(module_url)}.git", self.base_dir / "locks")
            self._require_module(module, module_url, entry.oid, local=url.startswith(("/", ".", "file:")))
            inner = self._with_submodules(
                module, entry.oid, module.entries(entry.oid), module_url, elsewhere, depth + 1
            )
            for inner_path, inner_entry in inner.items():
                found[f"{path}/{inner_path}"] = inner_entry
                elsewhere.setdefault(inner_entry.oid, module)
        return found

    def _require_module(self, module: Mirror, url: str, sha: str, *, local: bool) -> None:
        if module.has(sha):
            return
        # The URL comes from the repository's content: it may not name a program or, from afar, a local file
        allowed = {"GIT_ALLOW_PROTOCOL": "http:https:ssh:git" + (":file" if local else "")}
        with module.fetching():
            try:
                self._fetch(lambda _, network: module.fetch_one(url, {**network, **allowed}, sha))
            except GitFailed:
                self._fetch(lambda _, network: module.fetch_all(url, {**network, **allowed}))
            if not module.has(sha):
                raise HostError(
                    f"Can not find commit {sha} of the submodule {without_credentials(url)}",
                    found="its repository does not have it",
                    remedy="Push that commit, or correct the submodule",
                )
            module.update_refs(create={KEEP + sha: sha})

    def _finish(self, sha: str) -> Callable[[Path], None] | None:
        if self.prune_dotgit_folder:
            return None

        def write_dot_git(root: Path) -> None:
            dot_git = root / ".git"
            (dot_git / "objects" / "info").mkdir(parents=True)
            (dot_git / "refs").mkdir()
            objects = os.path.abspath(self.mirror.path / "objects")
            (dot_git / "objects" / "info" / "alternates").write_text(f"{objects}\n")
            (dot_git / "config").write_text("[core]\n\trepositoryformatversion = 0\n\tbare = false\n")
            (dot_git / "HEAD").write_text(f"{sha}\n")
            Git(dot_git).run("read-tree", sha)

        return write_dot_git


def _submodule_urls(mirror: Mirror, sha: str) -> dict[str, str]:
    listing = mirror.git.run(
        "config", "--no-includes", "-z", f"--blob={sha}:.gitmodules", "--get-regexp",
        r"^submodule\..*\.(path|url)$", check=False,
    )  # fmt: skip
    facts: dict[str, dict[str, str]] = {}
    for item in listing.split(b"\0"):
        if item:
            key, _, value = decode_path(item).partition("\n")
            name, _, attribute = key.rpartition(".")
            facts.setdefault(name, {})[attribute] = value
    return {fact["path"]: fact["url"] for fact in facts.values() if "path" in fact and "url" in fact}


def _absolute_url(parent: str, url: str) -> str:
    """*url* of a submodule, which may be relative to *parent* as ``git submodule`` understands it."""
    if url.startswith("-"):
        raise HostError("Can not fetch a submodule", found=f"its URL {url!r} starts with '-'")
    if not url.startswith(("./", "../")):
        return url
    base = parent.rstrip("/")
    while url.startswith(("./", "../")):
        if url.startswith("../"):
            cut = max(base.rfind("/"), base.rfind(":"))
            base, url = base[: max(cut, 0)], url[3:]
        else:
            url = url[2:]
    return f"{base}/{url}"
