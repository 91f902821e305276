"""Properties of inputs: they match exactly the versions in which a parse sees the same."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pinwheel.core.parse.facts import ParseFacts
from pinwheel.core.parse.inputs import Inputs, inputs_of, matches

names = st.sampled_from(["a", "b", "c"])
paths = st.lists(names, min_size=1, max_size=3).map("/".join)
directories = st.lists(names, max_size=2).map("/".join)


def _tree(manifest: dict[str, str]) -> dict[str, str]:
    """A manifest has no path below a file."""
    return {p: c for p, c in manifest.items() if not any(p.startswith(q + "/") for q in manifest)}


manifests = st.dictionaries(paths, st.sampled_from(["1", "2"]), max_size=6).map(_tree)
facts = st.builds(
    lambda files, statically, listed, absent: ParseFacts(
        files=tuple(sorted(files)),
        statically=tuple(sorted(statically)),
        directories=tuple(sorted(listed)),
        absent=tuple(sorted(absent)),
    ),
    st.sets(paths, max_size=4),
    st.sets(paths, max_size=2),
    st.sets(directories, max_size=3),
    st.sets(paths, max_size=3),
)


def seen(found: ParseFacts, manifest: dict[str, str]) -> object:
    """What a parse sees, from the definition and without any index."""

    def content(path: str) -> object:
        parts = path.split("/")
        for end in range(len(parts), 0, -1):
            place = "/".join(parts[:end])
            if place in manifest:
                return place, manifest[place]
        return None

    def listed(folder: str) -> object:
        prefix = f"{folder}/" if folder else ""
        below = [p.removeprefix(prefix) for p in manifest if p.startswith(prefix)]
        return {(p.partition("/")[0], "/" in p) for p in below}

    def exists(path: str) -> bool:
        return any(p == path or p.startswith(f"{path}/") for p in manifest)

    return (
        {path: content(path) for path in found.used},
        {folder: listed(folder) for folder in found.directories},
        {path: exists(path) for path in found.absent},
    )


@given(facts, manifests, manifests)
def test_a_version_matches_if_and_only_if_the_parse_sees_the_same(
    found: ParseFacts, one: dict[str, str], other: dict[str, str]
) -> None:
    assert matches(inputs_of(found, one), other) == (seen(found, one) == seen(found, other))


@given(facts, manifests)
def test_a_version_matches_itself(found: ParseFacts, manifest: dict[str, str]) -> None:
    assert matches(inputs_of(found, manifest), manifest)


@given(facts, manifests, manifests)
def test_matching_versions_have_one_digest(
    found: ParseFacts, one: dict[str, str], other: dict[str, str]
) -> None:
    if matches(inputs_of(found, one), other):
        assert inputs_of(found, one).digest() == inputs_of(found, other).digest()


@given(facts, manifests)
def test_inputs_survive_json(found: ParseFacts, manifest: dict[str, str]) -> None:
    inputs = inputs_of(found, manifest)
    assert Inputs.from_json(inputs.to_json()) == inputs
