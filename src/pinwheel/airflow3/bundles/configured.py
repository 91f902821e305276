"""The bundles that the configuration names: each made, or with the reason why it can not be made now.

Airflow takes a bundle whose class can not be constructed for one that was removed
(``DagBundlesManager.sync_bundles_to_db``, 3.3.2 and 3.4.0b2: logged, passed over, marked inactive), and
makes no bundle at all where one entry is malformed or its class can not be imported (``parse_config``). For
Pinwheel *removed* is only what the configuration does not name.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping
from importlib import import_module
from threading import Lock
from typing import Any

from airflow.configuration import conf
from airflow.dag_processing.bundles import manager
from airflow.dag_processing.bundles.base import BaseDagBundle
from attrs import define, field, frozen

from pinwheel.airflow3.bundles.git_command import without_credentials
from pinwheel.airflow3.bundles.versioned import SnapshotBundle
from pinwheel.core.errors import HostError

OPTION = ("dag_processor", "dag_bundle_config_list")
_RESERVED = "example_dags"
_NAME = 250
"""``dag_bundle.name`` is a VARCHAR(250)."""
_AGAIN_AFTER = 60.0
"""Seconds after which a bundle that could not be made is tried again: a Connection may be there by then."""


@frozen
class _Entry:
    name: str
    classpath: str = ""
    kwargs: Mapping[str, Any] = field(factory=dict, repr=False)
    flaw: str = ""
    """Why Airflow does not take the entry, if so."""


@define
class _Known:
    """What one configuration gave so far. Bundles are kept: one answers for as long as it is configured."""

    text: str
    entries: dict[str, _Entry]
    nameless: list[str]
    made: dict[str, BaseDagBundle] = field(factory=dict)
    reasons: dict[str, tuple[HostError, float]] = field(factory=dict)


_known: _Known | None = None
_replaced: tuple[str, dict[str, HostError]] = ("", {})
"""The configuration with stand-ins that this process has, and what they stand in for."""
_lock = Lock()


def names() -> frozenset[str]:
    """The bundles that the configuration names, whether they can be made or not.

    Those of Airflow's own example Dags are not among them.

    :raises HostError: that can not be told: the option is no list, or an entry in it has no name.
    """
    known = _read()
    if known.nameless:
        raise HostError(
            "Can not tell which bundles are configured",
            found=known.nameless[0],
            remedy="Correct [dag_processor] dag_bundle_config_list. Until then no bundle counts as removed",
        )
    return frozenset(known.entries)


def made() -> tuple[dict[str, BaseDagBundle], dict[str, HostError]]:
    """Each configured bundle by name: those that can be made, and for the others why not.

    Cheap to ask again: a reason is found out once per configuration, and anew after a minute.

    :raises HostError: the option can not be read at all.
    """
    known = _read()
    bundles: dict[str, BaseDagBundle] = {}
    reasons: dict[str, HostError] = {}
    for name in known.entries:
        result = _make(known, name)
        if isinstance(result, HostError):
            reasons[name] = result
        else:
            bundles[name] = result
    return bundles, reasons


def get(name: str) -> BaseDagBundle | HostError | None:
    """A configured bundle, why it can not be made now, or None for a name that is not configured here.

    It is shared by all who ask: to be asked about, not to be initialized.
    """
    try:
        known = _read()
    except HostError:
        return None
    return _make(known, name) if name in known.entries else None


def class_of(name: str) -> type[Any] | None:
    """The class of a configured bundle; None where it is not configured here or can not be had."""
    bundle = get(name)
    if bundle is None:
        return None
    if not isinstance(bundle, HostError):
        return type(bundle)
    try:
        found = _imported(_read().entries[name].classpath)
    except Exception:
        return None
    return found if found is not StandIn else None


def is_versioned(name: str) -> bool:
    """Whether a bundle keeps versions; True where that can not be told.

    An API server need not have a bundle in its configuration. What is managed came from one with versions.
    """
    bundle = get(name)
    if bundle is None:
        try:
            bundle = manager.DagBundlesManager().get_bundle(name)  # of Airflow's own example Dags, say
        except Exception:
            return True
    if isinstance(bundle, HostError):
        found = class_of(name)
        return found is None or bool(found.supports_versioning)
    return bool(bundle.supports_versioning)


def serves_moved_files(name: str) -> bool | None:
    """Whether a bundle's versions can serve a file under another path; None where that can not be told."""
    found = class_of(name)
    return issubclass(found, SnapshotBundle) if found is not None else None


