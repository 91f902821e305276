"""In which bundle versions a build stood: spans, one more when that changes, never one per commit.

A build *stands* in a version when the Dag's own file is known good there (parsed, reused, or judged
unchanged) and gives that build; other files do not matter. Versions are ordered by ``seq``, which each gets
when it becomes the head, and anew when it becomes the head again. So history that is rewritten, dates and
merges need no rule.
"""

from __future__ import annotations

from attrs import evolve, frozen

from pinwheel.core.record import Record


@frozen(kw_only=True)
class Span(Record):
    """The heads, one after the other, in which a build stood for a Dag."""

    build_id: int
    first_seq: int
    last_seq: int | None = None
    """None: it stands in the head, or did when the file was last known."""
    last_version: str | None = None
    """Of a span that has ended; kept, since a version that becomes the head again gets another ``seq``."""
    verified_seq: int
    """The last head whose file gave this build when it was parsed or verified, not only judged unchanged."""

    @property
    def open(self) -> bool:
        return self.last_seq is None


@frozen(kw_only=True)
class Head:
    """The version that a bundle shows."""

    seq: int
    version: str

    def before(self, version: str | None) -> Head | None:
        """The head that the bundle showed before this one, of this version; None: there was none."""
        return Head(seq=self.seq - 1, version=version) if version is not None else None


@frozen(kw_only=True)
class Standing:
    """Where the builds of one Dag stand. ``spans`` are in order; at most the last is open.

    ``pending``: what the Dag's file gives in the head is not known yet. ``before`` is the head before, in
    which an open span's build stands then; ``resumed`` the build to go on with if a newer head turns out to
    hold the file unchanged: it stood before heads that nobody looked into.
    """

    spans: tuple[Span, ...] = ()
    head: Head | None = None
    before: Head | None = None
    pending: bool = False
    resumed: int | None = None

    @property
    def open(self) -> Span | None:
        last = self.spans[-1] if self.spans else None
        return last if last is not None and last.open else None

    def newest(self, build_id: int) -> Head | None:
        """The newest head in which the build stands; None: none ever showed it."""
        span = next((span for span in reversed(self.spans) if span.build_id == build_id), None)
        if span is not None and span.last_seq is not None:
            return Head(seq=span.last_seq, version=span.last_version) if span.last_version else None
        if span is None or not self.pending:
            return self.head if span is not None else None
        return self.before if self.before is not None and self.before.seq >= span.first_seq else None

    def build_at(self, seq: int) -> int | None:
        """The build that stood in the version with this ``seq``; None: none, or nobody looked."""
        if self.head is None or seq > self.head.seq - self.pending:
            return None
        found = (s for s in self.spans if s.first_seq <= seq and (s.last_seq is None or seq <= s.last_seq))
        return next((span.build_id for span in found), None)


def take(standing: Standing, head: Head, *, unchanged: bool) -> Standing:
    """A version becomes the head. ``unchanged``: what the Dag's file asks has the answers that it had when
    what it gives was last known, so that it gives the same.
    """
    if standing.head is not None and head.version == standing.head.version:
        return standing
    taken, now = standing, standing.open
    if standing.pending and now is not None:
        # The head was passed by before anybody knew what it gives: the build is not said to have stood there.
        taken = evolve(_ended(standing, standing.before), resumed=now.build_id)
    if unchanged and taken.open is None and taken.resumed is not None:
        verified = max(span.verified_seq for span in taken.spans if span.build_id == taken.resumed)
        span = Span(build_id=taken.resumed, first_seq=head.seq, verified_seq=verified)
        taken = evolve(taken, spans=(*taken.spans, span))
    return evolve(
        taken,
        head=head,
        before=standing.head,
        pending=not unchanged,
        resumed=None if unchanged else taken.resumed,
    )


def known(standing: Standing, build_id: int | None) -> Standing:
    """What the Dag's file gives in the head: a build, or None where it is broken or has no such Dag."""
    head, now = standing.head, standing.open
    if head is None:
        raise ValueError("nothing is known of a bundle without a head")
    settled = evolve(standing, pending=False, resumed=None)
    if now is not None and now.build_id == build_id:
        return evolve(settled, spans=(*settled.spans[:-1], evolve(now, verified_seq=head.seq)))
    if now is not None:
        settled = _ended(settled, standing.before)
    if build_id is None:
        return settled
    span = Span(build_id=build_id, first_seq=head.seq, verified_seq=head.seq)
    return evolve(settled, spans=(*settled.spans, span))


def disproved(span: Span, version: str | None) -> Span | None:
    """The open span of a build of which a verification of the head finds that it does not stand there.

    It ends with the last head in which it was known to, of this version; None: it is not known to have
    stood in any.
    """
    if version is None or span.verified_seq < span.first_seq:
        return None
    return evolve(span, last_seq=span.verified_seq, last_version=version)


def _ended(standing: Standing, at: Head | None) -> Standing:
    """The open span ends with this head; one that began after it never was."""
    *earlier, now = standing.spans
    if at is None or at.seq < now.first_seq:
        return evolve(standing, spans=tuple(earlier))
    return evolve(standing, spans=(*earlier, evolve(now, last_seq=at.seq, last_version=at.version)))
