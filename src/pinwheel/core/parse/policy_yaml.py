"""The platform's file of rules and policies, and the section ``policies`` of a repository: read strictly.

Each error has its line and what to do about it. Nothing of a file with an error is taken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Annotated, Any

from attrs import frozen
from pydantic import ConfigDict, Field

from pinwheel.core.parse.lined_yaml import Document, NotReadable, Place, Wrong, load
from pinwheel.core.parse.told import checked, in_order, words
from pinwheel.core.release.notation import LATER, MOST_ITEMS, MOST_NAMES_OF_FILE, Strict
from pinwheel.core.release.policy import AT_ONCE, Policy
from pinwheel.core.release.rule import Rule
from pinwheel.core.release.serialized import policy_of, rule_of
from pinwheel.core.release.written import PlatformPolicy, RepositoryPolicy
from pinwheel.core.release.written_rule import RuleSection


class PlatformFile(Strict):
    """The rules and policies of a deployment."""

    model_config = ConfigDict(title="Rules and policies")

    rules: Annotated[list[RuleSection], Field(max_length=MOST_ITEMS)] = Field(
        default_factory=list, description="What is always in force, whatever a policy says. Rules add up."
    )
    policies: Annotated[list[PlatformPolicy], Field(max_length=MOST_ITEMS)] = Field(
        default_factory=list,
        description="On which steps places of Dags are released. The most specific that selects a Dag is its "
        "own.",
    )


@frozen
class ReadPlatform:
    """The rules and policies of a file, or what is wrong with it; never both."""

    rules: tuple[Rule, ...] = ()
    policies: tuple[Policy, ...] = ()
    wrong: tuple[Wrong, ...] = ()


def read_platform(data: bytes) -> ReadPlatform:
    """Read a platform's file. Raises nothing, whatever it holds; all that is wrong is told, by line."""
    try:
        document = load(data)
    except NotReadable as error:
        return ReadPlatform(wrong=(error.wrong,))
    value, later = without_later(document, {} if document.value is None else document.value)
    parsed, wrong = checked(PlatformFile, document, value, but=later)
    if parsed is None or later:
        return ReadPlatform(wrong=in_order([*wrong, *later.values()]))
    rules = tuple(rule_of(rule, document.line(("rules", at))) for at, rule in enumerate(parsed.rules))
    policies = policies_of(document, parsed.policies)
    found = [
        *_twice(document, "rules", rules),
        *taken_names(document, policies),
        *without_a_watch(document, parsed.policies),
        *too_many_names((*rules, *policies)),
    ]
    if found:
        return ReadPlatform(wrong=in_order(found))
    return ReadPlatform(rules=rules, policies=policies)


def platform_schema() -> dict[str, Any]:
    """The JSON schema of the platform's file, for editors."""
    return schema_of(PlatformFile)


# Both files


def policies_of(document: Document, sections: Sequence[RepositoryPolicy]) -> tuple[Policy, ...]:
    """The policies of a file, each with its line."""
    return tuple(policy_of(one, document.line(("policies", at))) for at, one in enumerate(sections))


def taken_names(document: Document, policies: Sequence[Policy]) -> Iterator[Wrong]:
    """Policies whose names are others' too."""
    yield from _twice(document, "policies", policies)
    for at, policy in enumerate(policies):
        if policy.name == AT_ONCE.name:
            line = document.line(("policies", at, "name"))
            yield Wrong(line, f"{policy.name!r} is the name of the built-in policy", "Write another name")


def without_a_watch(document: Document, sections: Sequence[RepositoryPolicy]) -> Iterator[Wrong]:
    """Policies that say when a watch rolls back, and have none. Rows may say it: it is what is built in."""
    for at, section in enumerate(sections):
        if section.given("rollback") and all(step.kind != "soak" for step in section.steps):
            place = ("policies", at, "rollback")
            yield Wrong(
                document.line(place),
                f"{words(place)} says when a watch rolls back, and the policy has none",
                "Add a step behind the release, as - soak: {runs: 5}; or remove rollback",
            )


