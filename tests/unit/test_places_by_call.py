"""Calls that take, join, look through or only search a folder: one line for each that is known."""

from __future__ import annotations

import ast

import pytest

from pinwheel.core.parse.named_places import (
    folder_pieces,
    is_search,
    keyword_searches,
    leading_text,
    path_parts,
)
from pinwheel.core.parse.static_facts import static_facts

HELD = "SQL = HERE / 'sql'\n"


def strings(source: str) -> set[str]:
    return set(static_facts(source).strings)


def folders(source: str) -> set[str]:
    """What is used as a whole: folders, and names that may hold one."""
    return {name for name in strings(source) if name.endswith(("/", "/*"))}


@pytest.mark.parametrize(
    "call",
    [
        *("chdir", "listdir", "scandir", "walk", "fwalk", "copytree", "make_archive"),
        *("FileSystemLoader", "fdopendir"),
    ],
)
def test_a_call_that_takes_a_folder_uses_it_whole(call: str) -> None:
    assert folders(f"lib.{call}('project')") == {"project/"}
    assert folders(f"{call}('project', 'other')") == {"project/"}
    assert folders(f"{call}(name)") == set()
    assert folders(f"{call}()") == set()
    assert folders(f"{call}('X')") == {"X/"} and folders(f"{call}('Xa')") == {"Xa/"}


@pytest.mark.parametrize("call", ["join", "joinpath", "Path", "PurePath", "PosixPath", "with_segments"])
def test_a_call_that_joins_names_one_place(call: str) -> None:
    assert folders(f"run({call}(HERE, 'dbt', 'shop'))") == {"dbt/shop/"}
    assert folders(f"run(lib.{call}(HERE, 'dbt', name))") >= {"dbt/*"}
    assert folders(f"run({call}(*parts))") == set()


@pytest.mark.parametrize(
    "call", ["str", "fspath", "abspath", "realpath", "normpath", "expanduser", "Traversable"]
)
def test_a_call_that_wraps_a_place_is_looked_through(call: str) -> None:
    assert "{SQL}/" not in strings(f"{HELD}open(join({call}(SQL), 'a.sql'))")
    assert "{SQL}/" in strings(f"{HELD}open(join({call}(SQL, 1), 'a.sql'))"), "it does more with it"
    assert "{SQL}/" in strings(f"{HELD}open(join({call}_of(SQL), 'a.sql'))")


@pytest.mark.parametrize("method", ["resolve", "absolute", "as_posix", "expanduser", "__str__", "__fspath__"])
def test_a_method_that_gives_the_same_place_is_looked_through(method: str) -> None:
    assert "{SQL}/" not in strings(f"{HELD}open(SQL.{method}() / 'a.sql')")
    assert "{SQL}/" in strings(f"{HELD}open(SQL.{method}(1, 2) / 'a.sql')")
    assert "{SQL}/" in strings(f"{HELD}open(SQL.{method}_of() / 'a.sql')")


@pytest.mark.parametrize(
    "method", ["exists", "is_dir", "is_file", "mkdir", "relative_to", "as_uri", "is_absolute"]
)
def test_a_method_that_reads_nothing_uses_no_folder(method: str) -> None:
    assert "{SQL}/" not in strings(f"{HELD}SQL.{method}()")
    assert "{SQL}/" in strings(f"{HELD}SQL.{method}_of()")
    assert "{sql_dir}/" not in strings(f"S.sql_dir.{method}()")
    assert "{sql_dir}/" in strings(f"S.sql_dir.{method}_of()")


@pytest.mark.parametrize(
    "call",
    ["get_data", "read_text", "read_binary", "open_text", "open_binary", "path", "is_resource", "contents"],
)
def test_a_call_for_what_lies_in_a_package_names_it_there(call: str) -> None:
    assert "package/data/a.sql" in strings(f"lib.{call}('package.data', 'a.sql')")
    whole = set() if call == "read_text" else {"package/data/"}
    assert folders(f"lib.{call}('package.data')") == whole
    assert folders(f"lib.{call}('package.data', name)") == whole
    for other in ("package-data", "package-data.sub"):
        assert folders(f"lib.{call}({other!r})") == set(), "it is no package"


