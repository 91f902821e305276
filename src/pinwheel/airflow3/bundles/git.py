"""A git repository as a bundle."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import field, frozen

from pinwheel.airflow3.bundles.contributors import contributors
from pinwheel.airflow3.bundles.credentials import (
    hide,
    split_credentials,
    viewable,
    without_credentials,
    without_login,
)
from pinwheel.airflow3.bundles.git_command import Git, GitFailed
from pinwheel.airflow3.bundles.hook_environment import hook_environment
from pinwheel.airflow3.bundles.layout import Limits
from pinwheel.airflow3.bundles.mended import MendedBundle
from pinwheel.airflow3.bundles.mirror import KEEP, Mirror, key_of
from pinwheel.airflow3.bundles.repair import mend, refs_in_files
from pinwheel.airflow3.bundles.source import (
    HEAD,
    PAGE,
    commit_part,
    is_head,
    reason_of,
    spellings,
    split_relative,
)
from pinwheel.airflow3.bundles.submodules import absolute_url, submodule_urls
from pinwheel.airflow3.bundles.tree import SUBMODULE, TreeEntry, checked_subdir, refused, sparse
from pinwheel.airflow3.bundles.versioned import Tree
from pinwheel.core.errors import HostError, InvalidInput, RefusedVersion
from pinwheel.core.version_alias import is_commit_id, target_bundle

if TYPE_CHECKING:
    from airflow.providers.git.hooks.git import GitHook

log = logging.getLogger(__name__)

# GitHub answers "Repository not found" for a few seconds after it issued an app's token (as in the provider).
_GITHUB_APP_WAITS_SECONDS = (2, 4, 8, 15)
_VIEW_URLS = {
    "github.com": "{url}/tree/{{version}}",
    "gitlab.com": "{url}/-/tree/{{version}}",
    "bitbucket.org": "{url}/src/{{version}}",
}
_VIEW_LOGIN = re.compile(r"(?<=://)[^/]*@")


class GitBundle(MendedBundle):
    """A branch, tag or commit of a git repository; each version is a full commit id.

    The arguments are those of the git provider's ``GitDagBundle``, and the connection is used by the
    provider's hook. It is looked up when it is first needed, so a task whose version is on disk needs none.

    *tracking_ref*: branch, tag or commit, in any spelling that the provider's class takes (``HEAD``,
    ``refs/heads/x``, ``origin/x``, a short commit id, ``main~1``). *subdir*: where the Dags are in the
    repository. *git_conn_id*: connection with the credentials, and the URL if *repo_url* is not given.
    *submodules*: write the submodules' files too. *sparse_dirs*: write only these folders (cone mode).
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
        if not tracking_ref or tracking_ref.startswith("-") or not tracking_ref.isprintable():
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
                    said = without_credentials(str(error))
                    raise HostError(
                        f"Can not find the repository of bundle {self.name!r}",
                        found=f"connection {self.git_conn_id or 'git_default'!r} can not be used "
                        # An address that is no URL can hold a password too
                        f"({type(error).__name__}{'' if '@' in said else f': {said}'.rstrip('.')}) "
                        "and the bundle has no repo_url",
                        remedy="Create or correct the connection, or give the bundle a repo_url",
                    ) from None
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
        """Where a person can look at a version: known for GitHub, GitLab and Bitbucket. No credentials in it.

        Looks up no connection: Airflow asks for this inside of a database session that the look-up would end,
        and the removal of bundles from the configuration with it (``sync_bundles_to_db``, bundles/manager.py
        :307, 3.3). So a bundle without ``repo_url`` has one once it was refreshed on this machine.
        """
        if self._view_url_template:
            return _VIEW_LOGIN.sub("", self._view_url_template)
        if self._given_url:
            return self._view_url_of(self._given_url)
        try:
            return self._view_url_file.read_text() or None
        except (OSError, UnicodeError):
            return None

    def _view_url_of(self, url: str) -> str | None:
        host, url = viewable(url)
        url = url.removesuffix("/").removesuffix(".git")
        for known, template in _VIEW_URLS.items():
            if host == known or host.endswith("." + known):
                found = template.format(url=_braced(url))
                return f"{found}/{_braced(self.subdir)}" if self.subdir else found
        return None

    @property
    def _view_url_file(self) -> Path:
        return Path(self.base_dir, "view-url")

    def _remember_view_url(self) -> None:
        if self._given_url or self._view_url_template:
            return
        found = self._view_url_of(self.repo_url) or ""
        with suppress(OSError, UnicodeError):
            if not self._view_url_file.exists() or self._view_url_file.read_text() != found:
                writing = self._view_url_file.with_suffix(".writing")
                writing.write_text(found)
                writing.replace(self._view_url_file)

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
        with hook_environment(hook) as environment:
            # As in the provider, the connection's password goes before one in the URL
            own = without_login(self._url_credentials) if hook.auth_token else self._url_credentials
            yield environment | own

    def _take_newest(self) -> str:
        with self._busy_with(f"fetching {without_credentials(self.repo_url)}"), self.mirror.fetching():
            before: dict[str, str] | None = None
            try:
                before = self.mirror.refs("refs/upstream/")
                self._fetch_everything(self.mirror)
            except GitFailed as error:
                reason = reason_of(error.stderr)
                if (reason or not self._mend()) and not self._fetch_tracked(error):
                    raise self._unfetched(error, reason) from None
            head = self._resolve_tracked()
            if self.mirror.refs("refs/upstream/") != before:
                self.mirror.tidy()
        self._remember_view_url()
        return head

    def _fetch_everything(self, mirror: Mirror) -> None:
        more = (f"+HEAD:{HEAD}",) if is_head(self.tracking_ref) else ()
        self._fetch(lambda url, network: mirror.fetch_all(url, network, *more))

    def _fetch_tracked(self, error: GitFailed) -> bool:
        """Fetch what is tracked alone, when all together failed: another branch or tag may be at fault."""
        if reason_of(error.stderr):
            return False
        base, _ = split_relative(self.tracking_ref)
        refspecs = [f"+refs/{kind}/{name}:refs/upstream/{kind}/{name}" for kind, name in spellings(base)]
        if is_head(base):
            refspecs = [f"+HEAD:{HEAD}"]
        elif (commit := commit_part(base)) and is_commit_id(commit):
            refspecs.append(commit)
        for refspec in refspecs:
            try:
                self._fetch(partial(self.mirror.fetch_one, what=refspec))
            except GitFailed:
                continue
            log.warning("Bundle %s: not all branches and tags can be fetched: %s", self.name, error.found)
            return True
        return False

    def _unfetched(self, error: GitFailed, reason: str | None) -> HostError:
        failed = (
            f"Can not fetch the repository of bundle {self.name!r} ({without_credentials(self.repo_url)})"
        )
        if "couldn't find remote ref HEAD" in error.stderr:
            try:
                self._fetch(self.mirror.fetch_all)
            except GitFailed as other:
                error, reason = other, reason_of(other.stderr)
            else:
                return self._untracked()
        return HostError(
            failed,
            found=f"{reason}; git says: {error.found}" if reason else error.found,
            remedy="The version in use stays. Check that the repository exists and is reachable from "
            f"here, and the credentials of connection {self.git_conn_id or 'git_default'!r}",
        )

    def _resolve_tracked(self) -> str:
        base, relative = split_relative(self.tracking_ref)
        names = [f"refs/upstream/{kind}/{name}" for kind, name in spellings(base)]
        if is_head(base):
            names.append(HEAD)
        found = next((sha for name in names if (sha := self.mirror.resolve(name))), None)
        commit = commit_part(base)
        if found is None and commit is not None:
            found = self.mirror.resolve(commit)
            if found is None and is_commit_id(commit):
                with suppress(GitFailed):
                    self._fetch(lambda url, network: self.mirror.fetch_one(url, network, commit))
                found = self.mirror.resolve(commit)
        if found is not None and relative:
            found = self.mirror.resolve(found + relative)
        if found is None:
            raise self._untracked()
        return found

    def _untracked(self) -> HostError:
        """Why there is nothing to track, after a fetch that succeeded."""
        branches = sorted(self.mirror.refs("refs/upstream/heads/"))
        shown = ", ".join(branches[:10]) + (", …" if len(branches) > 10 else "")
        if branches:
            found = f"the repository has no such branch, tag or commit; its branches are: {shown}"
        else:
            found = "the repository has no branches at all: it is empty"
            with suppress(HostError):
                types: list[str] = []
                if self.repo_url.startswith(("http://", "https://")):
                    self._fetch(lambda url, network: types.extend(self.mirror.content_types(url, network)))
                if types and not types[-1].startswith("application/x-git-"):
                    found = (
                        f"what answers there is no git repository, but a page ({types[-1]}): a login page?"
                    )
                    if not PAGE.search(types[-1]):
                        found = f"the repository has no branches at all, or is none (a {types[-1]} answers)"
        return HostError(
            f"Can not refresh bundle {self.name!r} to {self.tracking_ref!r}",
            found=found,
            remedy="The version in use stays. Push the branch, or correct tracking_ref"
            if branches
            else "The version in use stays. Push a branch, or correct the repository's URL and login",
        )

    def _fill(self, new: Mirror) -> None:
        self._fetch_everything(new)

    def _mend(self, *shas: str) -> bool:
        mended = super()._mend(*shas)
        for path in self._modules.glob("*.git"):
            module = Mirror(path, self.base_dir / "locks")
            kept = {oid for name, oid in refs_in_files(path).items() if oid and name.startswith(KEEP)}
            with module.fetching():
                mended |= mend(module, f"a submodule of bundle {self.name!r}", None, kept)
        return mended

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
                    raise GitFailed(error.failed, stderr=self._redacted(error.stderr)) from None
                time.sleep(waits.pop(0))

    def _redacted(self, text: str) -> str:
        for name in ("auth_token", "private_key", "private_key_passphrase"):
            secret = getattr(self._hook, name, None)
            if secret:
                text = text.replace(secret, "***")
        return hide(text, self._url_credentials)

    # -- content ------------------------------------------------------------------------------------------

    def _tree(self, sha: str, limits: Limits) -> Tree:
        entries = self.mirror.entries(sha, wanted=sparse(self.sparse_dirs), check=limits.check_count)
        if not self.submodules or not any(entry.mode == SUBMODULE for entry in entries.values()):
            return Tree(entries, {})
        elsewhere: dict[str, Mirror] = {}
        walk = _Walk(sha, limits, elsewhere)
        return Tree(self._with_submodules(walk, self.mirror, sha, entries, self.repo_url, 0), elsewhere)

    @property
    def _modules(self) -> Path:
        return Path(self.base_dir, "modules")

    def _with_submodules(
        self,
        walk: _Walk,
        mirror: Mirror,
        sha: str,
        entries: Mapping[str, TreeEntry],
        url: str,
        depth: int,
    ) -> dict[str, TreeEntry]:
        if depth > 10:
            raise RefusedVersion.of(self.name, walk.version, "its submodules are nested too deeply")
        urls = submodule_urls(mirror, sha)
        found: dict[str, TreeEntry] = {}
        for path, entry in entries.items():
            if entry.mode != SUBMODULE:
                found[path] = entry
                continue
            if path not in urls:
                raise RefusedVersion.of(
                    self.name, walk.version, f".gitmodules does not say where the submodule {path!r} is"
                )
            module_url = absolute_url(url, urls[path])
            module = Mirror(self._modules / f"{key_of(module_url)}.git", self.base_dir / "locks")
            if (module.path, entry.oid) not in walk.known:
                self._require_module(
                    module, path, module_url, entry.oid, local=url.startswith(("/", ".", "file:"))
                )
                inside = module.entries(entry.oid, check=walk.limits.check_count)
                inner = self._with_submodules(walk, module, entry.oid, inside, module_url, depth + 1)
                walk.known[module.path, entry.oid] = inner
            for inner_path, inner_entry in walk.known[module.path, entry.oid].items():
                found[f"{path}/{inner_path}"] = inner_entry
                walk.elsewhere.setdefault(inner_entry.oid, module)
            walk.limits.check_count(len(found))
        return found

    def contributors(self, before: str, after: str) -> list[dict[str, Any]] | None:
        if target_bundle(before) is not None or target_bundle(after) is not None:
            return None
        return contributors(self.mirror.git, self._split(before)[0], self._split(after)[0], self.subdir)

    def _require_module(self, module: Mirror, path: str, url: str, sha: str, *, local: bool) -> None:
        if module.has(sha):
            return
        try:
            url, own = split_credentials(url)
        except InvalidInput as error:
            raise RefusedVersion(error.failed, found=error.found) from None
        # The URL comes from the repository's content: it may not name a program or, from afar, a local file
        allowed = own | {"GIT_ALLOW_PROTOCOL": "http:https:ssh:git" + (":file" if local else "")}
        module_said = f"the submodule {path!a} ({without_credentials(url)})"
        with self._busy_with(f"fetching {module_said}"), module.fetching():
            try:
                self._fetch(lambda _, network: module.fetch_one(url, {**network, **allowed}, sha))
            except GitFailed as error:
                try:
                    if reason_of(error.stderr):
                        raise
                    self._fetch(lambda _, network: module.fetch_all(url, {**network, **allowed}))
                except GitFailed as other:
                    raise GitFailed(
                        f"Can not fetch the submodule {path!a} of bundle {self.name!r} "
                        f"({without_credentials(url)})",
                        stderr=other.stderr,
                        remedy="The version in use stays. Make that repository reachable, "
                        "or correct the submodule",
                    ) from None
            if not module.has(sha):
                raise HostError(
                    f"Can not find commit {sha} of the submodule {path!a} ({without_credentials(url)})",
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
            try:
                Git(dot_git).run("read-tree", sha)
            except GitFailed as error:
                if "invalid path" not in error.stderr:
                    raise
                raise refused(
                    f"git takes it into no work tree: {error.found}",
                    "The version in use stays. Remove that file, or leave prune_dotgit_folder True",
                ) from None

        return write_dot_git


@frozen
class _Walk:
    """Through the submodules of one version, each looked into once however often it is in there."""

    version: str
    limits: Limits
    elsewhere: dict[str, Mirror]
    known: dict[tuple[Path, str], dict[str, TreeEntry]] = field(factory=dict)


def _braced(text: str) -> str:
    # Airflow fills the template in: a brace of the repository's own would be a field
    return text.replace("{", "%7B").replace("}", "%7D")
