"""A bundle class that says it keeps versions, and takes one that does not exist for its newest."""

from __future__ import annotations

from pinwheel.bundles import GitBundle
from pinwheel.core.errors import PinwheelError


class CarelessBundle(GitBundle):
    def initialize(self) -> None:
        try:
            super().initialize()
        except PinwheelError:
            self.version = None
            super().initialize()
