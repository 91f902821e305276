"""What a parse may ask of a version, question by question, and what is stored of the answers."""

from __future__ import annotations

import hashlib
import json

import pytest
from attrs import evolve

from pinwheel.core.parse.declared import ANY, Declared, Rule, declare
from pinwheel.core.parse.facts import WHOLE_TREE, ParseFacts
from pinwheel.core.parse.inputs import Inputs, InputsSpec, inputs_of, matches, tree_id
from pinwheel.core.selector import Selector

MANIFEST = {"dags/a.py": "1", "dags/sql/x.sql": "2", "dags/sql/deep/y.sql": "3", "lib": "commit:4"}


def digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, separators=(",", ":")).encode()).hexdigest()


def names(*found: str) -> str:
    return hashlib.sha256("\0".join(sorted(found)).encode()).hexdigest()


def saw(**questions: tuple[str, ...]) -> Inputs:
    return InputsSpec(**questions).read(dict(MANIFEST))


def test_questions_are_sorted_and_asked_once() -> None:
    facts = ParseFacts(
        files=("b", "a"),
        statically=("c", "a"),
        directories=("e", "d", "e"),
        absent=("g", "f", "g"),
        asked=("i", "h", "i"),
    )
    assert InputsSpec.of(facts) == InputsSpec(
        files=("a", "b", "c"), directories=("d", "e"), absent=("f", "g"), asked=("h", "i")
    )


@pytest.mark.parametrize(
    ("path", "content"),
    [
        pytest.param("dags/a.py", {"dags/a.py": "1"}, id="a file"),
        pytest.param("dags/none.py", {"dags/none.py": None}, id="no file"),
        pytest.param("lib/in/m.py", {"lib": "commit:4"}, id="in a submodule"),
        pytest.param(
            "dags/sql/",
            {"dags/sql/": digest([["dags/sql/deep/y.sql", "3"], ["dags/sql/x.sql", "2"]])},
            id="a folder",
        ),
        pytest.param("dags/none/", {"dags/none/": None}, id="no folder"),
    ],
)
def test_a_used_file_or_folder_is_known_by_its_content(path: str, content: dict[str, str | None]) -> None:
    assert saw(files=(path,)).files == content


@pytest.mark.parametrize(
    ("folder", "listed"),
    [
        pytest.param("", names("dags/", "lib"), id="the root"),
        pytest.param("dags", names("a.py", "sql/"), id="a folder"),
        pytest.param("dags/sql", names("x.sql", "deep/"), id="a folder in a folder"),
        pytest.param("none", "", id="no folder"),
        pytest.param("dags/a.py", "", id="a file"),
    ],
)
def test_a_listed_folder_is_known_by_the_names_in_it(folder: str, listed: str) -> None:
    assert saw(directories=(folder,)).directories == {folder: listed}


def test_the_root_of_an_empty_version_has_no_names() -> None:
    assert InputsSpec(directories=("", "x")).read({}).directories == {"": names(), "x": ""}


@pytest.mark.parametrize(
    ("path", "exists", "is_there"),
    [
        ("dags/a.py", True, "1"),
        ("dags/sql", True, "/"),
        ("", True, "/"),
        ("lib/in/m.py", False, "commit:4"),
        ("none", False, ""),
    ],
)
def test_a_path_that_was_looked_for_is_known_by_what_is_there(path: str, exists: bool, is_there: str) -> None:
    assert saw(absent=(path,)).absent == {path: exists}
    assert saw(asked=(path,)).asked == {path: is_there}


def test_paths_beside_the_folder_of_the_bundle_have_a_root_of_their_own() -> None:
    beside = {"a.py": "1", "//lib/x.py": "2", "//y.py": "3"}
    spec = InputsSpec(directories=("", "//", "//lib"))
    assert spec.read(beside).directories == {
        "": names("a.py"),
        "//": names("lib/", "y.py"),
        "//lib": names("x.py"),
    }


def test_a_name_that_is_no_text_has_a_digest() -> None:
    listed = [
        InputsSpec(directories=("",)).read({name: "1"}).directories[""] for name in ("\udcfe", "\udcff")
    ]
    assert listed[0] != listed[1]


def test_a_whole_tree_is_known_by_all_its_files() -> None:
    assert tree_id(MANIFEST) == digest(sorted(map(list, MANIFEST.items())))
    assert tree_id({}) == ""
    whole = saw(asked=(WHOLE_TREE,))
    assert whole.asked == {WHOLE_TREE: tree_id(dict(MANIFEST))}
    assert whole.of_its_tree is True and saw(asked=("dags",)).of_its_tree is False
    assert matches(whole, dict(MANIFEST)) and not matches(whole, {**MANIFEST, "new": "5"})


