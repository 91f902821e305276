"""The situations in which stock Airflow shows code that a try never ran, and those around a change of each
kind.

Each scenario is a generator over ``harness.truth.Player``. ``AUDIT`` are the 36 situations of an audit of
stock Airflow 3.3.2 against AIP-65; on a git and on a folder bundle they are 72 cases. The audit's letters:
S the AIP's own scenarios, B variants of the change, W situations in which stock Airflow's history is wrong.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.truth import Player, Script

MAKE = {
    "operator": """
    return PythonOperator(task_id=name, python_callable=show, **more)""",
    "decorated": """
    @task(task_id=name)
    def body():
        show()
    return body()""",
    "mapped": """
    @task(task_id=name)
    def body(n):
        show()
    return body.expand(n=[1, 2])""",
    "bash": """
    command = "printf 'EXEC_%s=%s\\\\n' MARK @MARK@ FILE " + __file__
    return BashOperator(task_id=name, bash_command=command)""",
}

SOURCE = """\
# CODE_MARK: <@MARK@>
import pathlib
import time
from datetime import datetime, timedelta, timezone

from airflow.providers.standard.operators.bash import BashOperator
from airflow.providers.standard.operators.python import PythonOperator
from airflow.sdk import DAG, TaskGroup, get_current_context, task
@TOP@

def show(**kwargs):
    print("EXEC_MARK=@MARK@")
    print(f"EXEC_FILE={__file__}")
    context = get_current_context()
    ti, run = context["ti"], context["dag_run"]
    @BODY@
    conf = run.conf or {}
    if ti.task_id in conf.get("gated", ()):
        gate = pathlib.Path(conf["gate"]) / f"{run.run_id}.{ti.task_id}"
        gate.with_name(gate.name + ".reached").touch()
        for _ in range(900):
            if gate.exists():
                break
            time.sleep(0.2)
        else:
            raise RuntimeError(f"nobody opened the gate {gate}")
    if ti.task_id in conf.get("fail", ()) and ti.try_number == 1:
        raise RuntimeError("meant to fail once")


def make(name, **more):@MAKE@


def chain(dag_id, names, **arguments):
    with DAG(dag_id, schedule=None, start_date=datetime(2024, 1, 1, tzinfo=timezone.utc), **arguments):
        groups, previous = {}, None
        for name in names:
            group, _, plain = name.rpartition(".")
            if group and group not in groups:
                groups[group] = TaskGroup(group, prefix_group_id=@PREFIX@)
            more = {"task_group": groups[group]} if group else {}
            current = make(plain, **more)
            if previous is not None:
                previous >> current
            previous = current


