"""Writes `docs/stripe-operations.md`: every operation as it was judged, for whoever reviews what agents can do.

By group first, front door and side doors together; then each write with what its parameters add; then what only reads.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby
from typing import Final

from runplane_mcp.core.catalog import Catalog
from runplane_mcp.core.facts import GROUP_SENTENCES, GROUPS
from runplane_mcp.core.operation import Operation
from runplane_mcp.core.request import Kind
from runplane_mcp.core.told import Addition

_UNDO: Final = {True: "can be undone", False: "cannot be undone", None: "it depends whether it can be undone"}
_HEAD: Final = """# Every Stripe operation, as it was judged

This page is written by `scripts/catalog` from the catalog; a test fails while it is not current. [The catalog](catalog.md)
says how an operation is judged. Everything here holds for other paths of the same operation too: {aliases} of them are in
the catalog.

{writes} writes are judged one by one, {only} POSTs only read, {reads} reads are judged. {unjudged} operations, previews of
Stripe's, are not: they are blocked unless the policy's `otherwise.unjudged` says that people decide, or an `allow` rule
names the very action; then people decide.
"""


def page_of(catalog: Catalog) -> str:
    own = [each for each in catalog.operations if each.alias_of is None]
    writes = [each for each in own if each.judged and each.kind is Kind.WRITE]
    reads = [each for each in own if each.judged and each.kind is Kind.READ]
    head = _HEAD.format(
        aliases=sum(each.alias_of is not None for each in catalog.operations),
        writes=len(writes),
        only=sum(each.method != "GET" for each in reads),
        reads=sum(each.method == "GET" for each in reads),
        unjudged=sum(not each.judged for each in own),
    )
    return "\n".join([head, *_groups(writes, reads), *_writes(writes), *_reads(reads), *_unjudged(own)]) + "\n"


def _groups(writes: Iterable[Operation], reads: Iterable[Operation]) -> Iterator[str]:
    yield "## By group\n"
    everything = [*writes, *reads]
    for group in GROUPS:
        yield f"### {group}\n\n{GROUP_SENTENCES[group]}\n"
        always = [each.action for each in everything if group in each.least.groups]
        if always:
            yield f"Always, or unless parameters prove otherwise: {_codes(always)}.\n"
        with_parameters = [
            f"- `{each.action}` with {_codes(sorted({str(when) for when, added in told if group in added.groups}))}"
            for each in everything
            if (told := each.telling.told if each.telling is not None else ())
            and group in each.groups - each.least.groups
        ]
        if with_parameters:
            yield "With parameters:\n\n" + "\n".join(sorted(with_parameters)) + "\n"


def _writes(writes: list[Operation]) -> Iterator[str]:
    yield "## Each write\n"
    for resource, members in groupby(writes, lambda each: each.action.rpartition(".")[0]):
        yield f"### {resource}\n"
        for each in members:
            yield "\n".join(_write(each)) + "\n"


def _write(operation: Operation) -> Iterator[str]:
    yield f"**{operation.action}** · `{operation.method} {operation.path}`\n"
    marks = [", ".join(sorted(operation.least.groups)) or "no group", *operation.effects, _UNDO[operation.reversible]]
    yield f"{operation.reason} *{'; '.join(marks)}.*"
    if operation.declaration is not None:
        yield f"\nPeople read: “{operation.declaration.sentence}” {operation.declaration.undo}"
    if operation.telling is not None and operation.telling.told:
        yield ""
        for when, addition in operation.telling.told:
            yield f"- `{when}` {addition.reason}{_brings(addition)}"
    for variant in operation.variants:
        brings = ", ".join(sorted(variant.judgement.groups)) or "no group"
        yield f"\nNarrower with no other parameters than {_codes(sorted(variant.only))}{_when(variant.when)}: {brings}."


def _when(when: Mapping[str, str]) -> str:
    return "".join(f", `{name}={text}`" for name, text in sorted(when.items()))


def _brings(addition: Addition) -> str:
    brings = [*sorted(addition.groups), *sorted(addition.facts)]
    return f" *{', '.join(brings)}*" if brings else ""


def _reads(reads: list[Operation]) -> Iterator[str]:
    yield "## POSTs that only read\n"
    yield "\n".join(
        f"- **{each.action}** · `{each.method} {each.path}`: {each.reason}" for each in reads if each.method != "GET"
    )
    yield "\n## Reads that count as access\n"
    yield "\n".join(f"- **{each.action}** · `{each.path}`: {each.reason}" for each in reads if "access" in each.groups)
    yield "\n## All other reads\n"
    yield "\n".join(
        f"- **{each.action}** · `{each.path}`: {each.reason}"
        for each in reads
        if each.method == "GET" and "access" not in each.groups
    )


def _unjudged(own: list[Operation]) -> Iterator[str]:
    yield "\n## Not judged\n"
    yield "Named by rule, and in the groups of their family, so that a rule on a group catches them too.\n"
    yield "\n".join(
        f"- **{each.action}** · `{each.method} {each.path}`: {', '.join(sorted(each.groups)) or 'no group'}"
        for each in own
        if not each.judged and each.kind is Kind.WRITE
    )


def _codes(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)
