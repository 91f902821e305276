"""Bundle versions with aliases: one spelling for each meaning, and nothing unsafe."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinwheel.core.version_alias import (
    MAXIMUM_LENGTH,
    is_commit_id,
    make_aliased_version,
    split_target,
    split_version,
    target_bundle,
)

SHA = "0123456789abcdef0123456789abcdef01234567"

_names = st.text(
    st.characters(blacklist_categories=("Cs",), blacklist_characters="/\0"), min_size=1, max_size=6
).filter(lambda name: name not in (".", "..") and name.lower() != ".git")
paths = st.lists(_names, min_size=1, max_size=3).map("/".join)
bundles = st.text(
    st.characters(blacklist_categories=("Cs",), blacklist_characters="/!\0"), min_size=1, max_size=5
)


@given(st.dictionaries(paths, paths, max_size=2), st.none() | bundles)
def test_split_gives_back_what_was_made(aliases: dict[str, str], bundle: str | None) -> None:
    if bundle is not None:
        aliases = {old: f"@{bundle}!{new}" for old, new in aliases.items()}
    try:
        version = make_aliased_version(SHA, aliases)
    except ValueError as error:
        assert any(word in str(error) for word in ("long", "lies inside", "points at itself", "one bundle"))
        return
    assert split_version(version) == (SHA, aliases)
    assert len(version) <= MAXIMUM_LENGTH
    assert not set(version) & set("/\\ \n\0~*?") and version.isascii()
    assert target_bundle(version) == (
        bundle if aliases and bundle else split_target(next(iter(aliases.values()), ""))[0]
    )


@given(st.text(max_size=80))
def test_whatever_is_accepted_is_spelled_canonically(rest: str) -> None:
    try:
        sha, aliases = split_version(SHA + rest)
    except ValueError:
        return
    assert make_aliased_version(sha, aliases) == SHA + rest


def test_a_plain_commit_has_no_aliases() -> None:
    assert make_aliased_version(SHA, {}) == SHA
    assert split_version(SHA) == (SHA, {})
    assert target_bundle(SHA) is None


def test_the_order_of_aliases_does_not_matter() -> None:
    one = make_aliased_version(SHA, {"b.py": "x/b.py", "a.py": "x/a.py"})
    other = make_aliased_version(SHA, {"a.py": "x/a.py", "b.py": "x/b.py"})
    assert one == other == f"{SHA}+a.py=x:a.py+b.py=x:b.py"


def test_a_path_that_looks_like_the_syntax_is_encoded() -> None:
    version = make_aliased_version(SHA, {"a=b+c:d.py": "@scope/e%.py"})
    assert version == f"{SHA}+a%3Db%2Bc%3Ad.py=%40scope:e%25.py"
    assert split_version(version) == (SHA, {"a=b+c:d.py": "@scope/e%.py"})


def test_a_file_of_another_bundle_is_named_with_that_bundle() -> None:
    version = make_aliased_version(SHA, {"new/a.py": "@team one!dags/a.py"})
    assert version == f"{SHA}+new:a.py=@team%20one!dags:a.py"
    assert target_bundle(version) == "team one"


def test_bytes_that_are_not_utf8_survive() -> None:
    aliases = {"new.py": "old\udcff.py"}
    assert split_version(make_aliased_version(SHA, aliases)) == (SHA, aliases)


@pytest.mark.parametrize(
    "version",
    [
        "", "main", "HEAD", "-v", "--upload-pack=x", "../x", SHA[:-1], SHA.upper(), f"{SHA}/x", f"{SHA}\n",
        f"{SHA}+", f"{SHA}+a.py", f"{SHA}+=b.py", f"{SHA}+a.py=", f"{SHA}+a.py=b.py+", f"{SHA}+a.py=..:b.py",
        f"{SHA}+..:..:etc:x=b.py", f"{SHA}+:a.py=b.py", f"{SHA}+a::b.py=c.py", f"{SHA}+a.py=b.py+a.py=c.py",
        f"{SHA}+b.py=x.py+a.py=y.py", f"{SHA}+a.py=%2E%2E:b.py", f"{SHA}+a.py=a%2Fb.py", f"{SHA}+%61.py=b.py",
        f"{SHA}+a.py=%3d.py", f"{SHA}+a%00.py=b.py", f"{SHA}+a.py=@x.py", f"{SHA}+a.py=@!x.py",
        f"{SHA}+a.py=.git:hooks:x.py", f"{SHA}+a.py=a.py", f"{SHA}+a.py=@x!b.py+c.py=d.py",
        f"{SHA}+a=x.py+a:b.py=y.py", f"{SHA}+{'a' * 200}=b.py",
    ],
)  # fmt: skip
def test_a_malformed_version_is_refused_with_a_reason(version: str) -> None:
    with pytest.raises(ValueError, match=r"\w+ \w+"):
        split_version(version)


@pytest.mark.parametrize(
    ("aliases", "reason"),
    [
        ({"/etc/x": "b.py"}, "plain relative path"),
        ({"a/../b": "b.py"}, "plain relative path"),
        ({"": "b.py"}, "needs a path"),
        ({"a\0": "b.py"}, "NUL"),
        ({"a.py": "a.py"}, "itself"),
        ({"a.py": "@x!b.py", "c.py": "d.py"}, "one bundle"),
        ({"a": "x.py", "a/b.py": "y.py"}, "lies inside"),
        ({"a" * 100: "b" * 100}, "characters long"),
        ({"\udcc3\udca9": "b.py"}, "single spelling"),
        ({"\ud800": "b.py"}, "UTF-8"),
    ],
)
def test_impossible_aliases_are_refused_with_the_reason(aliases: dict[str, str], reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        make_aliased_version(SHA, aliases)


def test_only_full_lower_case_ids_are_commit_ids() -> None:
    assert is_commit_id(SHA) and is_commit_id(SHA + SHA[:24])
    assert not is_commit_id(SHA + "\n") and not is_commit_id(SHA[:7]) and not is_commit_id("")