RETRIES = {"retries": 1, "retry_delay": timedelta(seconds=1)}
"""


def source(
    dag_id: str,
    mark: str,
    names: str = "a",
    *,
    how: str = "operator",
    top: str = "",
    body: str = "pass",
    more: str = "",
    after: str = "",
    prefix: bool = True,
) -> str:
    """A Dag file with a chain of tasks that print what they are: ``names="a g.b"`` has b in group g."""
    text = SOURCE.replace("@TOP@", top).replace("@MAKE@", MAKE[how]).replace("@BODY@", body)
    text = text.replace("@PREFIX@", repr(prefix)).replace("@MARK@", mark)
    arguments = f", {more}" if more else ""
    return f"{text}chain({dag_id!r}, {names.split()!r}{arguments})\n{after}"


def dag(p: Player, mark: str, names: str = "a", **kwargs: Any) -> dict[str, str | None]:
    return {f"{p.dag_id}.py": source(p.dag_id, mark, names, **kwargs)}


# S: the four scenarios of the AIP


def structural(p: Player) -> Script:
    for mark, names in (("m1", "a"), ("m2", "a b"), ("m3", "x")):
        yield from p.push(dag(p, mark, names))
        yield from p.run()


def moved_between_groups(p: Player) -> Script:
    yield from p.push(dag(p, "m1", "g1.a"))
    yield from p.run()
    yield from p.push(dag(p, "m2", "g2.a"))
    yield from p.run()


def moved_without_prefix(p: Player) -> Script:
    yield from p.push(dag(p, "m1", "g1.a", prefix=False))
    yield from p.run()
    yield from p.push(dag(p, "m2", "g2.a", prefix=False))
    yield from p.run()


def untouched(p: Player) -> Script:
    yield from p.push(dag(p, "m1", "a"))
    yield from p.run()


# B: kinds of change between two runs


def metadata(p: Player) -> Script:
    yield from p.push(dag(p, "m1", more="doc_md='one', tags=['one']"))
    yield from p.run()
    yield from p.push(dag(p, "m2", more="doc_md='two', tags=['two']"))
    yield from p.run()


def body_only(how: str = "operator", more: str = "") -> Callable[[Player], Script]:
    def play(p: Player) -> Script:
        for mark in ("m1", "m2"):
            yield from p.push(dag(p, mark, how=how, more=more))
            yield from p.run()
        yield from p.push(dag(p, "m3", how=how, more=more))

    return play


def _helper(p: Player, value: str) -> dict[str, str | None]:
    return {f"{p.dag_id}_helper.py": f'VALUE = "<{value}>".strip("<>")\n'}


def helper_only(p: Player) -> Script:
    top, body = f"import {p.dag_id}_helper as helper", 'print(f"EXEC_HELPER={helper.VALUE}")'
    yield from p.push({**dag(p, "m1", top=top, body=body), **_helper(p, "h1")})
    yield from p.run()
    for value in ("h2", "h3"):
        yield from p.push(_helper(p, value))
        yield from p.run()


def helper_in_serialized_dag(p: Player) -> Script:
    top, body = f"import {p.dag_id}_helper as helper", 'print(f"EXEC_HELPER={helper.VALUE}")'
    yield from p.push(
        {**dag(p, "m1", top=top, body=body, more="description=helper.VALUE"), **_helper(p, "h1")}
    )
    yield from p.run()
    yield from p.push(_helper(p, "h2"))
    yield from p.run()


def renamed(p: Player) -> Script:
    (text,) = dag(p, "m1").values()
    yield from p.push({f"{p.dag_id}.py": text})
    first = yield from p.run()
    (text,) = dag(p, "m2").values()
    yield from p.push({f"{p.dag_id}.py": None, f"moved/{p.dag_id}_new.py": text})
    yield from p.run()
    yield from p.clear(first, ["a"])


def unrelated(p: Player) -> Script:
    yield from p.push(dag(p, "m1"))
    yield from p.run()
    yield from p.push({f"notes/{p.dag_id}.md": "An unrelated file.\n"})
    yield from p.run()


def triggered_right_after_a_push(p: Player) -> Script:
    yield from p.push(dag(p, "m1"))
    yield from p.run()
    yield from p.push(dag(p, "m2", "a b"), wait=False)
    early = p.start()
    yield from p.end(early)
    yield from p.released()
    yield from p.run()


# W: more changes at once than a version


def sibling_in_the_same_file(p: Player) -> Script:
    p.siblings = ("b",)
    other = f"{p.dag_id}_b"

    def files(mark: str, names: str) -> dict[str, str | None]:
        return dag(p, mark, names, after=f"chain({other!r}, ['a'])\n")

    for mark, names in (("m1", "a"), ("m2", "a c")):
        yield from p.push(files(mark, names))
        second = p.start(other)
        yield from p.run()
        yield from p.end(second, other)
    yield from p.push(files("m3", "a c"))


def two_changes_within_seconds(p: Player) -> Script:
    yield from p.push(dag(p, "m1", "a"))
    yield from p.run()
    yield from p.push(dag(p, "m2", "a b"))
    second = p.start()
    yield from p.push(dag(p, "m3", "a b c"), wait=False)
    within = p.start()
    yield from p.end(second)
    yield from p.end(within)
    yield from p.released()
    yield from p.run()


def two_changes_and_reparse(p: Player) -> Script:
    def reparse() -> None:
        api = p.stage.env.api()
        token = api.get(f"/api/v2/dags/{p.dag_id}").json()["file_token"]
        assert api.put(f"/api/v2/parseDagFile/{token}").status_code == 201

    yield from p.push(dag(p, "m1", "a"))
    yield from p.run()
    yield from p.push(dag(p, "m2", "a b"), wait=False)
    reparse()
    yield from p.released()
    second = p.start()
    yield from p.push(dag(p, "m3", "a b c"), wait=False)
    reparse()
    yield from p.end(second)
    yield from p.released()


SECONDS_OF_IMPORT = 4


def _slow(p: Player, mark: str, names: str) -> dict[str, str | None]:
    """A file that takes seconds to import, tells when it begins, and depends on the outside: so it is parsed
    again and again, as every file is on stock Airflow.
    """
    begun = p.gate / "parsing"
    top = f"""
