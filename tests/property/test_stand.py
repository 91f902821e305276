"""Where builds stood, against a plain list of what was known of each head."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from harness.soak import size
from pinwheel.core.release.stand import Head, Standing, known, take

VERSIONS = tuple(f"v{number}" for number in range(8))
CONTENT = st.sampled_from([1, 1, 1, 2, 3, None])
"""What the Dag's file gives in a version; None: it is broken there."""
STEPS = st.lists(
    st.tuples(st.sampled_from(VERSIONS), st.booleans(), st.booleans(), st.booleans()), min_size=3, max_size=25
)
"""A version that becomes the head, in any order (pushes, resets, reverts, branches of the past), whether a
file with the old content is judged unchanged, whether it is parsed before the next head comes, and twice.
"""
NOTHING, UNKNOWN = "nothing", "unknown"


@settings(max_examples=size(600, gate=150))
@given(st.fixed_dictionaries({version: CONTENT for version in VERSIONS}), STEPS)
def test_a_build_stands_where_a_plain_list_of_the_heads_says_so(
    content: dict[str, int | None], steps: list[tuple[str, bool, bool, bool]]
) -> None:
    standing = Standing()
    heads: list[tuple[str, int | str | None]] = []
    last: int | str | None = NOTHING
    for version, judged, parsed, twice in steps:
        if heads and heads[-1][0] == version:
            continue
        gives = content[version]
        unchanged = judged and gives is not None and gives == last
        standing = take(standing, Head(seq=len(heads) + 1, version=version), unchanged=unchanged)
        heads.append((version, gives if unchanged else UNKNOWN))
        if twice if unchanged else parsed:
            standing = known(standing, gives)
            heads[-1] = version, gives
            last = gives
        for build in (1, 2, 3):
            shown = [version for version, gave in heads if gave == build]
            newest = standing.newest(build)
            assert (newest.version if newest else None) == (shown[-1] if shown else None), (heads, standing)
        for seq, (_, gave) in enumerate(heads, 1):
            assert standing.build_at(seq) == (gave if isinstance(gave, int) else None), (heads, standing)
        assert standing.build_at(len(heads) + 1) is None
        assert len(standing.spans) <= len({seq for seq, (_, gave) in enumerate(heads) if gave is not None})
        assert all(not span.open for span in standing.spans[:-1])


@given(st.lists(st.booleans(), min_size=1, max_size=20))
def test_heads_that_change_nothing_of_a_dag_add_no_span(parsed: list[bool]) -> None:
    standing = Standing()
    for seq, again in enumerate([True, *parsed], 1):
        standing = take(standing, Head(seq=seq, version=f"c{seq}"), unchanged=seq > 1 and not again)
        if again:
            standing = known(standing, 7)
    (span,) = standing.spans
    assert (span.first_seq, span.last_seq) == (1, None)
    assert span.verified_seq == max(seq for seq, again in enumerate([True, *parsed], 1) if again)


@given(CONTENT, CONTENT)
def test_a_head_that_is_parsed_again_has_the_builds_of_the_last_parse_only(
    first: int | None, second: int | None
) -> None:
    standing = known(take(Standing(), Head(seq=1, version="c1"), unchanged=False), first)
    standing = known(standing, second)
    assert standing.build_at(1) == second
    for build in {1, 2, 3} - {second}:
        assert standing.newest(build) is None
