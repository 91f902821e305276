"""Pinwheel's Dag bundles. Users name them by ``pinwheel.bundles.GitBundle`` and ``pinwheel.bundles.FolderBundle``."""