def test_a_file_beside_another_is_named_by_the_stem_of_that() -> None:
    assert strings("x.with_suffix('.sql')") >= {"{stem}.sql"}
    assert strings("x.replace('.py', '.sql')") >= {"{stem}.sql"}
    for other in ("x.replace('.md', '.sql')", "x.replace('.py', '.sql', 1)", "x.with_name('.sql')"):
        assert "{stem}.sql" not in strings(other)
    assert strings("path.stem + '.sql'") >= {"{stem}.sql"}
    assert strings("f'{path.stem}.sql.j2'") >= {"{stem}.sql.j2"}
    for other in ("f'{path.name}.sql'", "f'{path.stem}_x.sql'", "path.name + '.sql'", "x[0] + '.sql'"):
        assert not [name for name in strings(other) if name.startswith("{stem}")]


def test_templates_of_a_package_lie_in_the_folder_that_is_named() -> None:
    assert folders("PackageLoader('pages.shop')") == {"pages/shop/templates/"}
    assert folders("PackageLoader('pages.shop', 'html')") == {"pages/shop/html/"}
    assert folders("PackageLoader(name)") == set()


@pytest.mark.parametrize("call", ["sys.path.insert", "sys.path.append", "sys.path.extend", "site.addsitedir"])
def test_a_call_that_only_adds_to_what_is_searched_uses_no_folder(call: str) -> None:
    assert is_search(call) is True and is_search(f"{call}_of") is False
    assert "lib/" not in folders(f"{call}(str(HERE / 'lib'))")
    assert "lib/" in folders(f"own.{call}(str(HERE / 'lib'))")
    assert "dbt/" in folders(f"{call}('x')\nrun(HERE / 'dbt')"), "what comes after it is not searched"


@pytest.mark.parametrize("keyword", ["template_searchpath", "py_files", "pythonpath"])
def test_an_argument_that_is_only_searched_uses_no_folder(keyword: str) -> None:
    assert keyword_searches(keyword) is True and keyword_searches(None) is False
    assert folders(f"f({keyword}=[str(HERE / 'sql')])") == set()
    assert folders(f"f({keyword}=[], x=HERE / 'dbt')") == {"dbt/"}


@pytest.mark.parametrize(
    "keyword",
    [
        *("cwd", "workdir", "dir", "directory", "folder", "root", "searchpath"),
        *("sql_dir", "sql_dirs", "sql_directory", "sql_folder", "sql_folders", "sql_root", "sql_path"),
        "sql_paths",
    ],
)
def test_an_argument_for_a_folder_names_it(keyword: str) -> None:
    assert folders(f"f({keyword}='project')") == {"project/"}
    assert folders(f"f({keyword}='/srv/project')") == set()
    assert folders(f"f({keyword}='.')") == set()
    assert folders(f"f({keyword}_of='project')") == set()


@pytest.mark.parametrize(
    "name",
    [
        *("a_dir", "a_path", "folder", "root", "home", "base", "sql", "queries", "templates", "conf"),
        *("models", "scripts", "resource", "data"),
    ],
)
def test_an_attribute_that_sounds_like_a_folder_may_hold_one(name: str) -> None:
    assert folders(f"run(module.{name})") == {f"{{{name}}}/"}
    assert folders(f"run({name})") == {f"{{{name}}}/"}
    assert folders("run(module.tasks)") == set()


