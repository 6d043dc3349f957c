from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runplane_mcp.simulator import parameters
from runplane_mcp.simulator.parameters import Raw, Reader, decode
from runplane_mcp.simulator.refusal import Refusal

NAMES = st.text(alphabet="abcdefgh_0123", min_size=1, max_size=4)
NESTED = st.recursive(
    st.text(max_size=8), lambda inner: st.dictionaries(NAMES, inner, min_size=1, max_size=3), max_leaves=8
)


def flatten(value: object, name: str) -> list[tuple[str, str]]:
    if isinstance(value, dict):
        return [pair for key, inner in value.items() for pair in flatten(inner, f"{name}[{key}]")]
    return [(name, str(value))]


@settings(deadline=None)
@given(st.dictionaries(NAMES, NESTED, max_size=4))
def test_nested_parameters_come_back_as_they_were(given: dict[str, object]) -> None:
    pairs = [pair for name, value in given.items() for pair in flatten(value, name)]
    decoded: dict[str, Raw] = {}

    decode(urlencode(pairs), decoded)

    assert decoded == given


@pytest.mark.parametrize(
    ("reader", "raw", "value"),
    [
        (parameters.integer, "-12", -12),
        (parameters.currency, "USD", "usd"),
        (parameters.boolean, "false", False),
        (parameters.array(parameters.word), "", []),
        (parameters.array(parameters.word), {"1": "b", "0": "a", "10": "c"}, ["a", "b", "c"]),
        (parameters.metadata, "", {}),
        (parameters.span, "5", {"gte": 5, "lte": 5}),
    ],
)
def test_a_reader_reads(reader: Reader, raw: Raw, value: object) -> None:
    assert reader(raw, "p") == value


@pytest.mark.parametrize(
    ("reader", "raw"),
    [
        (parameters.text, {"a": "b"}),
        (parameters.text, "x" * 5001),
        (parameters.word, ""),
        (parameters.boolean, "True"),
        (parameters.boolean, "1"),
        (parameters.integer, "1_000"),
        (parameters.integer, " 1"),
        (parameters.integer, "+1"),
        (parameters.integer, "NaN"),
        (parameters.integer, "1000000000001"),
        (parameters.currency, "dollars"),
        (parameters.array(parameters.word), "a"),
        (parameters.array(parameters.word), {"-1": "a"}),
        (parameters.array(parameters.word, most=1), {"0": "a", "1": "b"}),
        (parameters.mapping({}), "a"),
        (parameters.metadata, "a"),
        (parameters.metadata, {"a": {"b": "c"}}),
        (parameters.span, {"since": "5"}),
    ],
)
def test_a_reader_refuses_and_nothing_is_remembered(reader: Reader, raw: Raw) -> None:
    with pytest.raises(Refusal) as refused:
        reader(raw, "p")

    assert refused.value.remembered is False
    assert (refused.value.status, refused.value.param is not None) == (400, True)
