"""What is configured around Airflow's rows, and our own tables beside them."""

from __future__ import annotations

from airflow.configuration import conf
from airflow.exceptions import AirflowConfigException
from airflow.models.dagbundle import DagBundleModel
from attrs import fields_dict
from sqlalchemy import select
from sqlalchemy.orm import Session

from pinwheel.airflow3 import compat, people
from pinwheel.airflow3.bundles import configured, probe
from pinwheel.airflow3.reads import fleet
from pinwheel.airflow3.rows import uninstall
from pinwheel.core.errors import InvalidInput
from pinwheel.core.json import Json
from pinwheel.core.retention import Keep
from pinwheel.core.rollout.authors import People
from pinwheel.services.ports.deployment import AirflowBundle, Leftovers

_SWITCH = {
    **dict.fromkeys(("on", "true", "t", "yes", "1"), True),
    **dict.fromkeys(("off", "false", "f", "no", "0"), False),
}


class AirflowDeployment:
    """Implements :class:`pinwheel.services.ports.deployment.Deployment`."""

    def __init__(self) -> None:
        self.versioned: dict[str, bool] = {}
        """Whether a bundle keeps versions, as far as that was asked."""
        self.refusing: dict[str, bool] = {}
        """Whether it refuses a version that does not exist, as far as that was asked."""

    def retention(self) -> Keep:
        values = {}
        for name, field in fields_dict(Keep).items():
            try:
                values[name] = conf.getint("pinwheel", f"keep_{name}", fallback=field.default)
            except (AirflowConfigException, ValueError) as error:
                raise InvalidInput(
                    f"Cannot read the option [pinwheel] keep_{name}",
                    found=str(error).rstrip("."),
                    remedy="Correct it; nothing is removed until then",
                ) from error
        return Keep(**values)

    def runs_a_turn(self) -> int:
        return int(conf.getint("scheduler", "max_dagruns_per_loop_to_schedule", fallback=20))

    def runs_may_choose(self) -> bool:
        """3.3 offers it nowhere. Remove when the minimum is 3.4."""
        return compat.airflow_34_plus()

    def most_segments(self) -> int:
        switch = str(conf.get("pinwheel", "task_windows", fallback="on")).strip().lower()
        if switch not in _SWITCH:
            raise InvalidInput(
                "Cannot read the option [pinwheel] task_windows",
                found=f"it is {switch!r}",
                remedy="Say on or off; no build of a Dag with task windows is made until then",
            )
        try:
            most = conf.getint("pinwheel", "max_variants", fallback=24)
        except (AirflowConfigException, ValueError) as error:
            raise InvalidInput(
                "Cannot read the option [pinwheel] max_variants",
                found=str(error).rstrip("."),
                remedy="Correct it; no build of a Dag with task windows is made until then",
            ) from error
        return max(most, 1) if _SWITCH[switch] else 0

    def bundle_is_configured(self, session: Session, bundle_name: str) -> bool:
        if configured.get(bundle_name) is not None:
            return True
        active = session.scalar(select(DagBundleModel.active).where(DagBundleModel.name == bundle_name))
        return bool(active)

    def serves_moved_files(self, session: Session, bundle_name: str) -> bool:
        found = configured.serves_moved_files(bundle_name)
        return found if found is not None else self.bundle_is_configured(session, bundle_name)

    def bundles(self, session: Session) -> dict[str, AirflowBundle]:
        return fleet.bundles(session)

    def own_tables(self, session: Session) -> list[str]:
        return uninstall.own_tables(session)

    def drop_own_tables(self, session: Session) -> None:
        uninstall.drop_own_tables(session)

    def live_processors(self, session: Session) -> list[str]:
        return uninstall.live_processors(session)

    def leftovers(self, session: Session) -> Leftovers:
        return uninstall.leftovers(session)

    def people(self, session: Session) -> People:
        return people.people(session)

    def refuses_unknown(self, bundle_name: str, version: str, data: Json = None) -> bool | None:
        if bundle_name not in self.refusing:
            refuses = probe.refuses_unknown(bundle_name, version, data)
            if refuses is None:
                return None
            self.refusing[bundle_name] = refuses
        return self.refusing[bundle_name]

    def is_versioned(self, bundle_name: str) -> bool:
        if bundle_name not in self.versioned:
            self.versioned[bundle_name] = configured.is_versioned(bundle_name)
        return self.versioned[bundle_name]


def web_address() -> str | None:
    """Where Airflow's pages are, as ``[api] base_url`` says; None: it says nothing."""
    return (conf.get("api", "base_url", fallback="") or "").rstrip("/") or None
