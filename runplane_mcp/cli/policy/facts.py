"""`runplane policy facts`: what rules can test, from the registry."""

from __future__ import annotations

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.options import JsonFlag

EXAMPLES = examples(
    ("runplane policy facts", "what rules can test, and what each means"),
    ("runplane policy facts --json", "for programs"),
)


def facts(as_json: JsonFlag = False) -> None:
    """List the facts that rules can test."""
    from runplane_mcp.cli.output import Column, console, print_json, table
    from runplane_mcp.core.catalog import load as load_catalog
    from runplane_mcp.core.explain import value_words
    from runplane_mcp.core.facts import EVERYWHERE, REGISTRY, TESTS
    from runplane_mcp.gate.records import fact_json

    actions = load_catalog().actions.values()
    having = {name: [each.name for each in actions if name in each.facts] for name in REGISTRY}
    if as_json:
        print_json(
            [
                {
                    "name": fact.name,
                    "type": fact.type.value,
                    "unit": fact.unit,
                    "sentence": fact.sentence,
                    "source": fact.source.value,
                    "neutral": fact_json(fact.neutral),
                    "choices": list(fact.choices),
                    "tests": list(TESTS[fact.type]),
                    "everywhere": fact.name in EVERYWHERE,
                    "actions": having[fact.name],
                }
                for fact in REGISTRY.values()
            ]
        )
        return
    rows = [
        (
            fact.name,
            f"{fact.type.value}, {fact.unit}" if fact.unit and fact.unit != fact.type.value else fact.type.value,
            fact.sentence,
            fact.source.value,
            value_words(fact.neutral),
            "all" if fact.name in EVERYWHERE else str(len(having[fact.name])),
        )
        for fact in REGISTRY.values()
    ]
    columns = [
        Column("FACT", whole=True),
        Column("TYPE"),
        Column("MEANING"),
        Column("SOURCE"),
        Column("NEUTRAL"),
        Column("ACTIONS", right=True),
    ]
    console().print(table(columns, rows))
