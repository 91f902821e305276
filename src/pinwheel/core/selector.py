"""Which Dags a request is about."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from fnmatch import fnmatchcase

from attrs import frozen

from pinwheel.core.errors import InvalidInput, spoken


def _texts(value: object) -> tuple[str, ...]:
    return tuple(value) if value else ()  # type: ignore[arg-type]


class SelectedBy(StrEnum):
    """What of a selector means a Dag, the most specific first."""

    ID = "id"
    GLOB = "glob"
    TAG = "tag"
    BUNDLE = "bundle"
    ALL = "all"


@frozen(kw_only=True)
class Selector:
    """Dags by id, glob, tag and bundle.

    Ids and globs add up; tags (any of them) and the bundle narrow what they give. Tags or a bundle alone
    mean all Dags that have them.
    """

    ids: tuple[str, ...] = ()
    globs: tuple[str, ...] = ()
    """Shell patterns, case-sensitive: ``sales_*``."""
    tags: tuple[str, ...] = ()
    bundle: str | None = None
    everything: bool = False
    """All Dags that are not retired. Said on purpose: an empty selector never means "all"."""

    @classmethod
    def of(
        cls,
        ids: object = (),
        *,
        globs: object = (),
        tags: object = (),
        bundle: str | None = None,
        everything: bool = False,
    ) -> Selector:
        """A selector from lists or None, as parsers give them."""
        return cls(
            ids=_texts(ids),
            globs=_texts(globs),
            tags=_texts(tags),
            bundle=bundle or None,
            everything=everything,
        )

    def names(self, dag_id: str) -> bool:
        """Whether an id or a glob means the Dag; where neither is given, each is meant."""
        if not (self.ids or self.globs):
            return True
        return dag_id in self.ids or any(fnmatchcase(dag_id, pattern) for pattern in self.globs)

    def selected_by(self, dag_id: str, *, tags: Collection[str], bundle: str) -> SelectedBy | None:
        """The most specific of what means this Dag; None: the Dag is not selected."""
        if (
            self.empty
            or not self.names(dag_id)
            or (self.tags and set(self.tags).isdisjoint(tags))
            or (self.bundle and self.bundle != bundle)
        ):
            return None
        if dag_id in self.ids:
            return SelectedBy.ID
        if self.globs:
            return SelectedBy.GLOB
        if self.tags:
            return SelectedBy.TAG
        return SelectedBy.BUNDLE if self.bundle else SelectedBy.ALL

    @property
    def empty(self) -> bool:
        """Nothing is selected at all."""
        return not (self.ids or self.globs or self.tags or self.bundle or self.everything)

    @property
    def names_only(self) -> bool:
        """Each Dag is named by its id."""
        return bool(self.ids) and not (self.globs or self.tags or self.bundle or self.everything)

    @property
    def words(self) -> str:
        """As it stands in a sentence: "orders, sales_* with tag finance"."""
        named = ", ".join((*self.ids, *self.globs)) or "all Dags"
        tags = f" with tag {' or '.join(self.tags)}" if self.tags else ""
        return named + tags + (f" of bundle {self.bundle}" if self.bundle else "")

    def require(self, verb: str) -> None:
        """Check that the selector can mean something for a change.

        :raises InvalidInput: it is empty, or says "all" and names some.
        """
        if self.empty:
            raise InvalidInput(
                f"Cannot {spoken(verb)}",
                found="no Dag is named",
                remedy="Name Dags by id, or select them by glob, tag or bundle, or say that all are meant",
            )
        if self.everything and (self.ids or self.globs):
            raise InvalidInput(
                f"Cannot {spoken(verb)}",
                found="all Dags are selected, and some are named as well",
                remedy="Give one of the two",
            )
