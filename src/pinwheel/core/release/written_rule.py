"""Rules as they are written, in YAML and in JSON."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, ConfigDict, Field, PlainValidator, model_validator

from pinwheel.core.release.notation import (
    ALL_DAGS,
    DagsOrAll,
    Instant,
    Name,
    Names,
    Strict,
    or_text,
    reader,
    text_schema,
    texts_schema,
    unset,
    wrong,
)
from pinwheel.core.release.written import GATES, ApproveStep, CheckStep, WaitStep
from pinwheel.core.rollout import window_text
from pinwheel.core.rollout.window import Dates, Hours, Yearly

MOST_WINDOWS = 20


class WindowOfRule(Strict):
    """Hours of days, on the clocks of a zone."""

    model_config = ConfigDict(title="Window")

    zone: Annotated[
        str,
        PlainValidator(reader(window_text.zone)),
        text_schema("A time zone's name.", "Europe/Berlin", "UTC"),
    ]
    days: Annotated[
        frozenset[int],
        PlainValidator(reader(window_text.days, lists=True)),
        texts_schema("Days of the week; without it: all.", "mon-thu", "sat, sun"),
    ] = Field(default_factory=unset)
    hours: Annotated[
        tuple[Hours, ...],
        PlainValidator(reader(window_text.hours, lists=True)),
        texts_schema(
            "Times of the day, also over midnight: then they are of the day on which they begin.",
            "09:00-16:00",
            "22:00-06:00",
        ),
    ] = Field(default_factory=unset)
    dates: Annotated[
        tuple[Yearly | Dates, ...],
        PlainValidator(reader(window_text.dates, lists=True)),
        texts_schema("Dates of each year, or of one; without it: all.", "12-20..01-03", "2026-12-24"),
    ] = Field(default_factory=unset)


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, Mapping) else value


def _one_or_several(schema: dict[str, Any]) -> None:
    schema["anyOf"] = [
        schema["items"],
        {
            "type": schema.pop("type"),
            "items": schema.pop("items"),
            "minItems": 1,
            "maxItems": MOST_WINDOWS,
        },
    ]
    schema.pop("minItems", None)
    schema.pop("maxItems", None)


WindowsOfRule = Annotated[
    list[WindowOfRule],
    BeforeValidator(_as_list),
    Field(min_length=1, max_length=MOST_WINDOWS, json_schema_extra=_one_or_several),
]


class FreezeOfRule(Strict):
    """No release from one instant to another."""

    model_config = ConfigDict(title="Freeze")

    since: Instant = Field(default_factory=unset, alias="from")
    until: Instant = Field(default_factory=unset)
    reason: Name = Field(default_factory=unset, description="What is shown to whom it holds up.")

    @model_validator(mode="after")
    def _in_order(self) -> FreezeOfRule:
        if len(self.given("since", "until")) == 2 and self.until <= self.since:
            raise wrong("ends before it begins", "Write the earlier instant as from", "until")
        return self


class RequireOfRule(Strict):
    """Gates before those of any policy."""

    model_config = ConfigDict(title="Required gates", json_schema_extra={"minProperties": 1})

    check: CheckStep = Field(default_factory=unset)
    wait: WaitStep = Field(default_factory=unset)
    approve: ApproveStep = Field(default_factory=unset)

    @model_validator(mode="after")
    def _some(self) -> RequireOfRule:
        if not self.model_fields_set:
            raise wrong("requires nothing", f"Give it {', '.join(GATES)}")
        return self


KINDS = ("allow", "deny", "freeze", "require", "forbid")


class RuleSection(Strict):
    """What binds whatever makes later runs use another place. It is always in force."""

    model_config = ConfigDict(
        title="Rule", json_schema_extra={"oneOf": [{"required": [kind]} for kind in KINDS]}
    )

    name: Name = Field(description="Its own among the rules.")
    dags: DagsOrAll = Field(
        default_factory=lambda: ALL_DAGS,
        description="Without it: all Dags.",
        json_schema_extra=or_text("all"),
    )
    allow: WindowsOfRule = Field(
        default_factory=unset, description="Releases may happen in these windows only."
    )
    deny: WindowsOfRule = Field(default_factory=unset, description="No release in these windows.")
    freeze: FreezeOfRule = Field(default_factory=unset, description="No release for a time.")
    require: RequireOfRule = Field(default_factory=unset, description="Gates that each release has to pass.")
    forbid: Annotated[list[Literal["runs-by-hand", "trials"]], Field(min_length=1)] = Field(
        default_factory=unset, description="What nobody may do."
    )
    unknown_author: Literal["allow"] = Field(
        default_factory=unset,
        description="Beside require: an author who is no known user costs no further approval.",
    )
    override: Names = Field(
        default_factory=list, description="Who may override it, besides having the right."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> RuleSection:
        kinds = self.given(*KINDS)
        if len(kinds) != 1:
            raise wrong(
                f"has {' and '.join(kinds) or 'nothing to say'}", f"Give it one of {', '.join(KINDS)}"
            )
        if "unknown_author" in self.model_fields_set and kinds != ["require"]:
            raise wrong("has unknown_author, which only require has", "Remove it", "unknown_author")
        return self

    @property
    def kind(self) -> str:
        return self.given(*KINDS)[0]
