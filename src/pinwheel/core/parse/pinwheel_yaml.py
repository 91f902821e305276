"""``pinwheel.yaml``: read strictly, each error with its line and what to do about it."""

from __future__ import annotations

from typing import Annotated, Any

from attrs import frozen
from pydantic import AfterValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from pinwheel.core.parse.declared import FILE, Rule, why_no_pattern
from pinwheel.core.parse.lined_yaml import Document, NotReadable, Place, Wrong, load
from pinwheel.core.parse.policy_yaml import (
    policies_of,
    schema_of,
    taken_names,
    too_many_names,
    without_a_watch,
    without_others,
)
from pinwheel.core.parse.told import checked, in_order
from pinwheel.core.release.notation import MOST_ITEMS, Strict
from pinwheel.core.release.policy import Policy
from pinwheel.core.release.written import RepositoryPolicy
from pinwheel.core.selector import Selector

_MOST_RULES = 500
_MOST_NAMES = 500
_MOST_PATTERNS = 200


def _pattern(value: str) -> str:
    if why := why_no_pattern(value):
        raise PydanticCustomError("pattern", "{found}", {"found": why[0], "remedy": why[1]})
    return value


_Name = Annotated[str, StringConstraints(min_length=1, max_length=250)]
_Names = Annotated[list[_Name], Field(min_length=1, max_length=_MOST_NAMES)]
_Pattern = Annotated[
    str,
    StringConstraints(min_length=1, max_length=500),
    AfterValidator(_pattern),
    Field(examples=["dbt/**", "conf/*.yaml"]),
]


class DagsOfRule(Strict):
    """Which Dags. Ids and globs add up; tags (any of them) narrow what these give. At least one is needed."""

    model_config = ConfigDict(
        title="Which Dags",
        json_schema_extra={"anyOf": [{"required": [key]} for key in ("ids", "globs", "tags")]},
    )

    ids: _Names = Field(default_factory=list, description="Dag ids. There has to be a Dag of each.")
    globs: _Names = Field(
        default_factory=list, description="Shell patterns of Dag ids, case-sensitive: sales_*"
    )
    tags: _Names = Field(default_factory=list, description="Tags, as the Dags have them.")


class DeclaredRule(Strict):
    """Files of the repository that some Dags depend on, though no parse reads them."""

    model_config = ConfigDict(title="Declared inputs")

    dags: DagsOfRule = Field(description="The Dags that depend on the files.")
    files: Annotated[list[_Pattern], Field(min_length=1, max_length=_MOST_PATTERNS)] = Field(
        description="Paths from the repository's root. * and ? stand for letters of one name, [ab] for one "
        "of these letters, ** for any number of folders; at the end, for all files below."
    )


class PinwheelYaml(Strict):
    """What a repository tells Pinwheel, in the file pinwheel.yaml at its root."""

    model_config = ConfigDict(title=FILE)

    inputs: Annotated[list[DeclaredRule], Field(max_length=_MOST_RULES)] = Field(
        default_factory=list,
        description="Declared inputs: a change of such a file is a new build of the Dags.",
    )
    policies: Annotated[list[RepositoryPolicy], Field(max_length=MOST_ITEMS)] = Field(
        default_factory=list,
        description="On which steps places of this repository's Dags are released. The most specific that "
        "selects a Dag is its own, where the platform has locked none for it.",
    )


@frozen
class Read:
    """What a ``pinwheel.yaml`` says, or what is wrong with it; never both."""

    rules: tuple[Rule, ...] = ()
    """What its Dags depend on."""
    policies: tuple[Policy, ...] = ()
    wrong: tuple[Wrong, ...] = ()


def read(data: bytes) -> Read:
    """Read a ``pinwheel.yaml``. Raises nothing, whatever it holds; all that is wrong is told, by line."""
    try:
        document = load(data)
    except NotReadable as error:
        return Read(wrong=(error.wrong,))
    value, others = without_others(document, {} if document.value is None else document.value)
    parsed, wrong = checked(PinwheelYaml, document, value, but=others)
    if parsed is None or others:
        return Read(wrong=in_order([*wrong, *others.values()]))
    policies = policies_of(document, parsed.policies)
    found = [
        *(
            Wrong(
                document.line(("inputs", at, "dags")),
                f"inputs[{at}].dags names no Dags",
                "Give it ids, globs or tags",
            )
            for at, rule in enumerate(parsed.inputs)
            if not (rule.dags.ids or rule.dags.globs or rule.dags.tags)
        ),
        *taken_names(document, policies),
        *without_a_watch(document, parsed.policies),
        *too_many_names(policies),
    ]
    if found:
        return Read(wrong=in_order(found))
    return Read(
        rules=tuple(_rule(document, at, rule) for at, rule in enumerate(parsed.inputs)), policies=policies
    )


def schema() -> dict[str, Any]:
    """The JSON schema of the file, for editors."""
    return schema_of(PinwheelYaml)


def _rule(document: Document, at: int, rule: DeclaredRule) -> Rule:
    place: Place = ("inputs", at, "dags", "ids")
    return Rule(
        dags=Selector(ids=tuple(rule.dags.ids), globs=tuple(rule.dags.globs), tags=tuple(rule.dags.tags)),
        files=tuple(rule.files),
        lines={dag_id: document.line((*place, number)) for number, dag_id in enumerate(rule.dags.ids)},
        line=document.line(("inputs", at)),
    )
