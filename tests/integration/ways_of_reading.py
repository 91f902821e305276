# ruff: noqa: E501 - the lines of the files in here are theirs
"""How public Dag repositories read files: a stand-in for each way, none of the packages behind it."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Mapping

from attrs import field, frozen

HEAD = """
import datetime
import glob
import importlib
import importlib.resources
import json
import os
import pkgutil
import runpy
import site
import subprocess
import sys
from importlib import import_module
from pathlib import Path

from airflow.sdk import DAG, task

HERE = Path(__file__).parent
DIR = os.path.dirname(os.path.abspath(__file__))
NAME = "ord" + "ers"

def shell(command, **kwargs):
    return subprocess.check_output(command, shell=True, text=True, **kwargs)

{top}

def read():
    {read}

with DAG({dag_id!r}, schedule="@daily", start_date=datetime.datetime(2024, 1, 1), catchup=False):
    @task
    def t():
        print(read())
    t()
"""
PY = 'V = "MARK"\n'
RUN = 'def run():\n    return "MARK"\n'


@frozen(kw_only=True)
class Way:
    """One way: what the Dag's file says, and the files beside it; those with MARK in them change."""

    read: str
    files: Mapping[str, str]
    """Paths from the Dag file's folder, or with a slash before them from the repository's root."""
    top: str = ""
    told: bool = True
    """A change makes a new build; if not, new runs take it up all the same."""
    zipped: str = field(default="")
    """A zip file in which the files are."""

    def dag(self, dag_id: str) -> str:
        return HEAD.format(top=self.top, read=self.read, dag_id=dag_id)

    def content(self, folder: str, mark: str) -> dict[str, str | bytes]:
        if self.zipped:
            packed = io.BytesIO()
            with zipfile.ZipFile(packed, "w") as archive:
                for path, text in self.files.items():
                    archive.writestr(zipfile.ZipInfo(path), text.replace("MARK", mark))
            return {f"{folder}/{self.zipped}": packed.getvalue()}
        return {
            path[1:] if path.startswith("/") else f"{folder}/{path}": text.replace("MARK", mark)
            for path, text in self.files.items()
        }


