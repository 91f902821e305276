"""Which entries of a folder are never at rest: one that is written all the time is to hold back no other."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Collection

from attrs import define, field

from pinwheel.airflow3.bundles.folder_scan import Look


@define
class Unrest:
    """What was not at rest in the looks of one refresh, and what of it is excused.

    Excused is what changed from look to look ``often`` times, while a file that somebody copies changes once
    and its neighbours once. When there was no rest for ``patience_seconds``, and in this refresh for twice as
    many looks, whatever moves is excused. What was excused last time is at once. Folders' names end with a
    slash.
    """

    often: int = 4
    patience_seconds: float = 60.0
    _excused: set[bytes] = field(factory=set, init=False)
    _changes: Counter[bytes] = field(factory=Counter, init=False)
    _looks: int = field(default=0, init=False)
    _before: Look | None = field(default=None, init=False)
    _since: float | None = field(default=None, init=False)

    def begin(self) -> None:
        """A refresh begins."""
        self._changes.clear()
        self._looks = 0
        self._before = None

    @property
    def seconds(self) -> float:
        """For how long no version could be taken."""
        return 0.0 if self._since is None else time.monotonic() - self._since

    def moving(
        self, look: Look, looked_at_ns: int, known: Collection[bytes], settle_seconds: float
    ) -> set[bytes]:
        """What is not at rest: changed in the last *settle_seconds*, or since the look before.

        A file that is *known* is what it was in the last version.
        """

        # ctime, which no writer can set back. A stamp from the future is another machine's clock: do not wait
        def fresh(stamp_ns: int) -> bool:
            return 0 <= looked_at_ns - stamp_ns < settle_seconds * 1e9

        found = {path for path, now in look.files.items() if path not in known and fresh(now.ctime_ns)}
        found |= {path + b"/" for path, changed_ns in look.folders.items() if fresh(changed_ns)}
        if self._before is not None:
            changed = look.differences(self._before)
            self._changes.update(changed)
            found |= changed
        return found

    def held_back_by(self, moving: set[bytes], look: Look) -> bytes | None:
        """One of *moving* that has to be waited for, or None."""
        self._looks += 1
        self._before = look
        for name in sorted(moving):
            # What went from a folder that always changes shows in a second look only
            if not self.excuses(name) or (self._looks == 1 and name.endswith(b"/")):
                return name
        return None

    def excuses(self, name: bytes) -> bool:
        """Whether *name* need not be at rest."""
        return (
            name in self._excused
            or self._changes[name] >= self.often
            or (self._looks > 2 * self.often and self.seconds >= self.patience_seconds)
        )

    def failed(self) -> None:
        """No version could be taken in this try."""
        if self._since is None:
            self._since = time.monotonic()

    def taken(self, moving: set[bytes]) -> None:
        """A version was taken although these were *moving*."""
        self._excused = set(moving)
        self._since = None
