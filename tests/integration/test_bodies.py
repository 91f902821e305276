"""Bodies that are no JSON, or hold what no database takes: 422 with the reason from every operation."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.inprocess import bound_airflow
from harness.inprocess_api import API, BODIES, Api
from harness.seed import Seeder

pytestmark = [pytest.mark.airflow, pytest.mark.slow]

JSON = {"content-type": "application/json"}
DAG = """
    from airflow.sdk import DAG, task

    with DAG("d", schedule="@daily"):
        @task
        def first():
            print({mark!r})
        first()
"""


@pytest.fixture(scope="module")
def api(database_source: Any, tmp_path_factory: Any) -> Iterator[Api]:
    root: Path = tmp_path_factory.mktemp("bodies")
    database = database_source.create()
    with bound_airflow(database):
        seeder = Seeder(root)
        seeder.push({"d.py": DAG.format(mark="one")})
        seeder.push({"d.py": DAG.format(mark="two")})
        made = Api(seeder.host)
        made.as_("d").post(f"{API}/dags/d/runs", json={"run_id": "one"}).raise_for_status()
        yield made
    database.drop()


def operations(api: Api) -> dict[str, Any]:
    """By path, the body's schema of each operation that takes one."""
    document = api.app.openapi()
    found = {}
    for path, item in document["paths"].items():
        for operation in item.values():
            if "requestBody" in operation:
                assert {"413", "422"} <= operation["responses"].keys()
                schema = operation["requestBody"]["content"]["application/json"]["schema"]
                found[path.removeprefix(API)] = _resolved(schema, document)
    assert found.keys() == BODIES.keys()
    return found


def _resolved(schema: Any, document: Any) -> Any:
    (reference,) = [s["$ref"] for s in (schema, *schema.get("anyOf", ())) if "$ref" in s]
    return document["components"]["schemas"][reference.rpartition("/")[2]]


def send(api: Api, path: str, content: bytes, headers: Any = JSON) -> Any:
    url = API + path.format(dag_id="d", run_id="one", document="bank", rollout=1, verb="pause", name="ci")
    method = "PUT" if path.endswith(("/timeline", "/{document}", "/checks/{name}")) else "POST"
    return api.as_("d").request(method, url, content=content, headers=headers)


def refused(reply: Any) -> str:
    assert reply.status_code == 422, (reply.request.url, reply.request.content[:200], reply.text)
    assert reply.headers["content-type"] == "application/problem+json"
    body = reply.json()
    assert body["type"] == "urn:pinwheel:invalid-input"
    assert body["found"] and "Traceback" not in reply.text
    return str(body["found"])


MALFORMED = [
    ("a lone byte", b"\xff", JSON, "not UTF-8"),
    ("a byte in a text", b'{"reason": "\xff"}', JSON, "not UTF-8"),
    ("UTF-16", '{"reason": "x"}'.encode("utf-16"), JSON, "not UTF-8"),
    ("half of it", b'{"reason": "x', JSON, "not JSON"),
    ("two of them", b"{}{}", JSON, "not JSON"),
    ("a comment", b"{} // as asked", JSON, "not JSON"),
    ("deep", b'{"reason": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", JSON, "nested too deep"),
    ("deep and open", b'{"a":' * 200_000, JSON, "nested too deep"),
    ("NaN", b'{"reason": NaN}', JSON, "NaN is no JSON"),
    ("infinity", b'{"reason": -Infinity}', JSON, "Infinity is no JSON"),
    ("a large exponent", b'{"reason": 1e999}', JSON, "64 bits"),
    ("a long number", b'{"reason": ' + b"9" * 5000 + b"}", JSON, "too many digits"),
    ("a large number", b'{"reason": 36893488147419103232}', JSON, "64 bits"),
    ("one key twice", b'{"plan": true, "plan": false}', JSON, "same key twice"),
    ("one key twice, below", b'{"conf": {"a": 1, "a": 2}}', JSON, "same key twice"),
    ("a list", b"[]", JSON, "dictionary"),
    ("a text", b'"x"', JSON, "dictionary"),
    ("a number", b"1", JSON, "dictionary"),
    ("no type", b"{}", {"content-type": ""}, "does not say that it is JSON"),
    ("a form", b"plan=true", {"content-type": "application/x-www-form-urlencoded"}, "does not say"),
    ("parts", b"--x--", {"content-type": "multipart/form-data; boundary=x"}, "does not say"),
    ("a text's type", b"{}", {"content-type": "text/plain"}, "does not say that it is JSON"),
    ("a strange type", b"{}", {b"content-type": b"application/json/\x80"}, "does not say"),
]


@pytest.mark.parametrize(
    ("content", "headers", "words"), [m[1:] for m in MALFORMED], ids=[m[0] for m in MALFORMED]
)
def test_every_operation_refuses_a_malformed_body_with_the_reason(
    api: Api, content: bytes, headers: Any, words: str
) -> None:
    for path in operations(api):
        found = refused(send(api, path, content, headers))
        assert words in found, (path, found)
        assert len(found) < 2000


NOBODY_HOLDS = ["\0", "a\ud800", ["\udfff"], {"\0": 1}, {"a": ["\0"]}, 2**64, -(2**63) - 1, float("inf")]


def test_every_field_refuses_what_no_database_holds(api: Api) -> None:
    for path, schema in operations(api).items():
        for field in schema["properties"]:
            for value in [*NOBODY_HOLDS, {"a": NOBODY_HOLDS[0]}]:
                body = json.dumps({**BODIES[path], field: value})
                # Python writes JSON that is none; such a number arrives as one that is too large.
                refused(send(api, path, body.replace("Infinity", "1e999").encode()))


ODD = ["", "\x1b[31m\x07", "\u202eabc\u2028\U000e0041", "\U0001f600" * 60, "a\nb", "'; --", "\ufffe\uffff"]


def test_odd_text_that_a_database_holds_fails_nowhere(api: Api) -> None:
    fields = ("reason", "note", "run_id", "task_ids", "run_ids", "conf", "dag_run_conf")
    for path, schema in operations(api).items():
        for field in fields & schema["properties"].keys():
            for text in ODD:
                value = {text: text} if "conf" in field else [text] if field.endswith("ids") else text
                reply = send(api, path, json.dumps({**BODIES[path], field: value}).encode())
                assert reply.status_code < 500, (path, field, text, reply.text)
    reply = api.as_("d").post(f"{API}/dags/d/pin", json={"reason": "".join(ODD)})
    assert reply.is_success
    assert api.as_("d").get(f"{API}/events", params={"kind": "pin"}).json()["events"][0]["reason"] == "".join(
        ODD
    )
