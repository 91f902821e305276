"""Wire types of a no: RFC 9457 problem details, and the facts that come with them."""

from __future__ import annotations

from pydantic import Field

from pinwheel.api.schemas.parts import BaseAnswer, Moment


class InvalidPart(BaseAnswer):
    loc: list[str] = Field(description="Where in the request.")
    message: str


class EarlierRequest(BaseAnswer):
    """The request that a request id or key stands for, with those of its Dags that you may see."""

    verb: str
    dag_ids: list[str]
    actor: str
    at: Moment


class DagFacts(BaseAnswer):
    """What a no to one Dag is about, for programs. Each has those that fit it."""

    problem: str | None = Field(
        None, description="Its name, such as `era-overlap` or `stale-revision`, where it has one."
    )
    dag_id: str | None = None
    dag_ids: list[str] | None = None
    build: int | None = None
    release: int | None = None
    run_id: str | None = None
    task_id: str | None = None
    version: str | None = Field(None, description="A version key, or a bundle version.")
    path: str | None = None
    bundle: str | None = None
    bundle_name: str | None = None
    backfill: int | None = Field(None, description="Airflow's id of the backfill in the way.")
    expected_release: int | None = None
    active_release: int | None = None
    expected_revision: int | None = None
    active_revision: int | None = Field(None, description="The timeline's newest revision; 0: it has none.")
    active_build: int | None = None
    rule: str | None = Field(None, description="The rule that says no.")
    rejected_by: str | None = Field(None, description="Who rejected the build that was asked for.")


class WrongLine(BaseAnswer):
    """Something that is wrong with a file."""

    line: int
    found: str
    remedy: str


class Facts(DagFacts):
    """What an error is about, for programs. Each problem has those that fit it."""

    request_id: str | None = None
    first: EarlierRequest | None = Field(None, description="What was asked under this request id before.")
    wrong: list[WrongLine] | None = Field(
        None, description="What is wrong with a file of rules and policies, at most 21."
    )
    errors: list[InvalidPart] | None = Field(None, description="What is wrong with the request, at most 20.")


class Problem(BaseAnswer):
    """RFC 9457 problem details."""

    type: str = Field(examples=["urn:pinwheel:conflict"])
    title: str
    status: int
    detail: str = Field(description="What failed, what was found and what to do, in one text.")
    failed: str | None = None
    found: str | None = None
    remedy: str | None = None
    facts: Facts | None = None
