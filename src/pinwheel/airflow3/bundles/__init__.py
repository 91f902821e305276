"""Pinwheel's Dag bundles. Users name them by their public path, ``pinwheel.bundles``."""
