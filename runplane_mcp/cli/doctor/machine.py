"""What Runplane stands on: Python, SQLite, the file system, the disk, time zones."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from runplane_mcp import __version__
from runplane_mcp.cli.doctor.finding import Finding, ok, problem, warn

_Version: TypeAlias = tuple[int, int, int]

#: Write-ahead logs with several writing processes could lose a commit when two of them reset the log at once.
#: Source: https://www.sqlite.org/wal.html, "The WAL-Reset Bug"
_BUG_SINCE: Final[_Version] = (3, 7, 0)
_BUG_FIXED: Final[_Version] = (3, 51, 3)
_BUG_FIXED_IN_OLDER: Final[tuple[_Version, ...]] = ((3, 50, 7), (3, 44, 6))
_OLDEST: Final[_Version] = (3, 37, 0)

#: Locks and the shared memory of a write-ahead log do not work between the machines of these.
_NETWORK = frozenset(
    "9p afpfs afs beegfs ceph cifs coda davfs fuse.gcsfuse fuse.glusterfs fuse.rclone fuse.s3fs fuse.sshfs gfs2 gpfs "
    "lustre ncpfs nfs nfs4 ocfs2 orangefs smb2 smb3 smbfs webdav".split()
)
_SHARED = frozenset({"virtiofs", "vboxsf", "prl_fs", "drvfs", "fuse.vmhgfs-fuse", "macfuse", "osxfuse"})
_MEMORY = frozenset({"tmpfs", "ramfs"})

_ENOUGH: Final = 1_000_000_000
_TOO_LITTLE: Final = 50_000_000


def machine(home: Path) -> Iterator[Finding]:
    yield ok("runplane", f"Runplane {__version__} on Python {platform.python_version()}, {platform.system()}")
    yield from sqlite_version(sqlite3.sqlite_version_info)
    yield from _file_system(home)
    yield from disk_room(home, shutil.disk_usage(_existing(home)).free)
    yield from _zones()


def sqlite_version(version: tuple[int, ...]) -> Iterator[Finding]:
    """Whether this SQLite can hold a store, and whether it has the bug of resetting write-ahead logs."""
    now: _Version = (version[0], version[1], version[2])
    written = ".".join(map(str, now))
    if now < _OLDEST:
        yield problem("sqlite", f"SQLite {written} is too old.", "Use a Python whose SQLite is 3.37 or newer.")
        return
    fixed = now >= _BUG_FIXED or any(each <= now < (each[0], each[1] + 1, 0) for each in _BUG_FIXED_IN_OLDER)
    if now < _BUG_SINCE or fixed:
        yield ok("sqlite", f"SQLite {written}")
        return
    yield warn(
        "sqlite",
        f"SQLite {written} has the WAL-reset bug (3.7.0 to 3.51.2): two processes that reset the write-ahead log at once"
        " can lose a commit. Runplane takes a lock on a file around each write, which keeps its own processes apart.",
        "Let no other program write to runplane.db. A Python with SQLite 3.51.3, 3.50.7 or 3.44.6 does not have it.",
    )


def disk_room(home: Path, free: int) -> Iterator[Finding]:
    room = f"{free / 1_000_000_000:,.1f} GB free for {home}"
    if free < _TOO_LITTLE:
        yield problem("disk", f"{room}: nothing can be decided on a full disk.", "Free some space.")
    elif free < _ENOUGH:
        yield warn("disk", room, "Free some space before it is full: then nothing runs.")
    else:
        yield ok("disk", room)


def _file_system(home: Path) -> Iterator[Finding]:
    try:
        yield from kind_of_file_system(home, mounts())
    except (OSError, subprocess.SubprocessError):
        yield warn("file_system", "The kind of file system could not be found out.", "See that it is a local disk.")


def kind_of_file_system(home: Path, mounted: list[tuple[Path, str]]) -> Iterator[Finding]:
    """Whether the home lies on a disk of this machine. `mounted` are mount points with their types, in mount order."""
    place = _existing(home).resolve()
    kind = "unknown"
    longest = -1
    for point, found in mounted:
        # A later mount on the same point covers the earlier one.
        if place.is_relative_to(point) and len(point.parts) >= longest:
            kind, longest = found, len(point.parts)
    if kind in _NETWORK:
        yield problem(
            "file_system",
            f"The home is on a network file system ({kind}): locks do not hold there, so two processes could both"
            " believe to be alone.",
            "Set RUNPLANE_HOME to a folder on a local disk.",
        )
    elif kind in _SHARED or kind.startswith("fuse"):
        yield warn(
            "file_system",
            f"The home is on a file system ({kind}) that may belong to another machine.",
            "If other machines use it too, set RUNPLANE_HOME to a folder on a local disk.",
        )
    elif kind in _MEMORY:
        yield warn(
            "file_system",
            f"The home is in memory ({kind}): a restart of the machine loses it.",
            "Set RUNPLANE_HOME to a folder on a disk, unless this is a try-out.",
        )
    else:
        yield ok("file_system", f"{kind}, a local file system")


def mounts() -> list[tuple[Path, str]]:
    """What is mounted here, with its types."""
    table = Path("/proc/self/mountinfo")
    if table.exists():
        return linux_mounts(table.read_text(encoding="utf-8", errors="replace"))
    return other_mounts(_listed())


def _listed() -> str:
    """What `mount` says. It gets a path to be found by and nothing else of ours, the key in particular."""
    path = {"PATH": os.environ.get("PATH", os.defpath)}
    return subprocess.run(["mount"], capture_output=True, text=True, timeout=5, check=True, env=path).stdout


def linux_mounts(text: str) -> list[tuple[Path, str]]:
    """Of /proc/self/mountinfo: blanks in names are written `\\040`. Source: proc_pid_mountinfo(5)."""
    found = []
    for line in text.splitlines():
        mount, _, rest = line.partition(" - ")
        fields = mount.split(" ")
        if len(fields) > 4 and rest:
            point = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), fields[4])
            found.append((Path(point), rest.split(" ")[0]))
    return found


def other_mounts(text: str) -> list[tuple[Path, str]]:
    """Of `mount` on macOS: `/dev/disk3s5 on /System/Volumes/Data (apfs, local, journaled)`."""
    matched = (re.fullmatch(r".* on (/.*) \(([^,)]+).*\)", line) for line in text.splitlines())
    return [(Path(each[1]), each[2]) for each in matched if each is not None]


def _zones() -> Iterator[Finding]:
    try:
        ZoneInfo("America/New_York")
    except (ZoneInfoNotFoundError, OSError, ValueError):
        yield problem(
            "time_zones",
            "There are no time zone data, so no policy with business hours can decide.",
            "Install them: pip install tzdata",
        )
    else:
        yield ok("time_zones", "time zone data are there")


def _existing(path: Path) -> Path:
    """The path, or the nearest folder above it that exists."""
    path = path.absolute()
    while not path.exists() and path != path.parent:
        path = path.parent
    return path
