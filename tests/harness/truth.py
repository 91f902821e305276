"""What each try really ran, compared with everything that says what it ran.

``Stage`` plays many scenarios at once on one running deployment: each is a generator that yields conditions;
what they push to the same bundle at the same moment becomes one commit. ``read`` then compares, for each try
that printed something, its log with Pinwheel's history, Airflow's rows and Airflow's REST API.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID

from harness.airflow_env import AirflowEnv
from harness.processes import TIMEOUT_FACTOR
from harness.shared import FolderSlot, GitSlot

Condition = Callable[[], Any]
Script = Generator[Condition, None, None]

_MARK = re.compile(r"\bEXEC_([A-Z]+)=([^\s\"\\]+)")
_LOG = re.compile(
    r"dag_id=(?P<dag>[^/]+)/run_id=(?P<run>[^/]+)/task_id=(?P<task>[^/]+)/"
    r"(?:map_index=(?P<index>\d+)/)?attempt=(?P<attempt>\d+)\.log$"
)
_VERSION_DIRECTORY = re.compile(r"/versions/([^/]+)/")
_FINISHED = ("success", "failed")


@dataclass(frozen=True)
class Printed:
    """One try as its log tells it: the truth."""

    dag_id: str
    run_id: str
    task_id: str
    map_index: int
    try_number: int
    marks: Mapping[str, str]
    file: Path
    version: str
    """The bundle version in whose directory the file lay; with aliases, if it had any."""

    @property
    def sha(self) -> str:
        return self.version[:40]

    @property
    def root(self) -> Path:
        """The directory of the bundle version."""
        return Path(str(self.file)[: str(self.file).index(self.version) + len(self.version)])

    @property
    def key(self) -> tuple[str, str, str, int, int]:
        return self.dag_id, self.run_id, self.task_id, self.map_index, self.try_number


@dataclass(frozen=True)
class Reading:
    """One statement of somebody about one try (or run), and whether it is true."""

    where: str
    subject: str
    right: bool
    said: str = ""
    ran: str = ""

    def __str__(self) -> str:
        return f"{self.where} of {self.subject}: says {self.said}, ran {self.ran}"


@dataclass
class Player:
    """One scenario on one bundle."""

    stage: Stage
    scenario: str
    bundle: str
    kind: str
    play: Callable[[Player], Script]
    files: dict[str, str | None] = field(default_factory=dict)
    error: str | None = None
    seconds: float = 0.0
    readings: list[Reading] = field(default_factory=list)
    siblings: tuple[str, ...] = ()
    """More Dags of the scenario: what their ids have after the scenario's own."""
    expected: dict[str, dict[str, str]] = field(default_factory=dict)
    """What all tries of a run must have printed, by run id: a run keeps what it began with."""
    _script: Script | None = None
    _waiting: Condition | None = None
    _since: float = 0.0

    @property
    def id(self) -> str:
        return f"{self.kind}-{self.scenario}"

    @property
    def dag_id(self) -> str:
        return f"{self.kind}_{self.scenario}".lower()

    @property
    def dag_ids(self) -> list[str]:
        return [self.dag_id, *(f"{self.dag_id}_{more}" for more in self.siblings)]

    @property
    def gate(self) -> Path:
        """A folder through which the scenario and its tasks talk."""
        return self.stage.env.root / "gates" / self.dag_id

    # what a scenario does; each is used with ``yield from``

    def push(self, files: Mapping[str, str | None], *, wait: bool = True) -> Script:
        """Change files; unless ``wait=False``, go on when that version of the bundle is parsed."""
        self.files.update(files)
        self.stage.pending.setdefault(self.bundle, {}).update(files)
        if not wait:
            self.stage.commit(self.bundle)
            return
        yield lambda: self.bundle not in self.stage.pending and self._settled()

    def released(self) -> Script:
        """Wait until all that was pushed so far is parsed."""
        yield self._settled

    def start(self, dag_id: str | None = None, *, gated: Sequence[str] = (), fail: Sequence[str] = ()) -> str:
        """Trigger a run; tasks in ``gated`` wait at the gate, those in ``fail`` fail their first try."""
        conf = {"gate": str(self.gate), "gated": list(gated), "fail": list(fail)}
        self.gate.mkdir(parents=True, exist_ok=True)
        return self.stage.env.trigger(dag_id or self.dag_id, conf=conf)

    def run(self, dag_id: str | None = None) -> Generator[Condition, None, str]:
        """Trigger a run and wait for its success."""
        run_id = self.start(dag_id)
        yield from self.end(run_id, dag_id)
        return run_id

    def end(self, run_id: str, dag_id: str | None = None) -> Script:
        """Wait for the run's success. Fails when it failed."""
        key = (dag_id or self.dag_id, run_id)

        def ended() -> bool:
            state = self.stage.runs.get(key)
            assert state != "failed", f"run {key} failed\n{self.stage.env.describe(*key)}"
            return state == "success"

        yield ended

    def reached(self, task_id: str, run_id: str) -> Script:
        """Wait until a task stands at the gate."""
        yield lambda: (self.gate / f"{run_id}.{task_id}.reached").exists()

    def open(self, task_id: str, run_id: str) -> None:
        (self.gate / f"{run_id}.{task_id}").touch()

    def state(self, task_id: str, run_id: str, *states: str) -> Script:
        yield lambda: self.stage.tasks.get((self.dag_id, run_id, task_id)) in states

    def pause(self, paused: bool) -> None:
        reply = self.stage.env.api().patch(f"/api/v2/dags/{self.dag_id}", json={"is_paused": paused})
        assert reply.status_code == 200, reply.text

    def clear(self, run_id: str, task_ids: Sequence[str], *, latest: bool = False) -> Script:
        """Clear tasks of a finished run and wait until it is finished again."""
        self.stage.env.clear(
            self.dag_id,
            run_id,
            task_ids=list(task_ids),
            run_on_latest_version=latest,
            include_downstream=False,
        )
        yield from self._again(run_id)

    def clear_run(self, run_id: str, **body: Any) -> Script:
        """Clear a whole run (``only_new=True``: "Queue up new tasks")."""
        path = f"/api/v2/dags/{self.dag_id}/dagRuns/{run_id}/clear"
        reply = self.stage.env.api().post(path, json={"dry_run": False, **body})
        assert reply.status_code == 200, reply.text
        yield from self._again(run_id)

    def _again(self, run_id: str) -> Script:
        # The picture of before the clear may still show the run as finished.
        self.stage.runs.pop((self.dag_id, run_id), None)
        seen = self.stage.looks
        yield lambda: self.stage.looks > seen
        yield from self.end(run_id)

    def _settled(self) -> bool:
        version, head, settled = self.stage.heads.get(self.bundle, (None, 0, -1))
        if version is None or head != settled:
            return False
        root = self.stage.env.root / "bundles" / self.bundle / "versions" / version
        return all(_text(root / name) == text for name, text in self.files.items())

    # used by Stage

    def step(self, patience: float) -> bool:
        """Go on as far as possible; whether the scenario has ended."""
        now = time.monotonic()
        try:
            if self._script is None:
                self._script, self._since = self.play(self), now
            elif self._waiting is not None and not self._waiting():
                if now - self._since > patience:
                    raise TimeoutError(f"{self.id} waited {patience:g} s in {self._where()}")
                return False
            self._waiting, self._since = next(self._script), now
            return False
        except StopIteration:
            return True
        except Exception as error:
            self.error = f"{type(error).__name__}: {error}"
            return True

    def _where(self) -> str:
        frame, names = self._script, []
        while frame is not None and getattr(frame, "gi_frame", None) is not None:
            names.append(f"{frame.gi_code.co_name}:{frame.gi_frame.f_lineno}")
            frame = frame.gi_yieldfrom
        return " > ".join(names)


