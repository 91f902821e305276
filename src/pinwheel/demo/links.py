"""Where to look in the web UI after the story."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import quote

from pinwheel.demo.story import ACME, CATALOG, ORDERS


def links(url: str, runs: Mapping[int, str]) -> list[tuple[str, str]]:
    """What is to be seen, and where; *runs* gives for each build of the story's Dag a run on it."""
    dag = f"{url}/dags/{ORDERS}"
    trial = f"{dag}/runs/{quote(runs[3], safe='')}"
    return [
        ("what is held, pinned and broken", f"{url}/plugin/releases"),
        ("the error of the bad push", f"{url}/plugin/releases?broken=true&text={CATALOG}"),
        ("builds and releases over time", f"{dag}/plugin/dag-releases"),
        ("build 2 beside build 3", f"{dag}/plugin/dag-releases?view=compare&from=2&to=3"),
        ("what really ran", f"{dag}/plugin/dag-history?run={quote(runs[2], safe='')}"),
        ("the code of the trial run", f"{trial}/plugin/run-version"),
        ("one task of it", f"{trial}/tasks/add_vat/plugin/task-version"),
        ("what was rolled back by itself", f"{url}/dags/{ACME}/plugin/dag-releases"),
        ("who changed what, and why", f"{url}/plugin/releases?view=events"),
    ]
