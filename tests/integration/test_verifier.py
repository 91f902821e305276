"""What a Dag processor knows of verification: one budget for all, and what it asks of the database."""

from __future__ import annotations

import importlib.util
import textwrap
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import sqlalchemy as sa
from airflow.dag_processing.manager import DagFileInfo
from attrs import evolve

from harness.prebuilt import Prebuilt, Text
from pinwheel.airflow3.parsing.handover import cpu_seconds_of
from pinwheel.airflow3.processor.head import Head
from pinwheel.airflow3.processor.verifier import ASK_AGAIN, LONGEST, Verifier
from pinwheel.store import tables as t

_spec = importlib.util.spec_from_file_location("parse_driver", Path(__file__).with_name("parse_driver.py"))
assert _spec is not None and _spec.loader is not None
parse_driver = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(parse_driver)

DOCS = {"README.md": "changed"}


class Processors:
    """Verifiers over one database, all files of which were parsed before the last push."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, share: str = "0.05") -> None:
        monkeypatch.setenv("AIRFLOW__PINWHEEL__VERIFY_BUDGET", share)
        self.now = 1000.0
        self.pusher = Prebuilt()
        self.pusher.push({dag_id: Text() for dag_id in "abc"})
        version, seq = self.pusher.advance([])
        manifest = {f"{dag_id}.py": Text().digest for dag_id in "abc"} | DOCS
        self.head = Head(
            bundle_name="prebuilt", version=version, seq=seq, path=Path("/bundles"), manifest=manifest
        )

    def new(self) -> Verifier:
        intake: Any = SimpleNamespace(heads={"prebuilt": self.head}, always=None, remember=None)
        return Verifier(self.pusher.host, intake, clock=lambda: self.now)

    def verify(self, verifier: Verifier, *, cpu: float) -> str:
        """The file that it verifies now, which takes so long."""
        self.now += 1  # That the result was looked at is charged too
        verification = verifier.next()
        assert verification is not None
        assert verifier.next() is None, "one at a time"
        dag_id = verification.rel_path.stem
        parsed = self.pusher.parsed(dag_id, version=self.head.version, seq=self.head.seq)
        found = verifier.take(verification, self.head, evolve(parsed, tree=self.head.tree), cpu)
        assert found is None, "it gave what it was known to give"
        return str(dag_id)


@pytest.fixture
def processors(airflow_database: Any, monkeypatch: pytest.MonkeyPatch) -> Processors:
    return Processors(monkeypatch)


def test_each_file_is_verified_once_and_then_nothing_is_asked(processors: Processors) -> None:
    verifier = processors.new()
    seen = [processors.verify(verifier, cpu=0.0) for _ in "abc"]
    assert seen == ["a", "b", "c"]
    assert verifier.next() is None
    verifier.host = verifier._lease.host = None  # type: ignore[assignment]
    processors.now += 3600
    assert verifier.next() is None, "no more is asked of the database"


@pytest.mark.acceptance("pushes", 28)
def test_several_processors_have_one_lease_and_one_budget(processors: Processors) -> None:
    one, other = processors.new(), processors.new()
    assert processors.verify(one, cpu=0.0) == "a"
    assert other.next() is None, "another has it"
    assert processors.verify(one, cpu=2.0) == "b"
    one.end()
    processors.now += ASK_AGAIN
    assert other.next() is None, "what the other one used is owed"
    processors.now += 41
    assert processors.verify(other, cpu=0.0) == "c"


def test_what_takes_too_long_is_not_the_first_after_each_push(processors: Processors) -> None:
    verifier = processors.new()
    verification = verifier.next()
    assert verification is not None
    verifier.gave_up(verification, 0.01)
    verifier.wake()
    assert [processors.verify(verifier, cpu=0.0) for _ in "bca"] == ["b", "c", "a"]


@pytest.mark.acceptance("pushes", 28)
@pytest.mark.parametrize("how", ["put_back", "gave_up"])
def test_what_a_stopped_verification_used_is_owed_by_all_processors(processors: Processors, how: str) -> None:
    one, other = processors.new(), processors.new()
    verification = one.next()
    assert verification is not None
    getattr(one, how)(verification, 2.0)
    assert one.next() is None
    one._lease.give_up()  # As when it has lapsed: who owes does not renew it
    processors.now += ASK_AGAIN
    assert other.next() is None, "what the other one used is owed"
    processors.now += 41
    assert other.next() is not None


def test_who_has_verified_for_long_lets_others_have_their_turn(processors: Processors) -> None:
    one, other = processors.new(), processors.new()
    processors.verify(one, cpu=0.0)
    processors.now += LONGEST
    assert one.next() is None
    assert processors.verify(other, cpu=0.0) == "b"
    assert one.next() is None


@pytest.mark.acceptance("pushes", 28)
def test_a_verification_that_was_stopped_is_charged_and_asked_for_again(processors: Processors) -> None:
    verifier = processors.new()
    verification = verifier.next()
    assert verification is not None
    verifier.put_back(verification, 1.0)
    assert verifier.next() is None, "it is owed"
    processors.now += 20.5
    assert [processors.verify(verifier, cpu=0.0) for _ in "bc"] == ["b", "c"], "others are not kept from it"
    again = verifier.next()
    assert again is not None and again.rel_path == verification.rel_path
    plain = DagFileInfo(again.rel_path, again.bundle_name, again.bundle_path, again.bundle_version)
    assert {again: 1}.get(plain) is None, "it is no entry of the file's own, or of its callbacks"


def test_a_second_parse_that_is_stopped_keeps_nobody_from_the_turn(processors: Processors) -> None:
    verifier = processors.new()
    first = verifier.next()
    assert first is not None and first.rel_path.stem == "a"
    processors.now += 1
    head = processors.head
    parsed = processors.pusher.parsed("a", version=head.version, seq=head.seq, text=Text(body=1))
    assert verifier.take(first, head, evolve(parsed, tree=head.tree), 0.0) is None
    for _ in range(2):
        processors.now += 3
        second = verifier.next()
        assert second is not None and second.rel_path == first.rel_path
        verifier.put_back(second, 0.1)
        verifier.wake()  # by a push
    processors.now += 3
    assert [processors.verify(verifier, cpu=0.0) for _ in "bc"] == ["b", "c"]


def test_what_takes_too_long_is_not_tried_again_in_this_version(processors: Processors) -> None:
    verifier = processors.new()
    verification = verifier.next()
    assert verification is not None
    verifier.gave_up(verification, 0.0)
    stopped = verifier.next()
    assert stopped is not None and stopped.rel_path.stem == "b"
    verifier.put_back(stopped, 0.01)
    processors.now += 1
    assert [processors.verify(verifier, cpu=0.0) for _ in "bc"] == ["c", "b"], "not since another was stopped"
    assert verifier.next() is None
    verifier.wake()
    assert processors.verify(verifier, cpu=0.0) == "a"


def test_a_difference_that_was_registered_meanwhile_is_no_unstable_dag(processors: Processors) -> None:
    """By a parse that was asked for, or by another processor's verification, before the second one ended."""
    other = Text(body=1)
    verifier = processors.new()

    def looked_at() -> Any:
        processors.now += 1
        verification = verifier.next()
        assert verification is not None and verification.rel_path.stem == "a"
        parsed = processors.pusher.parsed(
            "a", version=processors.head.version, seq=processors.head.seq, text=other
        )
        return verifier.take(verification, processors.head, evolve(parsed, tree=processors.head.tree), 0.0)

    assert looked_at() is None, "to be looked at again"
    processors.pusher.register("a", version=processors.head.version, seq=processors.head.seq, text=other)
    assert looked_at() is None, "it gives what it is known to give by now"


