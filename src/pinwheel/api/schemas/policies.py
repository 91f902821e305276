"""Wire types of rules and policies."""

from __future__ import annotations

import json
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from pinwheel.api.schemas.changes import SelectorBody
from pinwheel.api.schemas.parts import BaseAnswer, BaseRequest, Moment, Short, Text
from pinwheel.core.parse.lined_yaml import MOST_BYTES
from pinwheel.core.request import EVERY, Selection
from pinwheel.core.rule_request import DocumentRequest, TrialRequest

Source = Literal["platform", "repository"]
RuleKind = Literal["window", "freeze", "require", "forbid"]


class FileBody(BaseRequest):
    """Rules and policies, as text of a file or as the same in JSON."""

    text: Annotated[str, Field(max_length=MOST_BYTES)] | None = Field(
        None, description="The file, in YAML. Errors have the lines of it."
    )
    rules: list[dict[str, Any]] | None = Field(None, description="In place of `text`, in its notation.")
    policies: list[dict[str, Any]] | None = Field(None, description="In place of `text`, in its notation.")

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if self.text is not None and (self.rules is not None or self.policies is not None):
            raise ValueError("has text, and rules or policies too: give one of the two")
        if self.text is None and self.rules is None and self.policies is None:
            raise ValueError("has no text, rules or policies")
        return self

    def file(self) -> str:
        """The text of a file that says it."""
        if self.text is not None:
            return self.text
        given = {"rules": self.rules, "policies": self.policies}
        # JSON is YAML
        return json.dumps({key: value for key, value in given.items() if value}, ensure_ascii=False)


class DocumentBody(FileBody):
    reason: Text | None = None
    plan: bool = Field(False, strict=True, description="Only say what would change.")

    def request(self, name: str, *, plan: bool) -> DocumentRequest:
        return DocumentRequest(document=name, text=self.file(), reason=self.reason, plan=plan or self.plan)


class TrialBody(FileBody):
    document: Short = Field("test", description="The platform's document that it would be.")
    bundle: Short | None = Field(
        None, description="It would be the pinwheel.yaml of this bundle's repository instead."
    )
    selector: SelectorBody | None = Field(None, description="Without: all Dags that you may read.")

    def request(self) -> TrialRequest:
        return TrialRequest(
            text=self.file(),
            document=self.document,
            bundle=self.bundle,
            selection=self.selection(),
        )

    def selection(self) -> Selection:
        return EVERY if self.selector is None else self.selector.selection()


class PolicyRule(BaseAnswer):
    """A rule that is in force."""

    name: str
    kind: RuleKind
    dags: str = Field(description="Which it is about, in words.")
    says: str
    override: list[str] = Field(
        description="Who may override it, besides having the right; empty: all who have it."
    )
    actor: str
    reason: str | None
    at: Moment


class PolicyOffered(BaseAnswer):
    """A policy, in its newest revision."""

    name: str
    revision: int
    dags: str = Field(description="Which it is about, in words.")
    says: list[str] = Field(description="Its steps in their order, in words.")
    locked: bool
    newer: Literal["supersede", "replace", "queue"]
    follow: bool
    bundle_version: str | None = Field(description="Of a repository's: the version that brought it.")
    actor: str
    at: Moment


class Notation(BaseAnswer):
    """Rules and policies as a file has them, and as `PUT` takes them."""

    rules: list[Any]
    policies: list[Any]


class PolicyDocument(BaseAnswer):
    """The rules and policies of one document of the platform, or of one repository."""

    name: str = Field(description="Of the document, or of the bundle whose repository it is.")
    source: Source
    rules: list[PolicyRule]
    policies: list[PolicyOffered]
    notation: Notation
    changed_at: Moment = Field(description="When the newest of what is in it came in.")
    changed_by: str


class PolicyDocuments(BaseAnswer):
    documents: list[PolicyDocument] = Field(
        description="Those of the platform, and of repositories of bundles that you may know of."
    )
    by_hand: list[PolicyRule] = Field(description="Rules that are in no document.")
    problem: str | None = Field(
        description="What is wrong with the file that the configuration names; null: nothing."
    )


class PartChange(BaseAnswer):
    """What becomes of one rule or policy."""

    name: str
    what: Literal["added", "changed", "removed"]
    dags: str
    says: list[str]
    loosened: list[str] = Field(description="What a changed policy holds less than it did.")


class SavedDocument(BaseAnswer):
    document: str
    changed: bool
    rules: list[PartChange]
    policies: list[PartChange]


class TriedDag(BaseAnswer):
    """What a file would mean for one Dag."""

    dag_id: str
    policy: str = Field(description="The one that would be in force at once.")
    source: Literal["locked", "repository", "platform", "built-in"]
    steps: list[str] = Field(description="In words, with the gates that rules require.")
    policy_now: str
    changed: bool = Field(description="Its plan would be another one than now.")
    loosened: list[str] = Field(description="What the file holds less than what is in force now.")
    waits: bool = Field(
        description="Of a repository's: so it would come into force with the Dag's next release only."
    )
    rules: list[str] = Field(description="Those that would bind it, by name, open or closed at the moment.")
    closed: bool = Field(description="A window or freeze would let nothing be released now.")


class TriedFile(BaseAnswer):
    name: str
    source: Source
    rules: int
    policies: int
    dags: list[TriedDag]


class StepOfDag(BaseAnswer):
    kind: Literal["approve", "check", "wait", "release", "soak"]
    says: str
    required: bool = Field(description="A rule requires it, whatever the policy says.")


class RuleOfDag(BaseAnswer):
    name: str
    kind: RuleKind
    dags: str
    says: str
    document: str | None = Field(description="Of the platform; null: somebody made it by hand.")
    override: list[str]


class ClosedRule(BaseAnswer):
    """A freeze or window that lets none of the Dag's places be released now."""

    kind: Literal["freeze", "window"]
    reason: str | None
    since: Moment | None
    until: Moment | None = Field(description="When it opens by itself; null: it does not, or nobody knows.")
    by: str | None


class ConsideredPolicy(BaseAnswer):
    name: str
    source: Literal["locked", "repository", "platform", "built-in"]
    chosen: bool
    why: str


class PolicyOfDag(BaseAnswer):
    """By what a Dag is judged now, and why."""

    dag_id: str
    bundle: str
    policy: str
    source: Literal["locked", "repository", "platform", "built-in"]
    revision: int | None = Field(description="Null of the built-in one.")
    why: str
    at_once: bool = Field(
        description="Each new build is released when it arrives, where no window or freeze is closed."
    )
    steps: list[StepOfDag]
    back: str | None = Field(
        description="What would become of the next release if it were worse, as part of a sentence; null: "
        "nobody watches it."
    )
    newer: Literal["supersede", "replace", "queue"]
    follow: bool
    rules: list[RuleOfDag]
    closed: list[ClosedRule] = Field(description="Freezes and windows that are closed now.")
    loosened: list[str] = Field(
        description="What the repository's newest policy holds less, so that it waits for the next release."
    )
    waits: str | None = Field(description="The name of that policy, or of what takes its place.")
    considered: list[ConsideredPolicy]
