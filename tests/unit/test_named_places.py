"""Which folders a text names, and which of them as a whole."""

from __future__ import annotations

import pytest

from pinwheel.core.parse import named_places
from pinwheel.core.parse.named_places import folder_pieces
from pinwheel.core.parse.references import text_references
from pinwheel.core.parse.static_facts import StaticFacts, static_facts


def whole(source: str) -> set[str]:
    """The folders that count whole, with those that names hold which are used so."""
    facts = static_facts(source)
    folders = {name.removesuffix("*").rstrip("/") for name in facts.strings if name.endswith(("/", "/*"))}
    used = {folder.strip("{}") for folder in folders if folder.startswith("{")}
    held = {folder for name, folder in facts.holders.items() if name in used}
    return held | {folder for folder in folders if not folder.startswith("{")}


@pytest.mark.parametrize(
    ("text", "folders"),
    [
        ("cd project && dbt run", {"project/"}),
        ("cd /project && dbt run", set()),
        ("make -C build all", {"build/"}),
        ("dbt run --project-dir shop", {"shop/"}),
        ("dbt run --profiles-dir=conf/dbt", {"conf/dbt/"}),
        ("cat {{ base }}/scripts/x", {"scripts/x"}),
        ("ls sql/*.sql", {"sql/"}),
        ("%s/sql/%s.sql", {"sql/"}),
        ("{}/sql/{}.sql", {"sql/"}),
        ("/opt/airflow/dags/sql/", set()),
        ("s3://bucket/raw/", set()),
        ("https://example.org/a/b/", set()),
        ("$HOME/dags/", set()),
        ("~/dags/", set()),
        ("./", set()),
        ("a word about sql", set()),
    ],
)
def test_folders_in_a_text(text: str, folders: set[str]) -> None:
    assert set(folder_pieces(text)) == folders


@pytest.mark.parametrize(
    ("source", "folders"),
    [
        ("run(HERE / 'dbt')", {"dbt"}),
        ("run(str((HERE / 'dbt').resolve()))", {"dbt"}),
        ("run(os.path.join(HERE, 'dbt', 'shop'))", {"dbt/shop"}),
        ("x = HERE / 'sql' / name", {"sql"}),
        ("open(HERE / 'sql' / f'{name}.sql')", {"sql"}),
        ("open(f'{HERE}/sql/{name}.sql')", {"sql"}),
        ("open(f'{HERE}/sql/day_{name}.sql')", {"sql"}),
        ("open(HERE + '/sql/' + name)", {"sql"}),
        ("run(cwd='project')", {"project"}),
        ("run(project_dir='project')", {"project"}),
        ("run(cwd='/srv/project')", set()),
        ("os.chdir('project')", {"project"}),
        ("FileSystemLoader('templates')", {"templates"}),
        ("PackageLoader('pages.shop')", {"pages/shop/templates"}),
        ("files('package.data') / name", {"package/data"}),
        ("import_module(f'steps.{name}')", {"steps"}),
        ("import_module('steps.inner.' + name)", {"steps/inner"}),
        # Held by a name
        ("SQL = HERE / 'sql'\nrun(SQL)", {"sql"}),
        ("SQL = HERE / 'sql'\nopen(SQL / name)", {"sql"}),
        ("SQL = HERE / 'sql'\nSQL.glob('*')", {"sql"}),
        ("SQL_DIR = 'sql'\nopen(os.path.join(HERE, SQL_DIR, name))", {"sql"}),
        ("class S:\n    sql_dir = HERE / 'sql'\nlist(S.sql_dir.iterdir())", {"sql"}),
        # Not whole
        ("SQL = HERE / 'sql'\nopen(SQL / 'a.sql')", {"sql/a.sql"}),
        ("SQL = HERE / 'sql'\nSQL.mkdir()", set()),
        ("SQL = HERE / 'sql'", set()),
        ("sys.path.insert(0, str(HERE / 'lib'))", set()),
        ("LIB = HERE / 'lib'\nsys.path.append(LIB)", set()),
        ("DAG(template_searchpath=[str(HERE / 'sql')])", set()),
        ("Path('/srv') / 'sql'", set()),
        ("', '.join(['sql', 'dbt'])", set()),
        ("DAG(tags=['sql', 'dbt'])", set()),
        ("open('/opt/reports/')", set()),
        ("sys.path.append('lib/')", set()),
        ("'''sql/'''", set()),
    ],
)
def test_folders_that_code_uses_as_a_whole(source: str, folders: set[str]) -> None:
    exact = {folder for folder in whole(source) if "." not in folder.rpartition("/")[2]}
    assert exact == {folder for folder in folders if "." not in folder}


