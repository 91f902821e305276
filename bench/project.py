"""The generated repository: many Dag files, helpers that 50 of them share, templates and YAML."""

from __future__ import annotations

FILES_PER_HELPER = 50
SUBJECT = "subject"
TINY = "one_line"

_DAG = '''\
"""Loads the {number}th table of the warehouse."""

from datetime import datetime, timedelta, timezone

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, task
{imports}
from helpers.{helper} import batch_size, describe

REVISION = {revision!r}
{top}
with DAG(
    dag_id={dag_id!r},
    schedule="@daily",
    start_date=datetime(2024, 1, 1, tzinfo=timezone.utc),
    catchup=False,
    tags=["bench", "{helper}"],
    default_args={{"retries": 2, "retry_delay": timedelta(minutes=5), "owner": "bench"}},
    doc_md=__doc__,
):

    @task
    def extract(batch: int) -> list[int]:
        print(REVISION, describe({number}))
        return list(range(batch))

    @task
    def transform(rows: list[int]) -> int:
        return sum(rows) * {number}

    @task
    def publish(total: int) -> None:
        print(f"{{total}} rows of table {number}")

    load = BashOperator(task_id="load", bash_command={command!r}, env={{"TABLE": "table_{number}"}})
    check = BashOperator(task_id="check", bash_command="echo checked {{{{ ds }}}}")
    publish(transform(extract(batch_size({number})))) >> load >> check
'''

_HELPER = '''\
"""What fifty Dags share."""

REVISION = {revision!r}


def batch_size(number: int) -> int:
    return 10 + number % 7


def describe(number: int) -> str:
    return f"{helper} at {{REVISION}}: table {{number}}"
'''

_SUBJECT = """\
from datetime import datetime, timezone

from airflow.sdk import DAG, task

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
with DAG("subject", schedule=None, start_date=START, catchup=False, is_paused_upon_creation=False):

    @task
    def first():
        print("EXEC_MARK={mark}")

    first()
"""

_TINY = """\
from datetime import datetime, timezone

from airflow.providers.standard.operators.bash import BashOperator
from airflow.sdk import DAG, task

{imports}

START = datetime(2024, 1, 1, tzinfo=timezone.utc)
with DAG("one_line", schedule=None, start_date=START, catchup=False):

    @task
    def work():
        print({calls})

    work() >> BashOperator(task_id="load", bash_command="echo {shown}")
"""


def dag_id_of(number: int) -> str:
    return f"bench_{number:05d}"


def helper_of(number: int) -> str:
    return f"h{number // FILES_PER_HELPER:02d}"


def dag_file(number: int, revision: str = "r1") -> dict[str, str]:
    """One Dag file; each tenth has a template of its own, each twentieth reads YAML while it is parsed."""
    files, imports, top, command = {}, "", "", f"echo load table_{number}"
    if number % 10 == 0:
        command = f"templates/t{number:05d}.sh"
        files[command] = f"echo 'INSERT INTO table_{number} SELECT * FROM staging;'\n"
    if number % 20 == 0:
        imports = "from pathlib import Path\n\nimport yaml\n"
        path = f"conf/c{number:05d}.yaml"
        top = f"CONFIG = yaml.safe_load((Path(__file__).parents[2] / {path!r}).read_text())\n"
        files[path] = f"table: table_{number}\ncolumns: [id, name, amount]\n"
    files[f"dags/team_{number // 100:02d}/dag_{number:05d}.py"] = _DAG.format(
        number=number,
        dag_id=dag_id_of(number),
        helper=helper_of(number),
        revision=revision,
        imports=imports,
        top=top,
        command=command,
    )
    return files


def helper_file(helper: str, revision: str = "r1") -> dict[str, str]:
    return {f"helpers/{helper}.py": _HELPER.format(helper=helper, revision=revision)}


def subject(mark: str) -> dict[str, str]:
    """The Dag that is rolled back."""
    return {"dags/subject.py": _SUBJECT.format(mark=mark)}


def repository(count: int) -> dict[str, str]:
    """The first commit."""
    files = {"helpers/__init__.py": "", **subject("m1")}
    for number in range(count):
        files |= dag_file(number)
    for helper in sorted({helper_of(number) for number in range(count)}):
        files |= helper_file(helper)
    return files


def one_line(in_helper: int = 0, shown: int = 0) -> dict[str, str]:
    """A Dag with five helpers; *in_helper* changes one line of a helper, *shown* one line of the Dag."""
    names = [f"tools/part{index}.py" for index in range(5)]
    files = {name: "\n".join(f"LINE_{line} = {line}" for line in range(60)) + "\n" for name in names}
    files[names[in_helper % 5]] += f"LAST = {in_helper}\n"
    files["tools/__init__.py"] = ""
    files["dags/one_line.py"] = _TINY.format(
        imports="\n".join(f"from tools import part{index}" for index in range(5)),
        calls=", ".join(f"part{index}.LINE_1" for index in range(5)),
        shown=shown,
    )
    return files