@pytest.mark.parametrize(
    ("source", "held"),
    [
        ("X = HERE / 'sql'", {"X": "sql"}),
        ("X = HERE / 'sql' / 'deep'", {"X": "sql/deep"}),
        ("X = HERE / name", {}),
        ("X = HERE / name / 'deep'", {"X": "deep"}),
        ("X = HERE / 'sql' / name", {}),
        ("X = 'sql/deep'", {"X": "sql/deep"}),
        ("X = 'sql/deep/'", {"X": "sql/deep"}),
        ("X = ' sql/deep '", {"X": " sql/deep "}),
        ("X = 'sql or deep/er'", {}),
        ("X = '/srv/sql'", {}),
        ("X = 'sql'", {}),
        ("X_DIR = 'sql'", {"X_DIR": "sql"}),
        ("X_DIR = '/srv/sql'", {"X_DIR": "srv/sql"}),
        ("X_DIR = '.'", {}),
        ("X_DIR = ''", {}),
        ("X_DIR = 's3://bucket/key'", {}),
        ("X_DIR = '//share/key'", {}),
        ("X = f'{HERE}/sql/deep'", {"X": "sql/deep"}),
        ("X = f'{HERE}/sql deep'", {}),
        ("X = f'{HERE}sql'", {}),
        ("X = f'/sql{HERE}'", {}),
        ("X = f''", {}),
        ("X = Path('sql')", {"X": "sql"}),
        ("X = files('package.data')", {"X": "package/data"}),
        ("A = HERE / 'sql'\nX = A / 'deep'", {"A": "sql", "X": "sql/deep"}),
        ("self.x = HERE / 'sql'", {"x": "sql"}),
        ("x['a'] = HERE / 'sql'", {}),
        ("X: Path = HERE / 'sql'", {"X": "sql"}),
        ("X = Y = HERE / 'sql'", {}),
        ("X = f(HERE / 'sql')", {}),
        ("X = f'{A}{B}/sql'", {"X": "sql"}),
        ("X_DIR = 'X'", {"X_DIR": "X"}),
        ("X_DIR = 'Xa'", {"X_DIR": "Xa"}),
        ("X = HERE / 'Xa'", {"X": "Xa"}),
    ],
)
def test_a_name_holds_the_place_that_is_assigned_to_it(source: str, held: dict[str, str]) -> None:
    assert static_facts(source).holders == held


def test_a_place_that_no_name_holds_is_used_where_it_stands() -> None:
    assert folders("x['a'] = HERE / 'sql'") == {"sql/"}


def test_a_name_that_holds_two_places_uses_both_whole() -> None:
    facts = static_facts("X = HERE / 'a'\nX = HERE / 'b'")
    assert facts.holders == {"X": "a"}
    assert {"a/", "b/"} <= set(facts.strings)
    assert folders("X = HERE / 'a'\nX = HERE / 'a'") == set()


@pytest.mark.parametrize(
    ("expression", "found"),
    [
        ("HERE / 'sql' / 'a.sql'", {"sql/a.sql/"}),
        ("HERE / '/sql/' / 'a.sql'", {"sql/a.sql/"}),
        ("HERE / 'sql' / name / 'deep'", {"sql/*", "deep/"}),
        ("HERE / 'sql' / 1 / 'deep'", {"sql/*", "deep/"}),
        ("Path('/srv') / 'sql' / name", set()),
        ("Path('/srv') / name / 'sql'", {"sql/"}),
        ("HERE / '.' / name", set()),
        ("HERE / ''", set()),
        ("join('sql', name)", {"sql/*"}),
        ("BASE / 'sql'", {"sql/"}),
        ("BASE / name / 'sql'", {"{BASE}/", "sql/"}),
        ("m.base_dir / name", {"{base_dir}/"}),
        ("m.base_dir / 'sql'", {"sql/"}),
        ("HERE.with_name('sql')", {"sql/"}),
        ("HERE.with_name('a', 'b')", set()),
        ("HERE.joinpath('sql', 'deep')", {"sql/deep/"}),
        ("'-'.join(['sql', 'deep'])", set()),
        ("files('package.data').joinpath('sql')", {"package/data/sql/"}),
        ("files(name)", set()),
        ("f'{x}/sql/{y}/deep/{z}'", {"sql/*", "deep/*"}),
        ("HERE + '/sql/' + name + '/deep/'", {"sql/*", "deep/"}),
        ("HERE - '/sql/'", set()),
        ("HERE / 'X'", {"X/"}),
        ("HERE / 'Xa' / 'bX'", {"Xa/bX/"}),
        ("f'/sql/deep{x}'", set()),
        ("f'{x}/sql/deep'", {"sql/deep/"}),
        ("'/sql/deep' + x", set()),
        ("'-'.join('sql')", set()),
        ("(a + 'x/y/') + ('z/w/' + b)", {"x/y/*", "x/y/", "z/w/*", "z/w/"}),
    ],
)
def test_the_places_in_an_expression(expression: str, found: set[str]) -> None:
    assert folders(f"run({expression})") - {"{HERE}/"} == found - {"{HERE}/"}


