"""Keys from a terminal: bytes become names, and the terminal gets its manners back at the end."""

from __future__ import annotations

import codecs
import contextlib
import os
import re
import termios
from collections.abc import Iterator, Mapping
from typing import Final

#: What a terminal sends for the keys that are no character (ECMA-48 control sequences, as xterm uses them).
_SEQUENCES: Final[Mapping[str, str]] = {
    "[A": "up",
    "[B": "down",
    "[C": "right",
    "[D": "left",
    "[H": "home",
    "[F": "end",
    "[1~": "home",
    "[4~": "end",
    "[5~": "pageup",
    "[6~": "pagedown",
    "OA": "up",
    "OB": "down",
    "OC": "right",
    "OD": "left",
    "OH": "home",
    "OF": "end",
}
_CONTROLS: Final[Mapping[str, str]] = {
    "\r": "enter",
    "\n": "enter",
    "\x7f": "backspace",
    "\x08": "backspace",
    "\x03": "interrupt",
    "\x04": "interrupt",
    "\x15": "erase",
    "\x0c": "redraw",
}
_SEQUENCE = re.compile(r"\x1b(\[[0-9;?]*[ -/]*[@-~]|O[@-~])")
_BEGUN = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*|O)?\Z")


class Keys:
    """Bytes to names of keys; a printable character is its own name. What no key sends is passed over."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="ignore")
        self._rest = ""

    def feed(self, data: bytes) -> list[str]:
        """The keys in `data`. A sequence that is not whole yet waits for its end, or for `flush`."""
        text = self._rest + self._decoder.decode(data)
        self._rest = ""
        found: list[str] = []
        while text:
            if sequence := _SEQUENCE.match(text):
                if name := _SEQUENCES.get(sequence[1]):
                    found.append(name)
                text = text[sequence.end() :]
            elif _BEGUN.match(text):
                self._rest = text
                break
            else:
                found.extend(_named(text[0]))
                text = text[1:]
        return found

    @property
    def waits(self) -> bool:
        """Whether the last bytes may be the beginning of a sequence, or just the escape key."""
        return bool(self._rest)

    def flush(self) -> list[str]:
        """No more came: it was the escape key."""
        rest, self._rest = self._rest, ""
        return ["escape"] if rest else []


def _named(character: str) -> list[str]:
    if character == "\x1b":
        return ["escape"]
    if character in _CONTROLS:
        return [_CONTROLS[character]]
    return [character] if character.isprintable() else []


@contextlib.contextmanager
def unbuffered(descriptor: int) -> Iterator[None]:
    """Keys arrive one by one, unechoed, and Ctrl-C and Ctrl-Z are keys like others. Whatever happens, the terminal is
    afterwards as it was, and what was typed and not read is thrown away: it may be half a passphrase, and the shell must
    not get it."""
    before = termios.tcgetattr(descriptor)
    now = termios.tcgetattr(descriptor)
    now[3] &= ~(termios.ECHO | termios.ICANON | termios.ISIG | termios.IEXTEN)
    now[6][termios.VMIN], now[6][termios.VTIME] = 1, 0
    termios.tcsetattr(descriptor, termios.TCSAFLUSH, now)
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSAFLUSH, before)


def read(descriptor: int) -> bytes:
    """What was typed; empty when the terminal has gone."""
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""
