"""Pinwheel's git bundle, which asks a repository on this disk only when its branches or tags were written."""

from __future__ import annotations

from pathlib import Path

from pinwheel.bundles import GitBundle

Written = dict[str, tuple[int, bytes]]


class QuietGitBundle(GitBundle):
    """For a deployment that looks into many bundles each second: six processes of git each time, and nearly
    always to hear that nothing is new. What is new is fetched as ever.
    """

    _heard: Written | None = None

    def refresh(self) -> None:
        # Before the fetch: what comes meanwhile is news the next time.
        written = refs_of(Path(self.repo_url))
        if written != self._heard:
            super().refresh()
            self._heard = written


def refs_of(repository: Path) -> Written:
    """All that a fetch could find new in a bare repository: its refs as they lie on the disk, and since when
    (one that was moved and moved back in between is news too).
    """
    found: Written = {}
    for path in (repository / "HEAD", repository / "packed-refs", *(repository / "refs").rglob("*")):
        try:
            found[str(path)] = path.stat().st_mtime_ns, path.read_bytes()
        except OSError:  # A folder, none, or gone meanwhile.
            continue
    return found