import os
pathlib.Path({str(begun)!r}).write_text("@MARK@")
OUTSIDE = os.getenv("HOME")
time.sleep({SECONDS_OF_IMPORT})
"""
    return dag(p, mark, names, top=top)


def _parse_begins(p: Player, mark: str) -> Script:
    begun = p.gate / "parsing"
    begun.unlink(missing_ok=True)
    yield lambda: begun.exists() and begun.read_text() == mark


def edit_during_a_parse(p: Player) -> Script:
    p.gate.mkdir(parents=True, exist_ok=True)
    yield from p.push(_slow(p, "m1", "a"))
    yield from p.run()
    yield from _parse_begins(p, "m1")
    yield from p.push(dag(p, "m2", "a b"), wait=False)
    yield from p.released()
    yield from p.run()


def new_structure_during_a_parse(p: Player) -> Script:
    p.gate.mkdir(parents=True, exist_ok=True)
    yield from p.push(_slow(p, "m1", "a"))
    yield from p.run()
    yield from p.push(_slow(p, "m2", "a x"), wait=False)
    yield from _parse_begins(p, "m2")
    yield from p.push(dag(p, "m3", "a c"), wait=False)
    yield from p.released()
    yield from p.run()


# W: changes while a run is on its way


def in_flight(before: str, after: str, *, gated: str = "b", changed: str = "") -> Callable[[Player], Script]:
    """A change while one task is done, one stands at a gate and one has not begun."""

    def play(p: Player) -> Script:
        yield from p.push(dag(p, "m1", before))
        run_id = p.start(gated=[gated])
        p.expected[run_id] = {"MARK": "m1"}
        yield from p.reached(gated, run_id)
        yield from p.push(dag(p, "m2", after, more=changed))
        p.open(gated, run_id)
        yield from p.end(run_id)
        p.expected[(yield from p.run())] = {"MARK": "m2"}

    return play


def between_tries(before: str, after: str) -> Callable[[Player], Script]:
    """A change after a try that failed and before the next one, for which a paused Dag waits."""

    def play(p: Player) -> Script:
        yield from p.push(dag(p, "m1", before, more="default_args=RETRIES"))
        run_id = p.start(gated=["a"], fail=["a"])
        p.expected[run_id] = {"MARK": "m1"}
        yield from p.reached("a", run_id)
        p.pause(True)
        p.open("a", run_id)
        yield from p.state("a", run_id, "up_for_retry")
        yield from p.push(dag(p, "m2", after, more="default_args=RETRIES"))
        p.pause(False)
        yield from p.end(run_id)

    return play


# W: clearing


def clear_after_body_only(latest: bool) -> Callable[[Player], Script]:
    def play(p: Player) -> Script:
        yield from p.push(dag(p, "m1", "a u"))
        run_id = yield from p.run()
        yield from p.push(dag(p, "m2", "a u"))
        yield from p.clear(run_id, ["a"], latest=latest)

    return play


def clear_after_structural(*task_ids: str, latest: bool = False, **body: Any) -> Callable[[Player], Script]:
    """a >> b >> c becomes a >> c >> d; then tasks (or, with none named, the whole run) are cleared."""

    def play(p: Player) -> Script:
        yield from p.push(dag(p, "m1", "a b c"))
        run_id = yield from p.run()
        yield from p.push(dag(p, "m2", "a c d"))
        if task_ids:
            yield from p.clear(run_id, task_ids, latest=latest)
        else:
            yield from p.clear_run(run_id, **{"run_on_latest_version": latest, **body})

    return play


def clear_on_the_latest_while_running(p: Player) -> Script:
    yield from p.push(dag(p, "m1", "a b c"))
    run_id = p.start(gated=["b"])
    yield from p.reached("b", run_id)
    yield from p.push(dag(p, "m2", "a b c"))
    p.stage.env.clear(p.dag_id, run_id, task_ids=["a"], run_on_latest_version=True, include_downstream=False)
    yield (
        lambda: (
            len(list(p.stage.env.logs.glob(f"tasks/dag_id={p.dag_id}/run_id=*/task_id=a/attempt=2.log"))) > 0
        )
    )
    yield from p.state("a", run_id, "success")
    p.open("b", run_id)
    yield from p.end(run_id)


AUDIT: dict[str, Callable[[Player], Script]] = {
    "S1_structural": structural,
    "S1_groups": moved_between_groups,
    "S_untouched": untouched,
    "BA_meta": metadata,
    "BA_help": helper_only,
    "BA_hparam": helper_in_serialized_dag,
    "BA_renamed": renamed,
    "BB_push_trigger": triggered_right_after_a_push,
    "BC_bash": body_only("bash"),
    "W1_body_fn": body_only(),
    "W1_body_task": body_only("decorated"),
    "W1_body_mapped": body_only("mapped"),
    "W1_body_unversioned": body_only(more="disable_bundle_versioning=True"),
    "W2_sibling": sibling_in_the_same_file,
    "W3_unrelated": unrelated,
    "W4_two_in_30s": two_changes_within_seconds,
    "W4_reparse": two_changes_and_reparse,
    "W5_edit_during_parse": edit_during_a_parse,
    "W6_new_structure_during_parse": new_structure_during_a_parse,
    "W7_W8_midrun_body": in_flight("a b c", "a b c"),
    "W9_midrun_meta": in_flight("a b c", "a b c", changed="doc_md='new'"),
    "W10_midrun_structural": in_flight("a b c", "a c d"),
    "W10_midrun_group": in_flight("g.a g.b g.c", "g.a g.c g.d", gated="g.b"),
    "W11_change_while_running": in_flight("a b", "a d", gated="a"),
    "W12_retry_body": between_tries("a", "a"),
    "W13_clear_body": clear_after_body_only(latest=False),
    "W13_clear_body_latest": clear_after_body_only(latest=True),
    "W14_try_selector": between_tries("a", "a e"),
    "W15_clear_run": clear_after_structural(),
    "W16_clear_one": clear_after_structural("a"),
    "W17_clear_run_latest": clear_after_structural(latest=True),
    "W17_clear_one_latest": clear_after_structural("a", latest=True),
    "W17_clear_removed": clear_after_structural("b"),
    "W17_clear_removed_latest": clear_after_structural("b", latest=True),
    "W18_queue_new_tasks": clear_after_structural(only_new=True),
    "W19_moved_no_prefix": moved_without_prefix,
}
SLOW = frozenset({"W5_edit_during_parse", "W6_new_structure_during_parse"})
UNVERSIONED = frozenset({"W1_body_unversioned"})

BEYOND: dict[str, Callable[[Player], Script]] = {"latest_while_running": clear_on_the_latest_while_running}
"""What the audit did not try."""


# After following: a file that only a running task reads changes, so the build stays and the version does not


def _noted(p: Player, value: int) -> dict[str, str | None]:
    # No literal names the file, nor its suffix: that would make it part of the build.
    note = "pathlib.Path(__file__).with_suffix('.no' + 'te').read_text()"
    return {**dag(p, "m1", "a b", body=f'print("EXEC_NOTE=" + {note})'), f"{p.dag_id}.note": f"n{value}"}


def follows(p: Player) -> Script:
    yield from p.push(_noted(p, 1))
    p.expected[(yield from p.run())] = {"NOTE": "n1"}
    yield from p.push(_noted(p, 2))
    p.expected[(yield from p.run())] = {"NOTE": "n2"}


def follows_around_a_run(p: Player) -> Script:
    yield from p.push(_noted(p, 1))
    run_id = p.start(gated=["a"])
    p.expected[run_id] = {"NOTE": "n1"}
    yield from p.reached("a", run_id)
    yield from p.push(_noted(p, 2))
    p.open("a", run_id)
    yield from p.end(run_id)
    p.expected[(yield from p.run())] = {"NOTE": "n2"}


def cleared_after_a_follow(p: Player) -> Script:
    yield from p.push(_noted(p, 1))
    yield from p.push(_noted(p, 2))
    run_id = yield from p.run()
    p.expected[run_id] = {"NOTE": "n2"}
    yield from p.push(_noted(p, 3))
    yield from p.clear_run(run_id, run_on_latest_version=False)


FOLLOWED: dict[str, Callable[[Player], Script]] = {
    "follows": follows,
    "follows_around_a_run": follows_around_a_run,
    "cleared_after_a_follow": cleared_after_a_follow,
}
"""A run's version is newer than the version row of its release."""


