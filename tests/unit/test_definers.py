"""Which file a Dag belongs to, when several parses gave it."""

from __future__ import annotations

import pytest

from pinwheel.core.parse.definers import Holder, definers


def holder(path: str, *reads: str, source: bytes = b"") -> Holder:
    return Holder(path=path, reads={path, *reads}, source=lambda: source)


def test_the_file_that_others_import_defines_the_dag() -> None:
    assert definers("d", [holder("a.py", "z.py"), holder("z.py"), holder("b.py", "a.py", "z.py")]) == {"z.py"}


def test_what_is_read_but_does_not_give_the_dag_says_nothing() -> None:
    assert definers("d", [holder("a.py", "factory.py", "lib.py")]) == {"a.py"}


def test_files_that_do_not_import_each_other_both_define_it() -> None:
    assert definers("d", [holder("a.py"), holder("b.py"), holder("c.py", "a.py")]) == {"a.py", "b.py"}


def test_of_files_that_import_each_other_it_is_the_one_that_spells_the_id() -> None:
    a, b = holder("a.py", "b.py", source=b"DAG('one')"), holder("b.py", "a.py", source=b"DAG('two')")
    importer = holder("c.py", "a.py", "b.py", source=b"ExternalTaskSensor('one'), 'two'")
    assert definers("one", [a, b, importer]) == {"a.py"}
    assert definers("two", [importer, b, a]) == {"b.py"}
    assert definers("three", [a, b, importer]) == {"a.py", "b.py"}


@pytest.mark.parametrize("quote", ["'", '"'])
def test_an_id_is_spelled_in_quotes_of_either_kind(quote: str) -> None:
    a = holder("a.py", "b.py", source=f"DAG({quote}one{quote})".encode())
    b = holder("b.py", "a.py", source=b"one = 1")
    assert definers("one", [a, b]) == {"a.py"}


def test_a_file_that_can_not_be_read_spells_nothing() -> None:
    gone = Holder(path="a.py", reads={"b.py"}, source=lambda: None)
    assert definers("XX", [gone, holder("b.py", "a.py", source=b"DAG('XX')")]) == {"b.py"}