CONFIG = {
    # A task at a gate holds a slot: more slots than gates at once.
    "core.parallelism": 26,
    # A connection for each of the API server's 40 threads. With Airflow's 15, requests of tasks that start
    # beside each other on a busy machine waited 30 s for one and got a 500 (docs/airflow-notes.md).
    "database.sql_alchemy_pool_size": 40,
    "dag_processor.parsing_processes": 4,
}


class Stage:
    """Scenarios at once on one deployment, with a bundle for each name in ``slots``."""

    def __init__(self, env: AirflowEnv, slots: Mapping[str, GitSlot | FolderSlot]) -> None:
        self.env = env
        self.slots = slots
        self.pending: dict[str, dict[str, str | None]] = {}
        self.looks = 0
        self.runs: dict[tuple[str, str], str] = {}
        self.tasks: dict[tuple[str, str, str], str] = {}
        self.heads: dict[str, tuple[str | None, int, int]] = {}
        self.commits: dict[str, int] = {}
        # Scores of runs are triggered at once.
        env.api().timeout = 120 * TIMEOUT_FACTOR

    def play(self, players: Sequence[Player], *, patience: float = 300.0) -> None:
        """All scenarios to their ends; what went wrong in one stands in its ``error``."""
        began = time.monotonic()
        left = list(players)
        while left:
            self.look()
            for player in list(left):
                if player.step(patience):
                    player.seconds = time.monotonic() - began
                    left.remove(player)
            for bundle in [b for b in self.pending if self._at_rest(b)]:
                self.commit(bundle)
            time.sleep(0.2)

    def look(self) -> None:
        """One picture of all runs, tasks and bundles, instead of a question by each scenario."""
        rows = self.env.rows
        self.runs = {
            (r["dag_id"], r["run_id"]): r["state"] for r in rows("SELECT dag_id, run_id, state FROM dag_run")
        }
        self.tasks = {
            (r["dag_id"], r["run_id"], r["task_id"]): r["state"]
            for r in rows("SELECT dag_id, run_id, task_id, state FROM task_instance")
        }
        self.heads = {
            r["name"]: (r["head_version"], r["head_seq"], r["settled_seq"])
            for r in rows("SELECT name, head_version, head_seq, settled_seq FROM pinwheel_bundle")
        }
        self.looks += 1

    def commit(self, bundle: str) -> None:
        """Push what scenarios left for this bundle."""
        files = self.pending.pop(bundle)
        slot = self.slots[bundle]
        if isinstance(slot, GitSlot):
            slot.repo.commit(files, message=f"Change {len(files)} files")
        else:
            slot.write(files)
        self.commits[bundle] = self.commits.get(bundle, 0) + 1

    def _at_rest(self, bundle: str) -> bool:
        version, head, settled = self.heads.get(bundle, (None, 0, -1))
        return version is not None and head == settled


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except FileNotFoundError:
        return None


