"""`runplane audit checkpoint` and `rotate-key`: the newest checkpoint to keep elsewhere, and the key that signs them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, require_home, settings_of_home
from runplane_mcp.cli.options import AsAdmin, JsonFlag, SecretStdin

if TYPE_CHECKING:
    from runplane_mcp.gate.audit.log_keys import Rotated
    from runplane_mcp.gate.desk import Desk

CHECKPOINT_EXAMPLES = examples(
    ("runplane audit checkpoint", "prints it; mail it to somebody, or note it in a ticket"),
    ("runplane audit checkpoint >> /mnt/elsewhere/kept.txt", "one after the other in one file"),
    ("runplane audit checkpoint --json", "its parts, and the key that other programs check it with"),
)
ROTATE_EXAMPLES = examples(
    ("runplane audit rotate-key --as maria", "a new key; the old one signs that it gives way"),
    ("runplane audit rotate-key --lost --as maria", "the old key is gone"),
    ("runplane audit rotate-key --as maria --secret-stdin --json < secret", "for scripts"),
)


def checkpoint(as_json: JsonFlag = False) -> None:
    """Print the newest checkpoint of the audit log.

    It says how many events there are and what their root is, signed by the log's key. Kept where nobody who can write
    this home can reach, it proves later that none of them was changed: runplane audit verify --checkpoint FILE
    """
    from runplane_mcp.cli.output import print_json
    from runplane_mcp.core.checkpoint import fingerprint, verifier_key
    from runplane_mcp.gate.audit.log_keys import newest_checkpoint
    from runplane_mcp.settings import can_write
    from runplane_mcp.store.checkpoints import Kept

    settings = settings_of_home()
    require_home(settings)
    kept = Kept(settings.checkpoint_file, settings.log_key)
    note, key = newest_checkpoint(settings.database, kept, keep=can_write(settings))
    text = note.encode().decode()
    if not as_json:
        typer.echo(text, nl=False)
        return
    there = note.checkpoint
    print_json(
        {
            "checkpoint": text,
            "origin": there.origin,
            "size": there.size,
            "root": there.root.hex(),
            "last_leaf": None if there.last_leaf is None else there.last_leaf.hex(),
            "key": fingerprint(key),
            "verifier_key": verifier_key(there.origin, key),
            "file": str(settings.checkpoint_file),
        }
    )


def rotate_key(
    name: AsAdmin = None,
    lost: Annotated[bool, typer.Option("--lost", help="The key is gone and cannot sign that it gives way.")] = False,
    secret_stdin: SecretStdin = False,
    as_json: JsonFlag = False,
) -> None:
    """Put a new key in the place of the one that signs checkpoints.

    The log tells of it under the signatures of the old key, the new one and an administrator. What the old key signed
    stays verifiable; what it signs from now on does not count.
    """
    from runplane_mcp.cli.output import print_json, say
    from runplane_mcp.cli.secrets import administrator
    from runplane_mcp.gate.audit.log_keys import rotate

    settings = settings_of_home()
    require_home(settings)
    admin, secret = administrator(name, "Changing the log's key", from_stdin=secret_stdin, as_json=as_json)

    async def change(desk: Desk) -> Rotated:
        return await rotate(desk, settings.log_key, admin=admin, secret=secret, lost=lost)

    done = at_desk(settings, change)
    if as_json:
        print_json({"key": done.key, "previous": done.previous, "event": done.seq, "by": done.by, "lost": lost})
        return
    say(f"The log's key is now {done.key}, by {done.by}, at event {done.seq:,}.", "green")
    say(f"Before it was {done.previous}: what that key signed until then still counts.")
    say("Keep a checkpoint by the new key elsewhere: runplane audit checkpoint")
