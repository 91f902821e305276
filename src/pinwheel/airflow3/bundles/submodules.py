"""Where the repositories of a commit's submodules are."""

from __future__ import annotations

from pinwheel.airflow3.bundles.mirror import Mirror
from pinwheel.airflow3.bundles.tree import decode_path
from pinwheel.core.errors import RefusedVersion


def submodule_urls(mirror: Mirror, sha: str) -> dict[str, str]:
    """The URL of each submodule's repository by its path, as the commit's ``.gitmodules`` says."""
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


def absolute_url(parent: str, url: str) -> str:
    """*url* of a submodule, which may be relative to *parent* as ``git submodule`` understands it."""
    if url.startswith("-"):
        raise RefusedVersion("Can not fetch a submodule", found=f"its URL {url!r} starts with '-'")
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
