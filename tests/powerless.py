"""What may only be read, also by tests that run as root: files are given away to a user without rights, who looks at them
from a process of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tests.crash import race

NOBODY = 65534


@contextmanager
def everybodys() -> Iterator[Path]:
    """A folder that every user can enter. Those that pytest makes lie in one that each of its sessions closes."""
    with TemporaryDirectory(prefix="runplane-test-") as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


@contextmanager
def read_only(folder: Path) -> Iterator[None]:
    """`folder` and all in it, as an auditor's copy is: its owner may read it, and nobody may write. Afterwards it is as it
    was."""
    there = [folder, *folder.rglob("*")]
    modes = {path: path.stat().st_mode for path in there}
    for path in there:
        path.chmod(0o500 if path.is_dir() else 0o400)
        if os.geteuid() == 0:
            os.chown(path, NOBODY, NOBODY)
    yield
    for path in there:
        if os.geteuid() == 0:
            os.chown(path, 0, 0)
        path.chmod(modes[path])


def as_auditor(work: Callable[[], Any]) -> Any:
    """What `work` gives (as JSON carries it) in a process without rights of its own, with what was imported."""

    def powerless() -> Any:
        if os.geteuid() == 0:
            os.setgid(NOBODY)
            os.setuid(NOBODY)
        return work()

    return race([powerless])[0]