# The truth table: one kind of change around a finished, a running and a retried run


def _of_kind(p: Player, kind: str, value: int) -> dict[str, str | None]:
    """The files whose only difference between two values is of one kind."""
    more = "default_args=RETRIES"
    name = p.dag_id
    if kind == "body":
        return dag(p, f"m{value}", "a b", more=more)
    if kind == "helper":
        top, body = f"import {name}_helper as helper", 'print(f"EXEC_HELPER={helper.VALUE}")'
        return {**dag(p, "m1", "a b", top=top, body=body, more=more), **_helper(p, f"h{value}")}
    if kind == "yaml":
        read = f"pathlib.Path(__file__).with_name({name + '.yaml'!r}).read_text()"
        top = f"import yaml\nCONFIG = yaml.safe_load({read})"
        body = "print('EXEC_YAML=' + CONFIG['value'].strip('<>'))"
        return {**dag(p, "m1", "a b", top=top, body=body, more=more), f"{name}.yaml": f"value: <y{value}>\n"}
    assert kind == "template"
    body = "print('EXEC_SQL=' + context['templates_dict']['sql'].split('<')[1].split('>')[0])"
    text = source(name, "m1", "a b", body=body, more=more)
    operator = f"templates_dict={{'sql': {name + '.sql'!r}}}, templates_exts=['.sql'], **more)"
    text = text.replace("python_callable=show, **more)", f"python_callable=show, {operator}")
    text += f"""
with DAG({name + "_sh"!r}, schedule=None, start_date=datetime(2024, 1, 1, tzinfo=timezone.utc)):
    # EXEC_FILE through the environment: the script itself is a template
    BashOperator(task_id="a", bash_command={name + ".sh"!r}, env={{"CODE": __file__}}, append_env=True)
"""
    script = f"# <s{value}>\nprintf 'EXEC_%s=%s\\n' MARK m1 SH s{value} FILE \"$CODE\"\n"
    return {f"{name}.py": text, f"{name}.sql": f"SELECT '<s{value}>'\n", f"{name}.sh": script}


