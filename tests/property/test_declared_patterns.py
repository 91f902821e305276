"""Patterns of declared inputs against the plainest reading of them, part by part."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pinwheel.core.parse.declared import matching, why_no_pattern

NAMES = st.text(alphabet="ab.", min_size=1, max_size=4).filter(lambda name: name not in (".", ".."))
PATHS = st.lists(NAMES, min_size=1, max_size=5).map("/".join)
PARTS = st.one_of(st.just("**"), st.text(alphabet="ab.*?", min_size=1, max_size=5))
PATTERNS = st.lists(PARTS, min_size=1, max_size=5).map("/".join).filter(lambda p: why_no_pattern(p) is None)


def name_fits(pattern: str, name: str) -> bool:
    if not pattern:
        return not name
    if pattern[0] == "*":
        return name_fits(pattern[1:], name) or (bool(name) and name_fits(pattern, name[1:]))
    return bool(name) and pattern[0] in ("?", name[0]) and name_fits(pattern[1:], name[1:])


def fits(pattern: list[str], path: list[str]) -> bool:
    if not pattern:
        return not path
    if pattern == ["**"]:
        return bool(path)
    if pattern[0] == "**":
        return fits(pattern[1:], path) or (bool(path) and fits(pattern, path[1:]))
    return bool(path) and name_fits(pattern[0], path[0]) and fits(pattern[1:], path[1:])


@given(PATTERNS, st.sets(PATHS, min_size=1, max_size=20))
def test_a_pattern_means_what_its_parts_say(pattern: str, paths: set[str]) -> None:
    expected = [path for path in sorted(paths) if fits(pattern.split("/"), path.split("/"))]
    assert matching(pattern, sorted(paths)) == expected
