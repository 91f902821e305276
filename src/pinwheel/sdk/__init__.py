"""What a Dag file may import of Pinwheel. It runs in workers, so it stands on nothing of the server."""

from __future__ import annotations

from pinwheel.sdk.link import release_url

__all__ = ["release_url"]