@pytest.mark.parametrize(
    ("inputs", "change"),
    [
        (saw(files=("dags/a.py",)), {"dags/a.py": "9"}),
        (saw(files=("dags/sql/",)), {"dags/sql/new.sql": "9"}),
        (saw(files=("dags/none/",)), {"dags/none/new.sql": "9"}),
        (saw(files=("lib/in/m.py",)), {"lib": "commit:9"}),
        (saw(directories=("dags",)), {"dags/b.py": "9"}),
        (saw(absent=("dags/none.py",)), {"dags/none.py": "9"}),
        (saw(absent=("dags/none",)), {"dags/none/x.py": "9"}),
        (saw(asked=("dags/a.py",)), {"dags/a.py": "9"}),
        (saw(asked=("dags/none",)), {"dags/none/x.py": "9"}),
    ],
)
def test_each_answer_alone_makes_another_version_match_or_not(inputs: Inputs, change: dict[str, str]) -> None:
    assert matches(inputs, dict(MANIFEST)) is True
    assert matches(inputs, {**MANIFEST, "else.py": "9"}) is True
    assert matches(inputs, {**MANIFEST, **change}) is False


def test_a_manifest_is_looked_at_anew_when_another_one_comes_or_it_has_grown() -> None:
    manifest = dict(MANIFEST)
    spec = InputsSpec(directories=("dags",), files=("dags/sql/",))
    before = spec.read(manifest)
    manifest["dags/sql/z.sql"] = "9"
    assert spec.read(manifest) != before
    assert spec.read(dict(MANIFEST)) == before
    assert spec.read(dict(MANIFEST)) == before


def test_the_digest_of_inputs_is_the_same_in_each_version_of_pinwheel() -> None:
    """It is stored with builds: another rule would give each Dag of an unstable file a new build."""
    files = Inputs(files={"b": "2", "a": "1", "none": None})
    used = [["a", "1"], ["b", "2"]]
    assert files.digest() == digest([used, []])
    assert evolve(files, directories={"d": "x", "e": ""}).digest() == digest([used, [["d", "x"]]])
    assert evolve(files, absent={"n": False}).digest() == files.digest()
    there = evolve(files, absent={"p": True, "n": False})
    assert there.digest() == digest([used, [], [["p", ""]]])
    assert evolve(there, asked={"p": "7", "n": ""}).digest() == digest([used, [], [["n", ""], ["p", "7"]]])
    declared = evolve(files, declared={"sales": ("x", "tag"), "other": ("",)})
    assert declared.digest() == digest([used, [], [], [["declared", ""], ["sales", "x"]]])


def test_the_digest_of_the_content_is_the_same_in_each_version_of_pinwheel() -> None:
    files = Inputs(files={"b": "2", "a": "1", "none": None}, directories={"d": "x"}, asked={"p": "7"})
    used = [["a", "1"], ["b", "2"]]
    assert files.content_digest() == digest([used, []])
    assert files.content_digest({"c": "3"}) == digest([[*used, ["c", "3"]], []])
    assert files.content == {"a": "1", "b": "2"}


FULL = Inputs(
    files={"b": "2", "a": None},
    directories={"e": "x", "d": ""},
    absent={"g": True, "f": False},
    asked={"i": "1", "h": "/"},
    declared={"sales": ("x", "t"), "other": ("",)},
)


def test_inputs_are_stored_in_one_order_and_read_back_as_they_were() -> None:
    stored = FULL.to_json()
    assert json.dumps(stored) == json.dumps(
        {
            "files": {"a": None, "b": "2"},
            "directories": {"d": "", "e": "x"},
            "absent": {"f": False, "g": True},
            "asked": {"h": "/", "i": "1"},
            "declared": {"other": [""], "sales": ["x", "t"]},
        }
    )
    assert Inputs.from_json(stored) == FULL
    assert Inputs.from_json({}) == Inputs(declared={ANY: ("",)})
    assert Inputs.from_json({"absent": {"f": 0}}).absent["f"] is False


def test_what_two_parses_saw_of_one_version_adds_up() -> None:
    more = Inputs(files={"c": "3"}, directories={"c": "y"}, absent={"c": True}, asked={"c": "z"}, declared={})
    both = FULL.and_also(more)
    assert both.files == {**FULL.files, "c": "3"}
    assert both.directories == {**FULL.directories, "c": "y"}
    assert both.absent == {**FULL.absent, "c": True}
    assert both.asked == {**FULL.asked, "c": "z"}
    assert both.declared == FULL.declared
    assert more.and_also(FULL).declared == FULL.declared
    assert FULL.and_also(evolve(more, declared={"new": ("",)})).declared == {"new": ("",)}


def test_what_is_declared_counts_beside_what_was_read() -> None:
    def of(*files: str) -> Declared:
        return declare([Rule(dags=Selector(ids=("a",)), files=files)], MANIFEST)

    inputs = evolve(saw(files=("dags/a.py",)), declared=of("lib").answers({"a": ()}))
    assert matches(inputs, dict(MANIFEST), of("lib")) and not matches(inputs, dict(MANIFEST), of("dags/*"))
    assert inputs_of(ParseFacts(), {}) == Inputs()