def around(kind: str) -> Callable[[Player], Script]:
    """A finished run, one with a task at a gate, one between two tries; then the change; then a new run."""
    kind_of_mark = {"body": "MARK", "helper": "HELPER", "template": "SQL", "yaml": "YAML"}[kind]
    letter = {"body": "m", "helper": "h", "template": "s", "yaml": "y"}[kind]

    def play(p: Player) -> Script:
        scripted = [f"{p.dag_id}_sh"] if kind == "template" else []
        p.siblings = ("sh",) if scripted else ()
        yield from p.push(_of_kind(p, kind, 1))
        running = p.start(gated=["a"])
        retried = p.start(gated=["a"], fail=["a"])
        others = [p.start(dag_id) for dag_id in scripted]
        finished = yield from p.run()
        p.expected = {run_id: {kind_of_mark: f"{letter}1"} for run_id in (running, retried, finished)}
        yield from p.reached("a", running)
        yield from p.reached("a", retried)
        p.pause(True)
        p.open("a", retried)
        yield from p.state("a", retried, "up_for_retry")
        yield from p.push(_of_kind(p, kind, 2))
        p.pause(False)
        p.open("a", running)
        others += [p.start(dag_id) for dag_id in scripted]
        p.expected[(yield from p.run())] = {kind_of_mark: f"{letter}2"}
        yield from p.end(running)
        yield from p.end(retried)
        for dag_id, run_id in zip(scripted * 2, others, strict=True):
            yield from p.end(run_id, dag_id)

    return play


TABLE = {kind: around(kind) for kind in ("body", "helper", "template", "yaml")}