@pytest.mark.parametrize(
    ("text", "follows", "continues", "pieces"),
    [
        ("a/b", False, False, ["a/b"]),
        ("a/b/", False, False, ["a/b/"]),
        ("a/b/", False, True, ["a/b/*"]),
        ("a/b", False, True, ["a/*"]),
        ("a", False, True, []),
        ("a/b x", False, True, ["a/b"]),
        ("/a/b", False, False, []),
        ("/a/b", True, False, ["a/b"]),
        ("/a/b/", True, True, ["a/b/*"]),
        ("x /a/b", True, False, []),
        ("//a/b", True, False, []),
        ("%s/a/b", False, False, ["a/b"]),
        ("%d/a/b", False, False, ["a/b"]),
        ("%r/a/b", False, False, ["a/b"]),
        ("%x/a/b", False, False, []),
        ("$X/a", False, False, []),
        ("~/a", False, False, []),
        ("c:/a", False, False, []),
        ("./", False, False, []),
        ("../../", False, False, []),
        ("cd a", False, False, ["a/"]),
        ("cd  'a'", False, False, ["a/"]),
        ('pushd "a" && ls -l', False, False, ["a/"]),
        ("x;cd a", False, False, ["a/"]),
        ("abcd a", False, False, []),
        ("make -C a", False, False, ["a/"]),
        ("make -Ca", False, False, []),
        ("x --dir a", False, False, ["a/"]),
        ("x --dirs=a", False, False, ["a/"]),
        ("x --my-path=a", False, False, ["a/"]),
        ("x --folder a", False, False, ["a/"]),
        ("x --root a", False, False, ["a/"]),
        ("x --directory a", False, False, ["a/"]),
        ("x --file a", False, False, []),
        ("x --dir /a", False, False, []),
        ("cd " + " " * 57 + "a", False, False, ["a/"]),
        ("cd " + " " * 58 + "a", False, False, []),
        ("a", False, False, []),
        ("%s/a", False, False, ["a"]),
        ("$X/a b/c", False, False, ["b/c"]),
        ("/a/b c/d", False, False, ["c/d"]),
        ("X/", False, False, ["X/"]),
        ("X/yX/", False, False, ["X/yX/"]),
        ("X/a", False, True, ["X/*"]),
        ("cd Xa", False, False, ["Xa/"]),
        ("X/a", False, False, ["X/a"]),
    ],
)
def test_the_folders_in_a_piece_of_text(text: str, follows: bool, continues: bool, pieces: list[str]) -> None:
    assert list(folder_pieces(text, follows=follows, continues=continues)) == pieces


@pytest.mark.parametrize(
    ("expression", "begins"),
    [
        ("'a.b'", "a.b"),
        ("f'a.{x}'", "a."),
        ("f'{x}.a'", ""),
        ("f''", ""),
        ("'a.' + x", "a."),
        ("'a.%s' % x", "a."),
        ("'a.' - x", ""),
        ("'a.{}'.format(x)", "a."),
        ("'a.{}'.other(x)", ""),
        ("x", ""),
    ],
)
def test_a_text_that_is_put_together_begins_with_what_is_plain_in_it(expression: str, begins: str) -> None:
    assert leading_text(ast.parse(expression, mode="eval").body) == begins


def test_the_calls_of_a_path_that_are_looked_through_are_told() -> None:
    calls: list[ast.Call] = []
    parts = path_parts(ast.parse("str(Path(a).resolve() / f(b))", mode="eval").body, calls)
    assert [ast.unparse(part) for part in parts] == ["a", "f(b)"]
    assert [ast.unparse(call.func) for call in calls] == ["str", "Path(a).resolve", "Path"]
