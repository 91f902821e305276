"""Single cases of where builds stand. Any order of heads: ``tests/property/test_stand.py``."""

from __future__ import annotations

import pytest
from attrs import evolve

from pinwheel.core.release.stand import Head, Span, Standing, disproved, known, take


def head(seq: int) -> Head:
    return Head(seq=seq, version=f"v{seq}")


def test_a_span_is_open_until_it_has_a_last_head() -> None:
    assert Span(build_id=1, first_seq=1, verified_seq=1).open is True
    assert Span(build_id=1, first_seq=1, last_seq=1, last_version="v1", verified_seq=1).open is False


def test_the_head_before_is_one_seq_earlier_where_there_was_one() -> None:
    assert head(3).before("v9") == Head(seq=2, version="v9")
    assert head(3).before(None) is None


def test_nothing_stands_where_no_head_was_taken() -> None:
    nothing = Standing()
    assert (nothing.open, nothing.newest(1), nothing.build_at(1)) == (None, None, None)
    assert not nothing.pending, "there is no file of which nobody knows"
    with pytest.raises(ValueError, match="without a head"):
        known(nothing, 1)


def test_the_same_version_taken_again_changes_nothing() -> None:
    once = known(take(Standing(), head(1), unchanged=False), 7)
    assert take(once, Head(seq=2, version="v1"), unchanged=False) == once
    assert take(once, head(2), unchanged=False).head == head(2)


def test_a_build_begins_to_stand_where_it_was_first_parsed() -> None:
    standing = known(take(Standing(), head(3), unchanged=False), 7)
    assert standing.spans == (Span(build_id=7, first_seq=3, verified_seq=3),)
    assert standing.open == standing.spans[0] and not standing.pending
    assert standing.newest(7) == head(3)
    assert (standing.build_at(2), standing.build_at(3), standing.build_at(4)) == (None, 7, None)


def test_while_a_file_is_pending_its_build_stands_in_the_head_before_if_it_began_there() -> None:
    first = known(take(Standing(), head(3), unchanged=False), 7)
    pending = take(first, head(4), unchanged=False)
    assert pending.pending and pending.before == head(3)
    assert pending.newest(7) == head(3), "it began in that very head"
    assert (pending.build_at(3), pending.build_at(4)) == (7, None)
    late = evolve(pending, before=head(2))
    assert late.newest(7) is None, "it began after the head before"
    assert evolve(pending, before=None).newest(7) is None
    assert pending.newest(8) is None


def test_a_file_that_is_judged_unchanged_goes_on_without_another_span() -> None:
    standing = take(known(take(Standing(), head(1), unchanged=False), 7), head(2), unchanged=True)
    assert not standing.pending and standing.newest(7) == head(2)
    assert standing.spans == (Span(build_id=7, first_seq=1, verified_seq=1),)


def test_a_parse_of_the_same_build_verifies_its_span() -> None:
    standing = take(known(take(Standing(), head(1), unchanged=False), 7), head(2), unchanged=False)
    assert known(standing, 7).spans == (Span(build_id=7, first_seq=1, verified_seq=2),)


def test_another_build_ends_the_one_before_where_it_stood_last() -> None:
    standing = take(known(take(Standing(), head(1), unchanged=False), 7), head(2), unchanged=False)
    ended = Span(build_id=7, first_seq=1, last_seq=1, last_version="v1", verified_seq=1)
    other = known(standing, 8)
    assert other.spans == (ended, Span(build_id=8, first_seq=2, verified_seq=2))
    assert (other.newest(7), other.newest(8)) == (head(1), head(2))
    assert (other.build_at(1), other.build_at(2)) == (7, 8)
    broken = known(standing, None)
    assert broken.spans == (ended,) and broken.open is None and not broken.pending
    unnamed = evolve(other, spans=(evolve(ended, last_version=None), other.spans[1]))
    assert unnamed.newest(7) is None, "nobody noted the version"


def test_of_two_parses_of_one_head_the_first_never_was() -> None:
    standing = known(known(take(Standing(), head(1), unchanged=False), 7), 8)
    assert standing.spans == (Span(build_id=8, first_seq=1, verified_seq=1),)


def test_a_build_goes_on_after_heads_that_nobody_looked_into() -> None:
    first = known(take(Standing(), head(1), unchanged=False), 7)
    passed = take(take(first, head(2), unchanged=False), head(3), unchanged=False)
    ended = Span(build_id=7, first_seq=1, last_seq=1, last_version="v1", verified_seq=1)
    assert passed.spans == (ended,) and passed.resumed == 7 and passed.pending
    assert take(passed, head(4), unchanged=False).resumed == 7
    again = take(passed, head(4), unchanged=True)
    assert again.spans == (ended, Span(build_id=7, first_seq=4, verified_seq=1))
    assert again.resumed is None and not again.pending
    assert [again.build_at(seq) for seq in range(1, 6)] == [7, None, None, 7, None]
    assert known(passed, 8).resumed is None


def test_a_build_that_goes_on_is_verified_where_it_last_was() -> None:
    spans = (
        Span(build_id=7, first_seq=1, last_seq=2, last_version="v2", verified_seq=2),
        Span(build_id=8, first_seq=3, last_seq=3, last_version="v3", verified_seq=3),
        Span(build_id=7, first_seq=4, last_seq=5, last_version="v5", verified_seq=4),
    )
    passed = Standing(spans=spans, head=head(6), pending=True, resumed=7)
    assert take(passed, head(7), unchanged=True).spans[-1] == Span(build_id=7, first_seq=7, verified_seq=4)


def test_a_head_before_which_a_file_was_pending_gives_no_build_to_go_on_with_where_there_was_none() -> None:
    pending = take(Standing(), head(1), unchanged=False)
    unchanged = take(pending, head(2), unchanged=True)
    assert unchanged.spans == () and unchanged.resumed is None


def test_a_span_that_was_verified_in_its_first_head_only_ends_with_that() -> None:
    span = Span(build_id=1, first_seq=3, verified_seq=3)
    assert disproved(span, "v3") == evolve(span, last_seq=3, last_version="v3")
    assert disproved(evolve(span, verified_seq=4), None) is None