WAYS: dict[str, Way] = {
    # dbt and cosmos
    "dbt_in_a_bash_command": Way(
        top='COMMAND = f"cd {HERE}/shop && cat models/orders.sql"',
        read="return shell(COMMAND)",
        files={"shop/models/orders.sql": "MARK", "shop/dbt_project.yml": "name: shop"},
    ),
    "dbt_with_an_option": Way(
        read="return shell(f'sh {DIR}/dbt.sh --project-dir {DIR}/shop')",
        files={"dbt.sh": 'cat "$2"/models/*.sql', "shop/models/orders.sql": "MARK"},
    ),
    "dbt_macros_by_cwd": Way(
        top='DBT_DIR = os.path.join(os.path.dirname(__file__), "dbt")',
        read="return shell('cat macros/*', cwd=DBT_DIR)",
        files={"dbt/macros/cents.sql": "MARK"},
    ),
    "dbt_profiles": Way(
        top="def run(profiles_dir):\n    return (HERE / profiles_dir / ('profiles' + '.yml')).read_text()",
        read="return run(profiles_dir='profiles')",
        files={"profiles/profiles.yml": "MARK"},
    ),
    "cosmos_project": Way(
        top="class ProjectConfig:\n    def __init__(self, path):\n        self.path = path\n"
        'PROJECT = ProjectConfig(HERE / "jaffle")',
        read="return ''.join(p.read_text() for p in sorted(PROJECT.path.rglob('*.sql')))",
        files={"jaffle/models/staging/a.sql": "MARK", "jaffle/dbt_project.yml": "name: jaffle"},
    ),
    "cosmos_manifest_at_parse": Way(
        top='MANIFEST = json.loads((HERE / "target" / "manifest.json").read_text())',
        read="return MANIFEST['nodes'][0]",
        files={"target/manifest.json": '{"nodes": ["MARK"]}'},
    ),
    # Great Expectations
    "expectations_by_context": Way(
        top="def get_context(context_root_dir):\n"
        "    return ''.join(open(p).read() for p in glob.glob(context_root_dir + '/**/*.json', recursive=True))",
        read="return get_context(context_root_dir=str(HERE / 'gx'))",
        files={"gx/expectations/orders.json": "MARK"},
    ),
    "checkpoint_by_name": Way(
        read="return (HERE / 'gx' / 'checkpoints' / f'{NAME}.yml').read_text()",
        files={"gx/checkpoints/orders.yml": "MARK"},
    ),
    # papermill
    "notebook": Way(
        top='INPUT = str(HERE / "notebooks" / "report.ipynb")',
        read="return open(INPUT).read()",
        files={"notebooks/report.ipynb": '{"cells": ["MARK"]}'},
    ),
    "notebook_that_runs_another": Way(
        top='INPUT = HERE / "notebooks" / "report.ipynb"',
        read="return (INPUT.parent / INPUT.read_text().split()[1]).read_text()",
        files={"notebooks/report.ipynb": "%run setup_it.ipynb\n", "notebooks/setup_it.ipynb": "MARK"},
    ),
    # Spark
    "spark_application_and_its_module": Way(
        read="return shell(f'{sys.executable} -B {DIR}/jobs/etl.py')",
        files={"jobs/etl.py": "import sparkutil\nprint(sparkutil.V)\n", "jobs/sparkutil.py": PY},
    ),
    "spark_files_in_an_archive": Way(
        top='PY_FILES = str(HERE / "deps.zip")',
        read="import zipfile\n    return zipfile.ZipFile(PY_FILES).read('x.txt').decode()",
        files={"x.txt": "MARK"},
        zipped="deps.zip",
    ),
    "spark_properties": Way(
        read="return shell(f'cat {HERE}/conf/spark.properties')", files={"conf/spark.properties": "MARK"}
    ),
    # R, SQL and shell scripts
    "r_script_and_its_source": Way(
        read="return shell(f'cd {HERE.parent} && cat r_script_and_its_source/analysis/*.R')",
        top='SCRIPT = f"Rscript {HERE}/analysis/run.R"',
        files={"analysis/run.R": 'source("util.R")', "analysis/util.R": "MARK"},
    ),
    "r_project": Way(
        read="return shell('cat *.R', cwd=str(HERE / 'rproject'))", files={"rproject/all.R": "MARK"}
    ),
    "sql_that_includes_sql": Way(
        top="def include(path):\n"
        "    return ''.join((path.parent / l.split()[1]).read_text() for l in path.read_text().splitlines())",
        read="return include(HERE / 'ddl' / 'schema.sql')",
        files={"ddl/schema.sql": "\\i tables.sql\n", "ddl/tables.sql": "MARK"},
    ),
    "shell_that_sources_shell": Way(
        read="return shell(f'sh {DIR}/bin/run')",
        files={"bin/run": '. "$(dirname "$0")/lib.sh"', "bin/lib.sh": "echo MARK"},
        told=False,
    ),
    "shell_script_that_sources_another": Way(
        read="return shell(f'sh {DIR}/bin/run.sh')",
        files={"bin/run.sh": '. "$(dirname "$0")/lib.sh"', "bin/lib.sh": "echo MARK"},
    ),
    "script_without_extension": Way(read="return shell(f'sh {DIR}/bin/run')", files={"bin/run": "echo MARK"}),
    "script_that_works_in_a_folder": Way(
        read="return shell(f'sh {DIR}/all.sh')",
        files={"all.sh": 'cd "$(dirname "$0")"\ncd steps\nfor f in *; do cat $f; done', "steps/1": "MARK"},
    ),
    # Resources of packages
    "resource_by_name": Way(
        top="sys.path.insert(0, DIR)",
        read="return importlib.resources.files('res_a').joinpath('q.sql').read_text()",
        files={"res_a/__init__.py": "", "res_a/q.sql": "MARK"},
    ),
    "resource_by_computed_name": Way(
        top="sys.path.insert(0, DIR)",
        read="return (importlib.resources.files('res_b') / 'sql' / f'{NAME}.sql').read_text()",
        files={"res_b/__init__.py": "", "res_b/sql/orders.sql": "MARK"},
    ),
    "pkgutil_get_data": Way(
        top="sys.path.insert(0, DIR)",
        read="return pkgutil.get_data('res_c', 'data/q.sql').decode()",
        files={"res_c/__init__.py": "", "res_c/data/q.sql": "MARK"},
    ),
    "pkgutil_iter_modules": Way(
        top="sys.path.insert(0, DIR)",
        read="return ''.join(import_module(f'steps_a.{m.name}').V for m in pkgutil.iter_modules([DIR + '/steps_a']))",
        files={"steps_a/__init__.py": "", "steps_a/load.py": PY},
    ),
    # Imports
    "namespace_package": Way(
        top="sys.path.insert(0, DIR)",
        read="from space_a.part.mod import V\n    return V",
        files={"space_a/part/mod.py": PY},
    ),
    "function_by_its_name": Way(
        top="sys.path.insert(0, DIR)\n"
        "def call(what):\n    module, name = what.split(':')\n    return getattr(import_module(module), name)()",
        read="return call('jobs_a.load:run')",
        files={"jobs_a/__init__.py": "", "jobs_a/load.py": RUN},
    ),
    "dotted_function_by_its_name": Way(
        top="sys.path.insert(0, DIR)\n"
        "def call(what):\n    module, _, name = what.rpartition('.')\n"
        "    return getattr(import_module(module), name)()",
        read="return call('jobs_b.load.run')",
        files={"jobs_b/__init__.py": "", "jobs_b/load.py": RUN},
    ),
    "lazy_package_with_a_table": Way(
        top="sys.path.insert(0, DIR)",
        read="import lazy_a\n    return lazy_a.run()",
        files={
            "lazy_a/__init__.py": "from importlib import import_module\nPARTS = {'run': '.impl'}\n"
            "def __getattr__(name):\n    return getattr(import_module(PARTS[name], __name__), name)\n",
            "lazy_a/impl.py": RUN,
        },
    ),
    "lazy_package_of_all_its_modules": Way(
        top="sys.path.insert(0, DIR)",
        read="import lazy_b\n    return lazy_b.impl.run()",
        files={
            "lazy_b/__init__.py": "import importlib\n"
            "def __getattr__(name):\n    return importlib.import_module(f'.{name}', __name__)\n",
            "lazy_b/impl.py": RUN,
        },
    ),
    "module_of_a_computed_name": Way(
        top="sys.path.insert(0, DIR)",
        read="return import_module('steps_b.' + NAME).V",
        files={"steps_b/__init__.py": "", "steps_b/orders.py": PY},
    ),
    "module_whose_name_is_in_a_list": Way(
        top="sys.path.insert(0, DIR)\nMODULES = ['plain_a', 'plain_b']",
        read="return ''.join(import_module(name).V for name in MODULES)",
        files={"plain_a.py": PY, "plain_b.py": PY},
    ),
    "search_path_in_a_task": Way(
        read="sys.path.insert(0, str(HERE / 'lib'))\n    import helper_a\n    return helper_a.V",
        files={"lib/helper_a.py": PY},
    ),
    "search_path_of_a_folder_beside": Way(
        read="sys.path.append(os.path.join(DIR, '..', '..', 'shared_a'))\n    import helper_b\n    return helper_b.V",
        files={"/shared_a/helper_b.py": PY},
    ),
    "site_directory": Way(
        read="site.addsitedir(DIR + '/vendor')\n    import helper_c\n    return helper_c.V",
        top='VENDOR = HERE / "vendor"',
        files={"vendor/helper_c.py": PY},
    ),
    "search_path_of_a_program": Way(
        read="return subprocess.check_output([sys.executable, '-B', '-c', 'import helper_d; print(helper_d.V)'],"
        " env={**os.environ, 'PYTHONPATH': f'{HERE}/lib'}, text=True)",
        files={"lib/helper_d.py": PY},
    ),
    "module_in_an_archive": Way(
        read="sys.path.insert(0, str(HERE / 'lib.zip'))\n    import zipped_a\n    return zipped_a.V",
        files={"zipped_a.py": PY},
        zipped="lib.zip",
    ),
    "run_path": Way(
        read="return runpy.run_path(str(HERE / 'jobs' / 'once.py'))['V']", files={"jobs/once.py": PY}
    ),
    "exec_of_a_file": Way(
        read="found = {}\n    exec(open(os.path.join(DIR, 'scripts', 'x.py')).read(), found)\n    return found['V']",
        files={"scripts/x.py": PY},
    ),
    "spec_from_a_file": Way(
        read="from importlib.util import module_from_spec, spec_from_file_location\n"
        "    spec = spec_from_file_location('plug', HERE / 'plugins' / 'one.py')\n"
        "    module = module_from_spec(spec)\n    spec.loader.exec_module(module)\n    return module.V",
        files={"plugins/one.py": PY},
    ),
    "import_inside_an_imported_function": Way(
        top="sys.path.insert(0, DIR)\nimport outer_a",
        read="return outer_a.run()",
        files={"outer_a.py": "def run():\n    import inner_a\n    return inner_a.V\n", "inner_a.py": PY},
    ),
    # YAML, JSON, Jinja
    "yaml_include": Way(
        top="def load(path):\n    return (path.parent / path.read_text().split()[-1]).read_text()",
        read="return load(HERE / 'conf' / 'main.yml')",
        files={"conf/main.yml": "x: !include part.yml", "conf/part.yml": "MARK"},
    ),
    "yaml_that_names_sql": Way(
        top="def load(path):\n    return (HERE / path.read_text().split()[-1]).read_text()",
        read="return load(HERE / 'jobs.yml')",
        files={"jobs.yml": "query: sql/q.sql", "sql/q.sql": "MARK"},
    ),
    "yaml_that_names_a_folder": Way(
        top="def load(path):\n"
        "    return ''.join(p.read_text() for p in (HERE / path.read_text().split()[-1]).iterdir())",
        read="return load(HERE / 'jobs.yml')",
        files={"jobs.yml": "tables: tables/", "tables/a.sql": "MARK"},
    ),
    "schema_with_references": Way(
        top="def load(path):\n    return (path.parent / json.loads(path.read_text())['$ref']).read_text()",
        read="return load(HERE / 'schemas' / 'orders.json')",
        files={"schemas/orders.json": '{"$ref": "types.json"}', "schemas/types.json": "MARK"},
    ),
    "jinja_templates_of_a_folder": Way(
        read="from jinja2 import Environment, FileSystemLoader\n"
        "    return Environment(loader=FileSystemLoader(str(HERE / 'templates'))).get_template(NAME).render()",
        files={"templates/orders": "MARK"},
    ),
    "jinja_templates_of_a_package": Way(
        top="sys.path.insert(0, DIR)",
        read="from jinja2 import Environment, PackageLoader\n"
        "    return Environment(loader=PackageLoader('pages_a')).get_template(NAME).render()",
        files={"pages_a/__init__.py": "", "pages_a/templates/orders": "MARK"},
    ),
    "jinja_include": Way(
        top='TEMPLATES = HERE / "templates"',
        read="from jinja2 import Environment, FileSystemLoader\n"
        "    return Environment(loader=FileSystemLoader(TEMPLATES)).get_template('page.j2').render()",
        files={"templates/page.j2": "{% include 'parts/head.j2' %}", "templates/parts/head.j2": "MARK"},
    ),
    # Names that are put together
    "same_name_with_suffix": Way(
        read="return Path(__file__).with_suffix('.sql').read_text()", files={"d.sql": "MARK"}
    ),
    "same_name_by_replace": Way(
        read="return open(__file__.replace('.py', '.yaml')).read()", files={"d.yaml": "MARK"}
    ),
    "same_name_by_splitext": Way(
        read="return open(os.path.splitext(__file__)[0] + '.txt').read()", files={"d.txt": "MARK"}
    ),
    "same_name_by_stem": Way(
        read="return (HERE / f'{Path(__file__).stem}.hql').read_text()", files={"d.hql": "MARK"}
    ),
    "neighbour_by_with_name": Way(
        read="return Path(__file__).with_name('settings').read_text()", files={"settings": "MARK"}
    ),
    "name_joined_to_a_folder": Way(
        read="return open(os.path.join(DIR, 'sql', NAME + '.sql')).read()", files={"sql/orders.sql": "MARK"}
    ),
    "name_formatted_with_percent": Way(
        read="return open('%s/sql/%s.sql' % (DIR, NAME)).read()", files={"sql/orders.sql": "MARK"}
    ),
    "name_formatted": Way(
        read="return open('{}/sql/{}.sql'.format(DIR, NAME)).read()", files={"sql/orders.sql": "MARK"}
    ),
    "name_added": Way(
        read="return open(__file__.rsplit('/', 1)[0] + '/sql/day_' + NAME).read()",
        files={"sql/day_orders": "MARK"},
    ),
    "folder_of_another_module": Way(
        top="sys.path.insert(0, DIR)\nfrom places_a import SQL_DIR",
        read="return (SQL_DIR / f'{NAME}.sql').read_text()",
        files={
            "places_a.py": "from pathlib import Path\nSQL_DIR = Path(__file__).parent / 'queries'\n",
            "queries/orders.sql": "MARK",
        },
    ),
    "folder_of_a_settings_object": Way(
        top="class Settings:\n    sql_dir = HERE / 'queries'\nSETTINGS = Settings()",
        read="return ''.join(p.read_text() for p in SETTINGS.sql_dir.iterdir())",
        files={"queries/orders.sql": "MARK"},
    ),
    "glob_in_a_task": Way(
        read="return ''.join(open(p).read() for p in glob.glob(f'{DIR}/rules/*.yaml'))",
        files={"rules/a.yaml": "MARK"},
    ),
    "walk_in_a_task": Way(
        read="return ''.join(open(os.path.join(f, n)).read() for f, _, ns in os.walk(DIR + '/tree') for n in ns)",
        files={"tree/a/b/c.txt": "MARK"},
    ),
    "files_of_either_case": Way(
        read="return ''.join(p.read_text() for p in (HERE / 'lists').glob('[aA].txt'))",
        files={"lists/a.txt": "MARK"},
    ),
    "dot_file": Way(read="return (HERE / '.env').read_text()", files={".env": "KEY=MARK"}),
    "file_without_extension": Way(read="return (HERE / 'VERSION').read_text()", files={"VERSION": "MARK"}),
    "seed_of_a_table": Way(
        read="import csv\n    return str(list(csv.reader(open(HERE / 'seeds' / 'countries.csv'))))",
        files={"seeds/countries.csv": "MARK"},
    ),
    "path_as_an_argument": Way(
        top='ARGUMENTS = {"path": os.path.join(DIR, "in", "x.csv")}',
        read="return open(ARGUMENTS['path']).read()",
        files={"in/x.csv": "MARK"},
    ),
    # What cannot be told
    "path_without_a_word_in_it": Way(
        read="return (HERE / ('s' + 'ql') / NAME).read_text()", files={"sql/orders": "MARK"}, told=False
    ),
    "neighbours_by_pattern": Way(
        read="return ''.join(p.read_text() for p in HERE.glob('*.t' + 'xt'))",
        files={"any.txt": "MARK"},
        told=False,
    ),
    "name_from_the_file_system": Way(
        read="return max(HERE.parent.glob(HERE.name + '/*/*.csv')).read_text()",
        files={"2024/x.csv": "MARK"},
        told=False,
    ),
}
"""By Dag id."""
