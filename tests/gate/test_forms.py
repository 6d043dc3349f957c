"""The forms in which requests are the same, made from the bytes that would run."""

from __future__ import annotations

import os

from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core.catalog import load
from runplane_mcp.core.effects import effect_of, effective
from runplane_mcp.core.request import request_id, sameness
from runplane_mcp.core.wire import Value, encode
from runplane_mcp.gate.repeats import with_forms
from tests.store.things import a_request

CATALOG = load()
ID = request_id(os.urandom(16))

words = st.text(max_size=8) | st.sampled_from([ID, f"={ID}", f"x={ID}&", f"runplane_request]={ID}"])
metadata = st.dictionaries(st.sampled_from(["order", "runplane_request", "z"]), words, min_size=1, max_size=3)


@given(st.none() | metadata, words)
def test_the_effective_form_is_that_of_the_bytes_without_our_mark(held: dict[str, str] | None, code: str) -> None:
    """Whatever the agent wrote, also where it is our own id, with or without what stands round it."""
    parameters: dict[str, Value] = {"charge": "ch_1", "amount": 500, "reason": f"a{code}".replace("\x00", "")}
    if held is not None:
        parameters["metadata"] = {name: value.replace("\x00", "") for name, value in held.items()}
    for method, path in (("POST", "/v1/refunds"), ("POST", "/v1/charges/{charge}/refund")):
        classified = CATALOG.classify(encode(method, path, parameters))
        effect = effect_of(classified, {})
        request = a_request(id=ID)
        unmarked = effective(classified, effect, "")

        made = with_forms(request, classified, effect, effective(classified, effect, ID))

        wanted = sameness(request.operation_id, request.identity, unmarked, request.principal)
        assert made.same_effective == wanted


def test_requests_that_differ_in_their_mark_alone_are_the_same() -> None:
    parameters: dict[str, Value] = {"charge": "ch_1", "amount": 500}
    classified = CATALOG.classify(encode("POST", "/v1/refunds", parameters))
    effect = effect_of(classified, {})
    made = []
    for request in (a_request(), a_request()):
        run_as = effective(classified, effect, request.id)
        assert request.id.encode() in run_as.body
        made.append(with_forms(request, classified, effect, run_as).same_effective)

    assert made[0] == made[1]
