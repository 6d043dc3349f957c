"""A store brought back to the form that an earlier version gave it, with all that it holds."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from runplane_mcp.core.canonical import canonical
from runplane_mcp.core.merkle import Frontier, leaf_hash, root
from runplane_mcp.store.batches import read_leaf
from runplane_mcp.store.files import make_file
from runplane_mcp.store.records import READS
from runplane_mcp.store.rows import DECISION_COLUMNS, REQUEST_COLUMNS, listed, listed_as_made, row_digest
from runplane_mcp.store.schema import expected_form, form_of, migrate

#: What a version had in tables of its own: how their rows are told by a newer one's.
_ITS_OWN = {
    1: {
        "subject": """
        SELECT id, about_customer, about_object, about_amount, about_currency, policy_at FROM newer.request
        WHERE coalesce(about_customer, about_object, about_amount, about_currency) IS NOT NULL
        """,
        "reservation": """
        SELECT request.id, bucket.key, bucket.value, each.at, each.currency, each.amount, each.state
        FROM newer.reservation AS each JOIN newer.request USING (number) JOIN newer.bucket ON bucket.id = each.bucket
        """,
    }
}


def bring_back(path: Path, version: int) -> None:
    """Every row of the store that nobody has open, in tables as `version` made them: what came later is not there, and the
    log says what it would have said then. Before the third one nothing was scheduled, before the fourth no read was without
    events of its own. A checkpoint beside it would be another log's, and is gone."""
    older = path.with_name("older.db")
    make_file(older)
    with closing(sqlite3.connect(older, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        migrate(connection, 0, to=version)
        connection.execute("COMMIT")
        connection.execute("ATTACH ? AS newer", (str(path),))
        triggers = connection.execute("SELECT name, sql FROM main.sqlite_schema WHERE type = 'trigger'").fetchall()
        tables = _tables(connection, "main")
        connection.execute("BEGIN IMMEDIATE")
        # They would sum the rows a second time, and keep the log's from being written.
        for name, _ in triggers:
            connection.execute(f"DROP TRIGGER {name}")
        for table in tables:
            if table == "migration":
                continue
            rows = _ITS_OWN.get(version, {}).get(table)
            connection.execute(f"DELETE FROM main.{table}")
            if rows is not None:
                connection.execute(f"INSERT INTO main.{table} {rows}")
            else:
                columns = ", ".join(_columns(connection, "main", table))
                connection.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM newer.{table}")
        told_as_then(connection)
        for _, sql in triggers:
            connection.execute(sql)
        connection.execute("COMMIT")
        connection.execute("DETACH newer")
        assert form_of(connection) == expected_form(version)
        assert connection.execute("PRAGMA user_version").fetchone() == (version,)
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    for end in ("-wal", "-shm", ".checkpoint"):
        path.with_name(path.name + end).unlink(missing_ok=True)
        older.with_name(older.name + end).unlink(missing_ok=True)
    older.replace(path)


def told_as_then(connection: sqlite3.Connection) -> None:
    """Lets the log vouch for the requests' rows as they are now that columns have gone: their events, and the reads that
    have none of their own. There must be no triggers."""
    select = f"SELECT {listed_as_made(connection, REQUEST_COLUMNS, 'request')} FROM request"
    rows = {row[REQUEST_COLUMNS.index("id")]: row for row in connection.execute(select)}
    leaves: dict[int, bytes] = {}
    if "read" in _tables(connection, "main"):
        reads = connection.execute("SELECT n, id FROM read JOIN request USING (number) ORDER BY n").fetchall()
        decided = f"SELECT {listed(DECISION_COLUMNS)} FROM decision WHERE request_id = ? ORDER BY n"
        leaves = {n: read_leaf(rows[id], connection.execute(decided, (id,)).fetchall()) for n, id in reads}
        connection.executemany("UPDATE read SET leaf = ? WHERE n = ?", [(leaf, n) for n, leaf in leaves.items()])
    frontier = Frontier()
    for seq, type_, id, body in connection.execute(
        "SELECT seq, type, request_id, body FROM event ORDER BY seq"
    ).fetchall():
        said = json.loads(body)
        if type_.startswith("request.") and said["version"] == rows[id][REQUEST_COLUMNS.index("version")]:
            said["row"] = row_digest(REQUEST_COLUMNS, rows[id])
        elif type_ == READS and leaves:
            said["root"] = root([leaves[n] for n in range(said["first"], said["last"] + 1)]).hex()
        body = canonical(said)
        connection.execute("UPDATE event SET body = ?, leaf = ? WHERE seq = ?", (body, leaf_hash(body), seq))
        frontier = frontier.append(leaf_hash(body))
    head = (b"".join(frontier.hashes), frontier.root())
    connection.execute("UPDATE head SET frontier = ?, root = ?", head)


def _tables(connection: sqlite3.Connection, database: str) -> list[str]:
    found = connection.execute(
        f"SELECT name FROM {database}.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite%'"
    )
    return [name for (name,) in found]


def _columns(connection: sqlite3.Connection, database: str, table: str) -> list[str]:
    return [f'"{row[1]}"' for row in connection.execute(f"PRAGMA {database}.table_info({table})")]