def too_many_names(items: Iterable[Rule | Policy]) -> Iterator[Wrong]:
    """The first of the rules and policies of a file up to which they name more than is taken."""
    named = 0
    for item in sorted(items, key=lambda item: item.line):
        named += len(item.dags.ids) + len(item.dags.globs) + len(item.dags.tags)
        if named > MOST_NAMES_OF_FILE:
            yield Wrong(
                item.line,
                f"up to here it has {named:,} ids, globs and tags of Dags, and can have "
                f"{MOST_NAMES_OF_FILE:,}",
                "Select Dags by wider globs, by tag or by bundle",
            )
            return


def _twice(document: Document, section: str, items: Sequence[Rule | Policy]) -> Iterator[Wrong]:
    first: dict[str, int] = {}
    for at, item in enumerate(items):
        if first.setdefault(item.name, at) != at:
            line = document.line((section, at, "name"))
            yield Wrong(line, f"{words((section, first[item.name]))} has this name too", "Write another name")


def without_later(document: Document, value: Any) -> tuple[Any, dict[Place, Wrong]]:
    """The file without the keys that come later, and what is told of each."""
    found: dict[Place, Wrong] = {}
    for place, holder in _policies_and_steps(value):
        for key in LATER.keys() & holder.keys():
            found[*place, key] = Wrong(
                document.line((*place, key)),
                f"{words((*place, key))} is not taken yet: it comes with {LATER[key]}, in a later version",
                "Leave it out until then",
            )
    return _without(value, found), found


def without_others(document: Document, value: Any) -> tuple[Any, dict[Place, Wrong]]:
    """A repository's file without what comes later and without what is the platform's alone."""
    value, found = without_later(document, value)
    if not isinstance(value, dict):
        return value, found
    platform: dict[Place, Wrong] = {}
    if "rules" in value:
        platform["rules",] = Wrong(
            document.line(("rules",)),
            "rules are the platform's alone: a repository has none",
            "Remove them, or ask who runs Airflow",
        )
    for place, policy in _policies_and_steps(value):
        if "locked" in policy and len(place) == 2:
            platform[*place, "locked"] = Wrong(
                document.line((*place, "locked")),
                f"{words(place)} is locked, which only the platform's policies can be",
                "Remove it",
            )
    return _without(value, platform), found | platform


def _policies_and_steps(value: Any) -> Iterator[tuple[Place, dict[str, Any]]]:
    """The mappings of a file that are policies and steps, as far as it has them."""
    policies = value.get("policies") if isinstance(value, dict) else None
    for at, policy in enumerate(policies if isinstance(policies, list) else ()):
        if isinstance(policy, dict):
            yield ("policies", at), policy
            steps = policy.get("steps")
            for number, step in enumerate(steps if isinstance(steps, list) else ()):
                if isinstance(step, dict):
                    yield ("policies", at, "steps", number), step


def _without(value: Any, places: Collection[Place]) -> Any:
    """The value without the keys at these places."""
    firsts: dict[str | int, list[Place]] = {}
    for first, *rest in places:
        firsts.setdefault(first, []).append(tuple(rest))
    if isinstance(value, dict):
        return {
            key: _without(inner, firsts.get(key, ()))
            for key, inner in value.items()
            if () not in firsts.get(key, ())
        }
    if isinstance(value, list):
        return [_without(inner, firsts.get(at, ())) for at, inner in enumerate(value)]
    return value


def schema_of(model: type[Strict]) -> dict[str, Any]:
    """The JSON schema of a file, without what comes later."""
    made = model.model_json_schema()
    for part in (made, *made.get("$defs", {}).values()):
        for key in LATER:
            part.get("properties", {}).pop(key, None)
    _drop_unused(made)
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **made}


def _drop_unused(made: dict[str, Any]) -> None:
    while unused := set(made.get("$defs", {})) - set(_references(made)):
        for name in unused:
            del made["$defs"][name]


def _references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(reference := value.get("$ref"), str):
            yield reference.rpartition("/")[2]
        for inner in value.values():
            yield from _references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _references(inner)
