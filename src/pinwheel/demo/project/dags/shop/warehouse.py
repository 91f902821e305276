"""The shop's database: one SQLite file, made and filled when it is first used."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

_SCHEMA = """
CREATE TABLE IF NOT EXISTS orders (
  id INTEGER PRIMARY KEY, customer TEXT, article TEXT, pieces INTEGER, net_cents INTEGER
);
CREATE TABLE IF NOT EXISTS stock (article TEXT PRIMARY KEY, pieces INTEGER);
CREATE TABLE IF NOT EXISTS totals (
  day TEXT PRIMARY KEY, orders INTEGER, net_cents INTEGER, gross_cents INTEGER
);
INSERT OR IGNORE INTO orders VALUES
  (1, 'acme', 'pinwheel', 12, 4800), (2, 'globex', 'kite', 2, 5000),
  (3, 'acme', 'kite', 1, 2500), (4, 'initech', 'pinwheel', 5, 2000);
INSERT OR IGNORE INTO stock VALUES ('pinwheel', 40), ('kite', 3);
"""


@contextmanager
def connect() -> Iterator[sqlite3.Connection]:
    """A connection whose changes are kept if the block ends well."""
    connection = sqlite3.connect(os.environ.get("SHOP_DATABASE", "shop.sqlite"), timeout=30)
    connection.row_factory = sqlite3.Row
    try:
        connection.executescript(_SCHEMA)
        with connection:
            yield connection
    finally:
        connection.close()
