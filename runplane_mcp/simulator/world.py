"""The simulated world: one SQLite file, and every request to it as one transaction.

Any process may open the same file: requests follow one another (a file lock around `BEGIN IMMEDIATE`), so two
processes that race see one company. A fault that delays an answer waits outside the transaction.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any

from runplane_mcp.errors import StoreError
from runplane_mcp.simulator import exchange, faults, schema
from runplane_mcp.simulator.clockwork import catch_up
from runplane_mcp.simulator.exchange import Answer, Asked
from runplane_mcp.simulator.faults import Fault
from runplane_mcp.simulator.founding import found
from runplane_mcp.simulator.furnishing import furnish
from runplane_mcp.simulator.planting import Bypass, plant
from runplane_mcp.simulator.resources.automatic_payouts import pay_out
from runplane_mcp.simulator.seed import SEED
from runplane_mcp.simulator.summary import summarize
from runplane_mcp.simulator.transaction import Transaction


def _private(path: str, flags: int) -> int:
    """Opens a file that only its owner may read, made so before anything stands in it."""
    descriptor = os.open(path, flags | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


class Simulator:
    """A world in the file `path`, created with the seeded company where there is none.

    `now` is the world's clock in Unix seconds; `wall` is the real one, for how long a delayed answer holds its key.
    StoreError `store.simulator` where the file cannot be used.
    """

    def __init__(
        self,
        path: Path,
        now: Callable[[], int] = lambda: int(time.time()),
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.path = path
        self._now = now
        self._wall = wall
        self._mutex = threading.Lock()
        with ExitStack() as opened:
            try:
                path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                self._lock = opened.enter_context(open(path.with_name(f"{path.name}.lock"), "w", opener=_private))
                if not path.exists():
                    # SQLite would make it as readable as the umask lets it be, and its log takes over the mode.
                    open(path, "ab", opener=_private).close()
                self._db = opened.enter_context(
                    closing(sqlite3.connect(path, timeout=30, isolation_level=None, check_same_thread=False))
                )
                path.chmod(0o600)
                self._open()
            except (OSError, sqlite3.Error) as error:
                raise StoreError(
                    "store.simulator",
                    f"The simulator's file {path} cannot be used: {error}.",
                    next_step="Check the home folder, or remove that file to begin a new world.",
                ) from error
            self._opened = opened.pop_all()

    def _open(self) -> None:
        with self._locked():
            # A killed process loses nothing that was committed; only a power cut may, and this world is a toy.
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = NORMAL")
        with self._transaction():
            if self._db.execute("PRAGMA user_version").fetchone()[0] != schema.VERSION:
                self._create()
            else:
                furnish(self._platform())

    @property
    def world_id(self) -> str:
        """Which world this is. Another one after `reset`, by whichever process."""
        with self._transaction():
            return str(self._db.execute("SELECT value FROM meta WHERE name = 'world_id'").fetchone()[0])

    def answer(self, asked: Asked) -> Answer:
        """What Stripe would answer. The whole request is one transaction."""
        if not exchange.may_use(asked.headers):
            return exchange.turn_away(asked)
        with self._transaction():
            return exchange.answer(self._db, asked, now=self._now(), wall=self._wall())

    def reset(self) -> str:
        """Begins a new world with the same company, for every process that has this file open. Returns its id."""
        with self._transaction():
            self._create()
        return self.world_id

    def add_fault(self, fault: Fault) -> None:
        with self._transaction():
            faults.add_fault(self._db, fault)

    def clear_faults(self) -> None:
        with self._transaction():
            faults.clear_faults(self._db)

    def pending_faults(self) -> list[tuple[Fault, int]]:
        """Faults still to come, and how often each."""
        with self._transaction():
            return faults.pending_faults(self._db)

    def summary(self) -> dict[str, Any]:
        """Counts and sums of what happened since the world began: `summary.summarize` says which."""
        with self._transaction():
            catch_up(self._platform())
            return summarize(self._db)

    def pay_out(self) -> list[str]:
        """Makes every account's next automatic payout now, where its schedule is not manual. Returns the payouts' ids."""
        with self._transaction():
            platform = self._platform()
            catch_up(platform)
            accounts = platform.select(["kind = 'account'"], [], "ASC", -1)
            scheduled = [each for each in accounts if each["settings"]["payouts"]["schedule"]["interval"] != "manual"]
            return [str(sent["id"]) for account in scheduled for sent in pay_out(platform, account)]

    def plant(self, bypass: Bypass) -> list[str]:
        """Does what others would do past every gate. Returns the ids of what it made."""
        with self._transaction():
            catch_up(self._platform())
            return [str(made["id"]) for made in plant(self._db, bypass, now=self._now(), wall=self._wall())]

    def close(self) -> None:
        with self._mutex:
            self._opened.close()

    def _platform(self) -> Transaction:
        return Transaction(self._db, now=self._now(), platform=SEED.account, account=SEED.account)

    def _create(self) -> None:
        for name in schema.NAMES:
            self._db.execute(f"DROP TABLE IF EXISTS {name}")
        for table in schema.TABLES:
            self._db.execute(table)
        found(self._platform())
        furnish(self._platform())
        world = (
            ("world_id", os.urandom(8).hex()),
            ("founded", self._now()),
            ("last_seed", self._db.execute("SELECT max(seq) FROM object").fetchone()[0]),
        )
        self._db.executemany("INSERT INTO meta (name, value) VALUES (?, ?)", world)
        self._db.execute(f"PRAGMA user_version = {schema.VERSION}")

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One at a time: the threads of this process by a mutex, processes by a lock on the file beside the world."""
        with self._mutex:
            fcntl.flock(self._lock, fcntl.LOCK_EX)
            try:
                yield
            finally:
                fcntl.flock(self._lock, fcntl.LOCK_UN)

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        with self._locked():
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
