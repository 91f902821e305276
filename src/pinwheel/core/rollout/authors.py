"""Who had a part in what rolls out: everybody who changed an input of it since what is in force."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any

from attrs import field, frozen

from pinwheel.core.rollout.state import Contributor
from pinwheel.core.rollout.steps import Party

Commits = Iterable[Mapping[str, Any]]
"""What a bundle version says of who changed what: people as ``[party, "Name <mail>"]``, and paths."""

SOMEBODY = "somebody unknown"
"""Stands for who took a commit back, or changed something in a version of which nobody knows who did."""


@frozen(kw_only=True)
class People:
    """How the persons of a repository are found among Airflow's users."""

    users: Mapping[str, str] = field(factory=dict)
    """User by what a person goes by: an e-mail address or a name, in lower case."""
    not_persons: frozenset[str] = frozenset()
    """E-mail addresses and names, in lower case, of no authors: what a code host commits as."""
    not_approvers: frozenset[str] = frozenset()
    """Users that are no persons."""

    def user(self, person: str) -> str | None:
        """The user who this person is, by the address before the name; None: nobody knows which."""
        return next((self.users[name] for name in goes_by(person) if name in self.users), None)

    def is_person(self, person: str) -> bool:
        return self.not_persons.isdisjoint((person.lower(), *goes_by(person)))


def goes_by(person: str) -> tuple[str, ...]:
    """What a person of a repository, ``Name <mail>``, may be called as a user: address, then name."""
    name, bracket, rest = person.rpartition("<")
    mail = rest.partition(">")[0] if bracket else ""
    return tuple(part for each in (mail, name if bracket else person) if (part := each.strip().lower()))


def is_user(author: Contributor, user: str) -> bool:
    """Whether this user is the author: of one who was not found among the users, goes by the user's name."""
    if author.user is not None:
        return author.user.lower() == user.lower()
    return user.lower() in goes_by(author.name)


def unknown(authors: Iterable[Contributor]) -> tuple[str, ...]:
    """The persons among the authors whom nobody knows as users, as the repository names them; each once."""
    found: dict[object, str] = {}
    for each in authors:
        if each.user is None:
            found.setdefault(goes_by(each.name)[:1] or each.name, each.name)
    return tuple(found.values())


def authors_of(
    versions: Iterable[Commits | None], inputs: Collection[str], people: People
) -> tuple[Contributor, ...] | None:
    """The authors and committers of all that changed in these versions of what a build is made of.

    *inputs*: paths of files and, with a slash at their end, of folders, as a build names them. Where
    something of it is not known, :data:`SOMEBODY` is among them. None: nothing is known.
    """
    found: dict[tuple[Party, str], Contributor] = {}
    missing = False
    for commits in versions:
        if commits is None:
            missing = True
            continue
        for commit in commits:
            if not _touches(commit["paths"], inputs):
                continue
            missing = missing or not commit["people"]
            for party, person in commit["people"]:
                if people.is_person(person):
                    made = Contributor(party=Party(party), name=person, user=people.user(person))
                    found.setdefault((made.party, made.name), made)
    if missing and not found:
        return None
    if missing:
        for party in (Party.AUTHOR, Party.COMMITTER):
            found[party, SOMEBODY] = Contributor(party=party, name=SOMEBODY, user=None)
    return tuple(found[key] for key in sorted(found))


def _touches(paths: Iterable[str], inputs: Collection[str]) -> bool:
    """Whether one of these is an input; a folder, with a slash at its end, is one with all that is in it."""
    changed = frozenset(paths)
    folders = [path for path in inputs if path.endswith("/")]
    return not changed.isdisjoint(inputs) or any(
        path.startswith(folder) for folder in folders for path in changed
    )