def test_what_a_file_asks_more_is_known_to_processors_that_remember_its_parse(processors: Processors) -> None:
    from pinwheel.airflow3.processor.intake import Intake
    from pinwheel.core.parse.inputs import Inputs
    from pinwheel.store import files

    host, head = processors.pusher.host, processors.head
    other: Any = Intake(host, None, list_files=None, heartbeat=None, taken=None)  # type: ignore[arg-type]
    (row,) = host.unit.run(lambda s: files.some(s, "prebuilt", ["a.py"])).values()
    (parse,) = host.unit.run(lambda s: files.parses(s, [row.parse_id])).values()
    before = Inputs.from_json(parse.inputs)
    other.remember("prebuilt", "a.py", head.seq, before, False, None)
    other.known["prebuilt", "a.py"] = evolve(other.known["prebuilt", "a.py"], parse_id=row.parse_id)

    seen: list[Inputs] = []
    verifier = processors.new()
    verifier.intake.remember = lambda *args: seen.append(args[3])  # type: ignore[method-assign]
    processors.now += 1
    verification = verifier.next()
    assert verification is not None and verification.rel_path.stem == "a"
    parsed = processors.pusher.parsed("a", version=head.version, seq=head.seq)
    more = evolve(parsed, tree=head.tree, inputs={**parsed.inputs, "asked": {"dot": ""}})
    assert verifier.take(verification, head, more, 0.0) is None
    assert seen[0].asked == {"dot": ""}

    rows = host.unit.run(lambda s: files.of_bundle(s, "prebuilt"))
    last = other._last_parses("prebuilt", rows, "")["a.py"]
    assert last.inputs.asked == {"dot": ""}, "or it judges the next version by what was seen before"
    of_content = host.unit.run(lambda s: files.earlier_parses(s, "prebuilt", [parse.file_digest]))
    earlier = [each for each in of_content[parse.file_digest] if each.relative_fileloc == "a.py"]
    assert [each.id for each in earlier] == [last.parse_id], "nothing is taken over by the former question"


