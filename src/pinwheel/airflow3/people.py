"""Airflow's users, and who of a repository they are: the configuration's map and the auth manager's list."""

from __future__ import annotations

import json

import structlog
from airflow.api_fastapi.app import get_auth_manager_cls
from airflow.api_fastapi.auth.managers.simple.simple_auth_manager import SimpleAuthManager
from airflow.configuration import conf
from sqlalchemy import select
from sqlalchemy.orm import Session

from pinwheel.core.errors import InvalidInput
from pinwheel.core.rollout.authors import People

log = structlog.get_logger(__name__)


def people(session: Session) -> People:
    """See :meth:`pinwheel.services.ports.deployment.Deployment.people`: in one statement, at most."""
    return People(
        # What is configured wins over what a user may set in a profile
        users={**_of_auth_manager(session), **_configured()},
        not_persons=frozenset(
            _listed(conf.get("pinwheel", "not_persons", fallback="noreply@github.com").lower())
        ),
        not_approvers=frozenset(_listed(conf.get("pinwheel", "not_approvers", fallback=""))),
    )


def is_fab(auth_manager: type) -> bool:
    """Whether it is FAB's, or one made of it. Loads nothing of FAB that is not there already."""
    return any(each.__module__.startswith("airflow.providers.fab.") for each in auth_manager.__mro__)


def _configured() -> dict[str, str]:
    text = str(conf.get("pinwheel", "users", fallback="") or "").strip()
    if not text:
        return {}
    try:
        found = json.loads(text)
    except ValueError as error:
        raise _unreadable(str(error)) from error
    if not isinstance(found, dict) or not all(isinstance(user, str) for user in found.values()):
        raise _unreadable("it is no object of e-mail addresses and names of users")
    return {person.strip().lower(): user for person, user in found.items()}


def _unreadable(found: str) -> InvalidInput:
    return InvalidInput(
        "Cannot read the option [pinwheel] users",
        found=found.rstrip("."),
        remedy='Write it as {"ada@example.org": "ada"}; nobody can be said to be an author until then',
    )


def _listed(text: str) -> list[str]:
    return [part for each in text.split(",") if (part := each.strip())]


def _of_auth_manager(session: Session) -> dict[str, str]:
    """User by e-mail address and name, in lower case; of an auth manager that tells nobody, none."""
    try:
        manager = get_auth_manager_cls()
        if issubclass(manager, SimpleAuthManager):
            return {user.username.lower(): user.username for user in manager.get_users()}
        return _of_fab(session) if is_fab(manager) else {}
    except Exception:
        log.warning("The users of the auth manager can not be read", exc_info=True)
        return {}


def _of_fab(session: Session) -> dict[str, str]:
    from airflow.providers.fab.auth_manager.models import User

    # A statement that fails would else end the transaction that this is a part of
    with session.begin_nested():
        rows = list(session.execute(select(User.username, User.email)))
    return {
        **{str(row.username).lower(): str(row.username) for row in rows},
        # Of one who goes by another's address the address counts
        **{str(row.email).lower(): str(row.username) for row in rows if row.email},
    }