def printed(env: AirflowEnv) -> dict[str, list[Printed]]:
    """All tries that left something in their logs, by Dag."""
    found: dict[str, list[Printed]] = {}
    root = env.logs / "tasks"
    for path in sorted(root.glob("dag_id=*/run_id=*/task_id=*/**/attempt=*.log")):
        match = _LOG.search(str(path))
        marks = dict(_MARK.findall(path.read_text(errors="replace")))
        if match is None or "FILE" not in marks:
            continue
        file = Path(marks["FILE"])
        version = _VERSION_DIRECTORY.search(str(file))
        assert version, f"{path}: ran from {file}, which belongs to no bundle version"
        found.setdefault(match["dag"], []).append(
            Printed(
                dag_id=match["dag"],
                run_id=match["run"],
                task_id=match["task"],
                map_index=int(match["index"] or -1),
                try_number=int(match["attempt"]),
                marks=marks,
                file=file,
                version=version[1],
            )
        )
    return found


class Reader:
    """Asks everybody who says what a try ran."""

    def __init__(self, env: AirflowEnv) -> None:
        from pinwheel.airflow3.host import airflow_host

        self.env = env
        self.host = airflow_host()
        self.truth = printed(env)
        self._rows = self._airflow_rows()
        self._versions = {
            r["id"]: r
            for r in env.rows(
                "SELECT v.id, v.dag_id, v.version_number, v.bundle_version, c.source_code FROM dag_version v"
                " LEFT JOIN dag_code c ON c.dag_version_id = v.id"
            )
        }
        self._runs = {
            (r["dag_id"], r["run_id"]): r
            for r in env.rows("SELECT dag_id, run_id, bundle_version, created_dag_version_id FROM dag_run")
        }
        self._sources: dict[tuple[str, int], str] = {}
        self._places = _Places(env)

    def _row(self, where: str, ran: Printed, subject: str, version: Mapping[str, Any]) -> Reading:
        """Whether a version row is true of a try. A run that followed executes a newer version than the row
        of its release names: the row is right only where both versions hold the same for its build.
        """
        said = _sha(version.get("bundle_version"))
        if said is None or said == ran.sha:
            return _equal(where, subject, said, ran.sha)
        differs = self._places.difference(str(version["id"]), said, ran)
        return Reading(where, subject, differs is None, f"{said} ({differs or 'same content'})", ran.sha)

    def _airflow_rows(self) -> dict[tuple[Any, ...], list[dict[str, Any]]]:
        found: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
        for table in ("task_instance", "task_instance_history"):
            columns = "dag_id, run_id, task_id, map_index, try_number, start_date, dag_version_id"
            for row in self.env.rows(f"SELECT {columns} FROM {table}"):
                key = (row["dag_id"], row["run_id"], row["task_id"], row["map_index"], row["try_number"])
                found.setdefault(key, []).append(row)
        return found

    def read(self, dag_id: str, *, versioned: bool = True) -> Iterator[Reading]:
        """All readings of one Dag's tries. ``versioned=False`` for a Dag that opted out of bundle versions:
        what it ran is known by content only, since it runs on whatever version is newest.
        """
        tries = self.truth.get(dag_id, [])
        assert tries, f"no try of {dag_id} printed anything"
        yield from self._history(dag_id, tries, versioned)
        yield from self._airflow(dag_id, tries, versioned)
        yield from self._rest(dag_id, tries, versioned)

    def _history(self, dag_id: str, tries: Sequence[Printed], versioned: bool) -> Iterator[Reading]:
        from harness.asked import history
        from pinwheel.services.history.tries import TryView

        shown: dict[tuple[Any, ...], list[TryView]] = {}
        for row in history(self.host, dag_id):
            key = (dag_id, row.run_id, row.task_id, row.map_index, row.try_number)
            shown.setdefault(key, []).append(row)
        for ran in tries:
            rows = shown.get(ran.key, [])
            subject = _subject(ran)
            yield Reading("pinwheel.listed", subject, len(rows) == 1, f"{len(rows)} tries", "1 try")
            for row in rows[:1]:
                if versioned:
                    yield _equal("pinwheel.version", subject, row.bundle_version, ran.sha)
                wrong = self._stored_differently(dag_id, row.build, ran)
                yield Reading(
                    "pinwheel.source",
                    subject,
                    not wrong,
                    f"build {row.build} {wrong}",
                    str(dict(ran.marks)),
                )
        # What nobody ran must not be shown as having run.
        truth = {ran.key for ran in tries}
        for key, rows in shown.items():
            if key not in truth and any(row.state in ("success", "failed") for row in rows):
                yield Reading("pinwheel.listed", "/".join(map(str, key)), False, rows[0].state, "nothing")

    def _stored_differently(self, dag_id: str, build: int | None, ran: Printed) -> list[str]:
        """The files of the build whose stored source is not what lay where the try ran, and the marks that
        the try printed which no stored source holds.
        """
        from pinwheel.store import builds

        if build is None:
            return ["no build"]

        def load(session: Any) -> dict[str, bytes]:
            found = builds.by_number(session, dag_id, build)
            assert found is not None
            files = builds.files(session, found.id)
            stored = builds.sources(session, files.values())
            return {path: stored.get(digest, b"") for path, digest in files.items()}

        sources = self.host.unit.run(load)
        wrong = [path for path, content in sources.items() if content != _bytes(ran.root / path)]
        everything = b"\n".join(sources.values()).decode(errors="replace")
        wrong += [
            f"{name}={value}"
            for name, value in ran.marks.items()
            if name in ("MARK", "HELPER", "SQL", "SH", "YAML") and f"<{value}>" not in everything
        ]
        return wrong

    def _airflow(self, dag_id: str, tries: Sequence[Printed], versioned: bool) -> Iterator[Reading]:
        newest: dict[tuple[str, str], tuple[Any, Printed]] = {}
        for ran in tries:
            rows = self._rows.get(ran.key, [])
            subject = _subject(ran)
            yield Reading("airflow.listed", subject, len(rows) == 1, f"{len(rows)} rows", "1 try")
            for row in rows:
                version = self._versions.get(row["dag_version_id"], {})
                if versioned:
                    yield self._row("airflow.version", ran, subject, version)
                yield _same_code("airflow.code", subject, version.get("source_code"), ran)
                moment = str(row["start_date"])
                if (ran.dag_id, ran.run_id) not in newest or newest[(ran.dag_id, ran.run_id)][0] < moment:
                    newest[(ran.dag_id, ran.run_id)] = (moment, ran)
        for key, (_, ran) in newest.items():
            run = self._runs[key]
            created = self._versions.get(run["created_dag_version_id"], {})
            subject = "/".join(key)
            if versioned:
                yield _equal("airflow.run.version", subject, _sha(run["bundle_version"]), ran.sha)
                yield self._row("airflow.run.created", ran, subject, created)
            yield _same_code("airflow.run.code", subject, created.get("source_code"), ran)

    def _rest(self, dag_id: str, tries: Sequence[Printed], versioned: bool) -> Iterator[Reading]:
        by_task: dict[tuple[str, str, int], list[Printed]] = {}
        for ran in tries:
            by_task.setdefault((ran.run_id, ran.task_id, ran.map_index), []).append(ran)
        present = {
            (ti["dag_run_id"], ti["task_id"], ti["map_index"]): ti
            for ti in self.env.get(f"/api/v2/dags/{dag_id}/dagRuns/~/taskInstances", limit=100)[
                "task_instances"
            ]
        }
        for (run_id, task_id, index), group in by_task.items():
            last = max(group, key=lambda ran: ran.try_number)
            ti = present[(run_id, task_id, index)]
            answers = [(ran, self._try(ran)) for ran in group if len(group) > 1]
            for where, ran, answer in (
                ("rest.ti", last, ti),
                *(("rest.try", ran, answer) for ran, answer in answers),
            ):
                version = answer["dag_version"] or {}
                subject = _subject(ran)
                if versioned:
                    yield self._row(f"{where}.version", ran, subject, version)
                number = version.get("version_number")
                source = None if number is None else self._source(dag_id, number)
                yield _same_code(f"{where}.code", subject, source, ran)

    def _try(self, ran: Printed) -> dict[str, Any]:
        task = f"/api/v2/dags/{ran.dag_id}/dagRuns/{ran.run_id}/taskInstances/{ran.task_id}"
        middle = f"/{ran.map_index}" if ran.map_index >= 0 else ""
        return dict(self.env.get(f"{task}{middle}/tries/{ran.try_number}"))

    def _source(self, dag_id: str, number: int) -> str:
        if (dag_id, number) not in self._sources:
            path = f"/api/v2/dagSources/{dag_id}"
            self._sources[(dag_id, number)] = self.env.get(path, version_number=number)["content"]
        return self._sources[(dag_id, number)]


