"""`scripts/catalog [PATH]` takes over a published list of Stripe's operations, and says what is other than before. Then it
writes anew what is derived: `data/parameters.json`, from the SDK that is installed, and the page for reviewers. Without a
list it does only that.

The list is JSON: `{"operations": [{"method", "path", "operation_id", "host", "api_version", "availability", "alias_of",
"required", "params"}, …]}`. Order is kept, hosts are written in one way, and each operation is one line, so that a diff can
be read. Nothing is written unless the catalog loads with it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final, TypeAlias, cast

from runplane_mcp.core.catalog import PARAMETERS, PUBLISHED, Catalog, read_catalog, texts
from scripts.parameters import shapes_of, text_of
from scripts.review import page_of

Row: TypeAlias = Mapping[str, object]

DATA: Final = Path(str(files("runplane_mcp.core").joinpath("data")))
#: The page for whoever reviews what agents can do.
PAGE: Final = Path(__file__).parents[1] / "docs" / "stripe-operations.md"
#: What every operation has, in the order in which a line shows it.
_KEYS: Final = tuple("method path operation_id host api_version availability alias_of required params".split())
#: The names of Stripe's hosts as the list may write them, each with ours.
_HOSTS: Final = {
    spelling: name
    for name in ("api", "connect", "files", "meter_events")
    for spelling in (name, f"{name.replace('_', '-')}.stripe.com")
}
#: What is told when it is other than before, beside parameters.
_TOLD: Final = ("operation_id", "host", "api_version", "availability", "alias_of")
_TYPES: Final = frozenset("string integer boolean object array".split())
_METHODS: Final = frozenset("GET POST DELETE".split())


class Unusable(Exception):
    """A list that cannot be taken over, in words."""


def normal_form(meta: Row, published: Row) -> str:
    """The text of `data/operations.json` for a published list, under this header. Unusable says what is wrong with it."""
    found = published.get("operations")
    if not isinstance(found, list) or not found:
        raise Unusable("It has no list of operations.")
    rows = [_normal(number, row) for number, row in enumerate(found)]
    seen: set[tuple[object, object]] = set()
    for row in rows:
        route = (row["method"], row["path"])
        if route in seen:
            raise Unusable(f"{row['method']} {row['path']} stands in it twice.")
        seen.add(route)
    for row in rows:
        target = row["alias_of"]
        if target is not None and tuple(str(target).split(" ", 1)) not in seen:
            raise Unusable(f"{row['method']} {row['path']} is an alias of {target}, which is not in it.")
    head = ",\n".join(f"{json.dumps(name)}: {json.dumps(text)}" for name, text in meta.items())
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    return f'{{\n"meta": {{\n{head}\n}},\n"operations": [\n{lines}\n]\n}}\n'


def differences(before: Catalog, after: Catalog) -> Iterator[str]:
    """What is other in `after`, a line each: gone (-), new (+), changed (~)."""
    old = {f"{each.method} {each.path}": each for each in before.operations}
    new = {f"{each.method} {each.path}": each for each in after.operations}
    for route in old.keys() - new.keys():
        yield f"- {route} ({old[route].operation_id})"
    for route, operation in new.items():
        if route not in old:
            yield f"+ {route} ({operation.operation_id}): {operation.action}, not judged"
            continue
        was = old[route]
        changed = [
            f"{name} {then} → {now}"
            for name in _TOLD
            if (then := getattr(was, name)) != (now := getattr(operation, name))
        ]
        for name in [*was.params, *(each for each in operation.params if each not in was.params)]:
            then, now = was.params.get(name), operation.params.get(name)
            if then is None:
                changed.append(f"takes {name} ({now})")
            elif now is None:
                changed.append(f"no longer takes {name}")
            elif then != now:
                changed.append(f"{name} is {now}, was {then}")
        changed += [f"needs {name}" for name in sorted(operation.required - was.required)]
        changed += [f"no longer needs {name}" for name in sorted(was.required - operation.required)]
        if changed:
            judged = " Judged: look at its judgement again." if operation.judged and operation.alias_of is None else ""
            yield f"~ {route} ({operation.operation_id}): {', '.join(changed)}.{judged}"


def _normal(number: int, row: object) -> dict[str, object]:
    if not isinstance(row, dict) or not row.keys() >= set(_KEYS):
        raise Unusable(f"Its operation {number} lacks something of {', '.join(_KEYS)}.")
    where = f"{row['method']} {row['path']}"
    if row.keys() != set(_KEYS):
        raise Unusable(f"{where} has what nobody here knows: {', '.join(sorted(row.keys() - set(_KEYS)))}.")
    if str(row["host"]) not in _HOSTS:
        raise Unusable(f"{where} is on a host that nobody here knows: {row['host']}.")
    if row["method"] not in _METHODS or not str(row["path"]).startswith("/"):
        raise Unusable(f"{where} is no method and path of Stripe's.")
    params = row["params"]
    if not isinstance(params, dict) or not all(str(type_) in _TYPES for type_ in params.values()):
        raise Unusable(f"{where} has parameters of types that nobody here knows.")
    return {name: row[name] if name != "host" else _HOSTS[str(row["host"])] for name in _KEYS}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="scripts/catalog", description="Takes over a published list of operations.")
    parser.add_argument(
        "path", type=Path, nargs="?", help="the published list; without it, only what is derived is written"
    )
    parser.add_argument("--into", type=Path, default=DATA / PUBLISHED, help="the file to write; default: the package's")
    parser.add_argument("--dry-run", action="store_true", help="only say what would change")
    given = parser.parse_args(arguments)
    present = given.into.read_text(encoding="utf-8")
    ours = texts()
    try:
        published = json.loads(given.path.read_text(encoding="utf-8")) if given.path else json.loads(present)
        if not isinstance(published, dict):
            raise Unusable("It is no object.")
        text = normal_form(json.loads(present)["meta"], published)
        parameters = text_of(shapes_of(json.loads(text)["operations"]))
        before = read_catalog(present, *ours.judged, meanings=ours.meanings, parameters=ours.parameters)
        after = read_catalog(text, *ours.judged, meanings=ours.meanings, parameters=parameters)
    except (Unusable, OSError, ValueError, KeyError) as error:
        print(f"{given.path or 'It'} cannot be taken over, and nothing was written: {error}", file=sys.stderr)
        return 1
    _tell(before, after, cast("Row", published.get("meta", {})))
    derived = [(given.into, text), (given.into.with_name(PARAMETERS), parameters)]
    if given.into.parent == DATA:
        derived.append((PAGE, page_of(after)))
    for path, new in derived:
        if not given.dry_run and (not path.exists() or path.read_text(encoding="utf-8") != new):
            path.write_text(new, encoding="utf-8")
    return 0


def _tell(before: Catalog, after: Catalog, meta: Row) -> None:
    told = sorted(differences(before, after))
    for line in told:
        print(line)
    unjudged = sum(not each.judged for each in after.operations)
    print(f"{len(before.operations):,} operations before, {len(after.operations):,} now; {len(told):,} differences.")
    print(f"{unjudged:,} are not judged: the policy's `otherwise.unjudged` decides about them.")
    if told:
        print(f"The list says of itself: {meta.get('source', 'nothing')}")
        print(
            "Put that into the header, judge what is new, and read the names of actions anew: docs/catalog.md says how."
        )


if __name__ == "__main__":
    sys.exit(main())