def test_after_an_upgrade_the_rule_of_before_is_no_missed_dependency(processors: Processors) -> None:
    """Builds that an older Pinwheel made have digests by its rule; its parses are not made again for that."""
    from pinwheel.services.ingest import register
    from pinwheel.store import builds, files

    host, head = processors.pusher.host, processors.head
    parsed = processors.pusher.parsed("a", version=head.version, seq=head.seq)
    (content,) = parsed.contents
    (row,) = host.unit.run(lambda s: files.some(s, "prebuilt", ["a.py"])).values()
    (parse,) = host.unit.run(lambda s: files.parses(s, [row.parse_id])).values()
    (build_id,) = parse.builds.values()

    def as_it_was(session: Any) -> None:
        former = {"digest": content.former_digest, "serialized_digest": content.former_serialized_digest}
        builds.amend(session, build_id, **former)
        old = {"files": dict(parsed.inputs["files"])}
        session.execute(sa.update(t.parse).where(t.parse.c.id == row.parse_id).values(inputs=old))

    host.unit.run(as_it_was)
    today = evolve(parsed, tree=head.tree, contents=[evolve(content, objects_digest="walked")])
    verifier, found = processors.new(), None
    verifier.intake.always = lambda *args: None  # type: ignore[method-assign]
    while found is None:
        processors.now += 1
        verification = verifier.next()
        assert verification is not None and verification.rel_path.stem == "a"
        found = verifier.take(verification, head, today, 0.0)
    assert found.missed is None and found.always is None and not found.unstable
    register.register(host, found)
    (known,) = host.unit.run(lambda s: builds.by_ids(s, [build_id])).values()
    assert known.digest == today.contents[0].digest, "the same build, by today's rule"
    (row,) = host.unit.run(lambda s: files.some(s, "prebuilt", ["a.py"])).values()
    (parse,) = host.unit.run(lambda s: files.parses(s, [row.parse_id])).values()
    assert list(parse.builds.values()) == [build_id]
    assert (row.verified_tree, row.always) == (head.tree, None)
    assert [processors.verify(verifier, cpu=0.0) for _ in "bc"] == ["b", "c"]


def test_a_budget_of_0_verifies_nothing_and_says_so(
    airflow_database: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pinwheel.services.show.bundles import standings

    processors = Processors(monkeypatch, "0.05")
    host = processors.pusher.host
    processors.verify(processors.new(), cpu=0.0)
    with airflow_database.engine().begin() as connection:
        connection.execute(
            sa.text("UPDATE pinwheel_bundle_version SET tree = :tree WHERE version = :version"),
            {"tree": processors.head.tree, "version": processors.head.version},
        )
    (standing,) = standings(host).bundles
    assert standing.unverified is not None and standing.unverified.files == 2
    monkeypatch.setenv("AIRFLOW__PINWHEEL__VERIFY_BUDGET", "0")
    off = processors.new()
    assert off.next() is None
    assert standings(host).bundles[0].unverified is None, "nobody waits for what is not done"
    off.host = None  # type: ignore[assignment]
    assert off.next() is None


def test_a_parser_tells_the_cpu_time_of_its_children_too(tmp_path: Path) -> None:
    burn = "import time; [None for _ in iter(lambda: time.process_time() < 0.3, False)]"
    (tmp_path / "burns.py").write_text(
        textwrap.dedent(
            f"""
            import subprocess
            import sys

            from airflow.sdk import DAG

            subprocess.check_call([sys.executable, "-c", {burn!r}])
            DAG("burns", schedule=None)
            """
        )
    )
    told = cpu_seconds_of(parse_driver.parse(tmp_path, "burns.py"))
    assert told is not None and told >= 0.3
    assert cpu_seconds_of(None) is None