def use_stand_ins() -> dict[str, HostError]:
    """Give this process and its children a configuration that Airflow takes; why each entry was replaced.

    Safe to repeat. Nothing is changed where Airflow takes it as it is. Otherwise entries that it would
    refuse the whole configuration for become :class:`StandIn`, of which each can not be made on its own.
    Entries without a name are left out, under the name ``""``.

    :raises HostError: the option can not be read at all.
    """
    global _replaced
    known = _read()
    if _replaced[0] == known.text:
        return _replaced[1]
    replaced: dict[str, HostError] = {}
    entries: list[dict[str, Any]] = []
    for item in json.loads(known.text):
        name = item.get("name") if isinstance(item, dict) else None
        entry = known.entries.get(name) if isinstance(name, str) else None
        if entry is None or name in (other["name"] for other in entries):
            continue
        try:
            if entry.flaw:
                raise ValueError(entry.flaw)
            _imported(entry.classpath)
        except Exception as error:
            replaced[entry.name] = _reason(entry.name, error)
            if entry.name != _RESERVED:
                stand_in = f"{StandIn.__module__}.{StandIn.__qualname__}"
                kwargs = {"reason": replaced[entry.name].found}
                entries.append({"name": entry.name, "classpath": stand_in, "kwargs": kwargs})
        else:
            entries.append(item)
    if known.nameless:
        replaced[""] = HostError(
            "Can not use an entry of [dag_processor] dag_bundle_config_list",
            found=known.nameless[0],
            remedy="Correct it and start the Dag processor anew",
        )
    if replaced:
        # Not spelled as anybody would: it is told by its text.
        _replaced = (json.dumps(entries, indent=1, separators=(" ,", " : ")), replaced)
        os.environ["AIRFLOW__DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST"] = _replaced[0]
        # From 3.4 on Airflow reads it once per process.
        getattr(getattr(manager, "_load_bundle_config_snapshot", None), "cache_clear", lambda: None)()
    return replaced


class StandIn(BaseDagBundle):
    """In the place of a bundle of which not even the class can be had: can not be made, and says why."""

    def __init__(self, *, reason: str, **_: Any) -> None:
        raise HostError(reason)


def _read() -> _Known:
    global _known
    try:
        text = conf.get(*OPTION, fallback="") or ""
    except Exception as error:
        raise _unreadable(f"{type(error).__name__}: {error}") from error
    with _lock:
        if _known is None or _known.text != text:
            _known = _parsed(text)
        return _known


def _parsed(text: str) -> _Known:
    try:
        items = json.loads(text)
    except ValueError as error:
        raise _unreadable(f"it is not JSON: {error}") from error
    if not isinstance(items, list):
        raise _unreadable("it is not a list")
    known = _Known(text, {}, [])
    if text == _replaced[0] and "" in _replaced[1]:
        known.nameless.append(_replaced[1][""].found)  # left out of it
    for item in items:
        name = item.get("name") if isinstance(item, dict) else None
        if not isinstance(name, str) or not name:
            known.nameless.append(f"entry {items.index(item) + 1} of dag_bundle_config_list has no name")
            continue
        entry = _Entry(name, item.get("classpath", ""), item.get("kwargs", {}), _flaw(item))
        if name in known.entries:
            entry = _Entry(name, flaw="more than one entry has this name")
        known.entries[name] = entry
    return known


def _flaw(item: Mapping[str, Any]) -> str:
    """What Airflow refuses the whole configuration for (``_parse_bundle_config``, 3.3.2 and 3.4.0b2)."""
    if item["name"] == _RESERVED:
        return "the name is Airflow's own; example Dags are enabled with [core] load_examples"
    if not isinstance(item.get("classpath"), str):
        return "its entry has no classpath"
    if not isinstance(item.get("kwargs"), dict):
        return "its entry has no kwargs (they may be empty: {})"
    team = item.get("team_name")
    if not isinstance(team, str | None):
        return "its team_name is not a text"
    if team and not conf.getboolean("core", "multi_team"):
        return "it has a team_name, and [core] multi_team is off"
    if len(item["name"]) > _NAME:
        return f"its name has more than {_NAME} characters"
    return ""


def _make(known: _Known, name: str) -> BaseDagBundle | HostError:
    if name in known.made:
        return known.made[name]
    reason, at = known.reasons.get(name, (None, 0.0))
    if reason is not None and time.monotonic() - at < _AGAIN_AFTER:
        return reason
    entry = known.entries[name]
    try:
        if entry.flaw:
            raise ValueError(entry.flaw)
        # As `DagBundlesManager.get_bundle` does, for which all other entries must be in order.
        bundle = _imported(entry.classpath)(name=name, version=None, **entry.kwargs)
        known.made[name] = bundle
    except Exception as error:
        reason = _reason(name, error)
        known.reasons[name] = (reason, time.monotonic())
        return reason
    known.reasons.pop(name, None)
    return known.made[name]


def _imported(classpath: str) -> type[Any]:
    module, _, name = classpath.rpartition(".")
    if not module:
        raise ImportError(f"{classpath!r} is not the path of a class")
    found = getattr(import_module(module), name)
    if not (isinstance(found, type) and issubclass(found, BaseDagBundle)):
        raise TypeError(f"{classpath} is not a class of Dag bundles")
    return found


def _reason(name: str, error: Exception) -> HostError:
    if isinstance(error, HostError) and not error.found:
        said = error.failed  # a stand-in's
    elif type(error) is ValueError:
        said = str(error)
    else:
        said = f"{type(error).__name__}: {error}"
    return HostError(
        f"Can not make bundle {name!r}",
        found=without_credentials(said).rstrip("."),
        remedy="Correct its entry in [dag_processor] dag_bundle_config_list, or what the entry needs "
        "(a package, a Connection); its Dags stay as they are until then",
        bundle=name,
    )


def _unreadable(found: str) -> HostError:
    return HostError(
        "Can not read [dag_processor] dag_bundle_config_list",
        found=found,
        remedy="Correct it: a JSON list of bundles, each with name, classpath and kwargs",
    )
