"""`runplane policy schema`: the JSON Schema of policy files, for editors."""

from __future__ import annotations

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.options import JsonFlag

EXAMPLES = examples(
    ("runplane policy schema > policy.schema.json", "beside a policy, for editors that know YAML"),
)


def schema(as_json: JsonFlag = False) -> None:  # noqa: ARG001 - every command takes it
    """Print the JSON Schema of policy files.

    Editors complete keys with it and mark what does not fit. A file names it in its first line:
    `# yaml-language-server: $schema=./policy.schema.json`. It is JSON with and without --json.
    """
    import sys

    from runplane_mcp.core.policy.schema import schema_text

    sys.stdout.write(schema_text())