class _Places:
    """Whether what a version row names and what a run executed are the same for the row's build."""

    def __init__(self, env: AirflowEnv) -> None:
        self._builds = {
            str(UUID(str(r["dag_version_id"]))): r
            for r in env.rows(
                "SELECT r.dag_version_id, b.id, b.dag_id, b.build, b.bundle_name FROM pinwheel_release r"
                " JOIN pinwheel_build b ON b.id = r.build_id"
            )
        }
        self._seqs = {
            (r["bundle_name"], r["version"]): r["seq"]
            for r in env.rows("SELECT bundle_name, version, seq FROM pinwheel_bundle_version")
        }
        self._spans = env.rows("SELECT build_id, bundle_name, first_seq, last_seq FROM pinwheel_stand")

    def difference(self, row_id: str, said: str, ran: Printed) -> str | None:
        """What speaks against it; None: nothing does."""
        build = self._builds.get(str(UUID(row_id)))
        if build is None:
            return "no release has this row"
        seq = self._seqs.get((build["bundle_name"], ran.sha), 0)
        stood = [
            span
            for span in self._spans
            if (span["build_id"], span["bundle_name"]) == (build["id"], build["bundle_name"])
            and span["first_seq"] <= seq
            and (span["last_seq"] is None or seq <= span["last_seq"])
        ]
        if seq < 1 or not stood:
            return f"build {build['build']} did not stand in what ran"
        files = _files_of(ran.dag_id, build["build"])
        if not files:
            return f"build {build['build']} has no files"
        other = [path for path in files if _in_mirror(ran, said, path) != _bytes(ran.root / path)]
        return f"other content of {other}" if other else None


