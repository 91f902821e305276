"""What a build was parsed with, beside what is here now: Python, Airflow, installed packages."""

from __future__ import annotations

from collections.abc import Mapping

from pinwheel.core.json import Json

PACKAGES = "packages"
"""Of the details of a runtime: its distributions, as ``name==version``. Early ones lack them."""
NAMED = 3
"""So many differences are named."""
_NAMES = {"python": "Python", "airflow": "Airflow"}


def differing(then: Mapping[str, Json], here: Mapping[str, Json]) -> tuple[str, ...]:
    """Each difference in words, Python and Airflow first; none where nobody noted what was installed."""
    one, other = _versions(then), _versions(here)
    if not one or not other:
        return ()
    return tuple(
        f"{_NAMES.get(name, name)} {one.get(name, 'was not there')}, here {other.get(name, 'not installed')}"
        for name in sorted({*one, *other}, key=lambda name: (name not in _NAMES, name))
        if one.get(name) != other.get(name)
    )


def parsed_elsewhere(named: str, then: Mapping[str, Json] | None, here: Mapping[str, Json] | None) -> str:
    """What is said of a build, *named* so, whose runtime then was another than that of here."""
    found = differing(then or {}, here or {})
    more = f"; and {len(found) - NAMED} more packages differ" if found[NAMED:] else ""
    told = f": {'; '.join(found[:NAMED])}{more}. Packages" if found else "; packages"
    return (
        f"{named} was parsed in another runtime (Python, Airflow or installed packages) than there is here "
        f"now{told} are not part of a bundle version"
    )


def _versions(details: Mapping[str, Json]) -> dict[str, str]:
    packages = details.get(PACKAGES)
    if not isinstance(packages, list):
        return {}
    split = (str(package).partition("==") for package in packages)
    own = {name: str(details[name]) for name in _NAMES if details.get(name)}
    return {name: version for name, _, version in split} | own