def test_a_folder_that_another_file_uses_is_told_by_name() -> None:
    held = static_facts("SQL_DIR = HERE / 'sql'")
    assert held.holders == {"SQL_DIR": "sql"} and "{SQL_DIR}/" not in held.strings
    assert "{SQL_DIR}/" in static_facts("from places import SQL_DIR\nopen(SQL_DIR / name)").strings
    assert "{SQL_DIR}/" in static_facts("import places\nopen(places.SQL_DIR / name)").strings
    assert "{SQL_DIR}/" not in static_facts("from places import SQL_DIR\nopen(SQL_DIR / 'a.sql')").strings


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("open(HERE / 'sql' / 'a.sql')", {"sql/a.sql"}),
        ("SQL = HERE / 'sql'\nopen(SQL / 'a.sql')", {"sql/a.sql"}),
        ("pkgutil.get_data('package', 'a/b.sql')", {"package/a/b.sql"}),
        ("Path(__file__).with_suffix('.sql')", {"{stem}.sql"}),
        ("__file__.replace('.py', '.sql')", {"{stem}.sql"}),
        ("os.path.splitext(__file__)[0] + '.sql'", {"{stem}.sql"}),
        ("f'{path.stem}.sql'", {"{stem}.sql"}),
        ("f('sh bin/run now')", {"bin/run"}),
        ("HERE / '.env'", {".env"}),
    ],
)
def test_names_that_are_put_together(source: str, names: set[str]) -> None:
    assert names <= set(static_facts(source).strings)


def test_modules_of_computed_names() -> None:
    facts = static_facts("PARTS = {'run': '.impl'}\nimport_module(PARTS[name], __name__)")
    assert facts.modules == (".impl", "run") and "import:" in facts.strings
    assert "import:.*" in static_facts("import_module(f'.{name}', __name__)").strings
    assert static_facts("x = 'impl'\nimport_module('a.b')").modules == ()


def test_a_calculation_is_no_path() -> None:
    facts = static_facts("x = total / count / 2\ny = (a / b).resolve(c)\nz = -x / 'a'")
    assert not [name for name in facts.strings if name.endswith(("/", "/*"))]


def test_a_text_names_folders_with_a_slash() -> None:
    assert set(text_references("tables: tables/\nquery: sql/q.sql")) == {"tables/", "sql/q.sql"}


@pytest.mark.parametrize(
    "source",
    [
        "Path()",
        "HERE.joinpath()",
        "os.path.join(*parts)",
        "f''",
        "f'{x}'",
        "a = b = HERE / 'x'",
        "x: Path = HERE / 'y'",
    ],
)
def test_odd_code_is_read(source: str) -> None:
    facts = static_facts(source)
    assert facts.readable
    assert StaticFacts.from_json(facts.to_json()) == facts


def test_long_texts_and_sums_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    looked_at = []

    def counted(text: str, **how: bool) -> list[str]:
        looked_at.append(len(text))
        return list(folder_pieces(text, **how))

    monkeypatch.setattr(named_places, "folder_pieces", counted)
    static_facts("x = " + " + ".join(["'a/b '"] * 300))
    assert len(looked_at) <= 600 + 2
    assert len(list(folder_pieces("cd a/b " * 30_000))) == 30_000