def _files_of(dag_id: str, number: int) -> list[str]:
    from pinwheel.airflow3.host import airflow_host
    from pinwheel.store import builds

    def load(session: Any) -> list[str]:
        found = builds.by_number(session, dag_id, number)
        assert found is not None
        return sorted(builds.files(session, found.id))

    return airflow_host().unit.run(load)


def _in_mirror(ran: Printed, version: str, path: str) -> bytes:
    """A file as the bundle's own git repository has it in this version."""
    mirror = ran.root.parent.parent / "mirror.git"
    done = subprocess.run(
        ["git", "-C", str(mirror), "show", f"{version}:{path}"], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _bytes(path: Path) -> bytes | None:
    return path.read_bytes() if path.is_file() else None


def _sha(version: str | None) -> str | None:
    """A version as Airflow holds it, without the aliases of moved files."""
    return None if version is None else version[:40]


def _subject(ran: Printed) -> str:
    index = f"[{ran.map_index}]" if ran.map_index >= 0 else ""
    return f"{ran.dag_id}/{ran.run_id}/{ran.task_id}{index} try {ran.try_number}"


def _equal(where: str, subject: str, said: object, ran: object) -> Reading:
    return Reading(where, subject, said == ran, str(said), str(ran))


def _same_code(where: str, subject: str, source: str | None, ran: Printed) -> Reading:
    text = ran.file.read_text()
    right = source == text and f"CODE_MARK: <{ran.marks['MARK']}>" in text
    first = (source or "nothing").splitlines()[0]
    return Reading(where, subject, right, first, ran.marks["MARK"])
