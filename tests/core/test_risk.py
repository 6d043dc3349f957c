"""The risk: the published table and its calibration, floors, and what can and cannot change a score."""

from __future__ import annotations

from datetime import date
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runplane_mcp.core import risk
from runplane_mcp.core.decision import Risk, RiskLevel
from runplane_mcp.core.facts import GROUPS, NONE, REGISTRY, UNKNOWN, FactType, FactValue
from runplane_mcp.core.money import Money, Rates
from runplane_mcp.core.policy import Levels
from runplane_mcp.core.policy.conditions import Converter, today_of
from runplane_mcp.core.risk import Scorer
from tests.core.policies import ACTIONS, facts_of, refund

LOW, MEDIUM, HIGH, CRITICAL = RiskLevel
RATES = Rates("usd", date(2026, 3, 1), {"eur": Fraction(11, 10), "jpy": Fraction("0.0067")})
SCORER = Scorer(Converter(RATES), Levels())


def scored(facts: dict[str, FactValue], share: int | None = 0) -> Risk:
    return SCORER.score(facts, share, today_of(facts))


def payout(dollars: int, **given: FactValue) -> dict[str, FactValue]:
    return facts_of("payout.create", amount=Money(dollars * 100, "usd"), **given)


def transfer(dollars: int, **given: FactValue) -> dict[str, FactValue]:
    return facts_of("transfer.create", amount=Money(dollars * 100, "usd"), **given)


# -- calibration ---------------------------------------------------------------------------------------------------


def test_a_small_refund_in_the_afternoon_is_low() -> None:
    assert scored(refund(40)).level is LOW


def test_a_235_dollar_refund_in_business_hours_stays_low_at_94_percent_of_a_limit() -> None:
    """Otherwise the risk, not the limit, would stop the fourth of the 200 refunds."""
    assert scored(refund(235), share=94).level is LOW


def test_a_235_dollar_refund_at_night_is_medium() -> None:
    assert scored(refund(235, business_hours=False)).level is MEDIUM


@pytest.mark.parametrize("action", ["payout.create", "transfer.create"])
def test_money_that_leaves_the_balance_is_never_low(action: str) -> None:
    assert scored(facts_of(action, amount=Money(1, "usd"), reversible=True)).level is MEDIUM


def test_a_change_without_money_is_low() -> None:
    assert scored(facts_of("customer.update", reversible=True)).level is LOW


@pytest.mark.parametrize("action", ACTIONS)
def test_the_amount_alone_is_never_critical(action: str) -> None:
    facts = facts_of(action)
    largest = Money(10**12, "usd")
    facts |= {name: largest for name in risk.AMOUNTS if name in facts}

    assert scored(facts, share=0).level is not CRITICAL


def test_an_irreversible_fortune_to_a_new_destination_is_still_for_people_to_decide() -> None:
    assert scored(transfer(1_000_000, destination_paid_before=False)).level is HIGH


def test_several_red_flags_together_are_critical() -> None:
    assert scored(transfer(1_000_000, destination_paid_before=False, business_hours=False)).level is CRITICAL


def test_reads_have_no_risk() -> None:
    assert Risk(0, LOW) == scored(facts_of("balance.retrieve", refused_24h_agent=50), share=500)


def test_a_read_that_hands_out_a_secret_is_high() -> None:
    assert scored(facts_of("balance.retrieve", gives_access=True)).level is HIGH


# -- the table -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cents", "points"),
    [
        *((5000, 0), (5001, 3), (20000, 3), (20001, 5), (50000, 5), (50001, 10), (100000, 10), (100001, 15)),
        *((500000, 15), (500001, 25), (2000000, 25), (2000001, 30)),
    ],
)
def test_the_ladder_of_amounts_is_compared_exactly(cents: int, points: int) -> None:
    money = Money(cents, "usd")
    factors = scored(facts_of("refund.create", amount=money, amount_on_object=money)).factors

    assert points == sum(factor.points for factor in factors if factor.name == "amount")


def test_many_small_refunds_of_one_charge_count_as_one_large_one() -> None:
    split = refund(40, amount_on_object=Money(90_000, "usd"))

    assert scored(refund(900)).score == scored(split).score


def test_a_foreign_amount_is_converted() -> None:
    euros = refund(0, amount=Money(18_182, "eur"), amount_on_object=Money(18_182, "eur"))  # $200.002

    assert scored(refund(201)).score == scored(euros).score


def test_a_yen_does_not_stand_where_a_dollar_does() -> None:
    scorer = Scorer(Converter(Rates("jpy")), Levels())
    facts = facts_of("refund.create", amount=Money(5000, "jpy"), amount_on_object=Money(5000, "jpy"))

    assert not [factor for factor in scorer.score(facts, 0, None).factors if factor.name == "amount"]


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ({"destination_paid_before": False}, "new_destination"),
        ({"business_hours": False}, "out_of_hours"),
        ({"disputed": True}, "disputed"),
        ({"refused_24h_agent": 1}, "refused"),
        ({"denied_24h_object": 1}, "denied_before"),
        ({"possible_duplicate": True}, "duplicate"),
    ],
)
def test_each_red_flag_adds_points_and_says_why(given: dict[str, FactValue], name: str) -> None:
    before, after = scored(payout(40)), scored(payout(40, **given))
    added = set(after.factors) - set(before.factors)

    assert after.score > before.score
    assert {name} == {factor.name for factor in added}
    assert all(factor.sentence.endswith(".") for factor in added)


@pytest.mark.parametrize(
    ("share", "points"), [(0, 0), (49, 0), (50, 2), (75, 5), (100, 5), (101, 10), (1000, 10), (None, 10)]
)
def test_a_filling_limit_adds_points(share: int | None, points: int) -> None:
    assert points == scored(refund(40), share=share).score - scored(refund(40)).score


def test_every_group_has_points_and_a_score_never_passes_100() -> None:
    assert set(GROUPS) == risk.KIND_POINTS.keys()

    assert sorted(risk.KIND_POINTS.values(), reverse=True) == list(risk.KIND_POINTS.values())

    worst = scored(dict.fromkeys(REGISTRY, UNKNOWN), share=None)

    assert (100, CRITICAL) == (worst.score, worst.level)


# -- floors --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "facts",
    [
        refund(40, amount=UNKNOWN),
        refund(40, amount=Money(4000, "sek")),
        refund(40, amount=4000),
        refund(40, gives_access=True),
        refund(40, gives_access=UNKNOWN),
        refund(40, redirects_funds=True),
        refund(40, bulk=True),
        facts_of("customer.delete", reversible=True),
        facts_of("subscription.cancel", mrr_lost=UNKNOWN),
        refund(40, action=frozenset({"bank_details"})),
        refund(40, action=frozenset({"access"})),
    ],
    ids=lambda facts: f"{facts.get('amount')} {sorted(facts['action'])}",
)
def test_where_a_number_could_hide_danger_the_level_is_at_least_high(facts: dict[str, FactValue]) -> None:
    """THREATS 1, 17: an amount that nobody can tell, whatever else is quiet."""
    result = scored(facts)

    assert result.level is HIGH
    assert result.score >= Levels().high
    assert any(factor.floor is HIGH for factor in result.factors)


def test_the_borders_of_the_levels_can_be_set() -> None:
    scorer = Scorer(Converter(RATES), Levels(10, 20, 90))

    assert scorer.score(refund(40), 0, None).level is MEDIUM
    assert 20 == scorer.score(refund(40, bulk=True), 0, None).score


# -- what cannot change it -----------------------------------------------------------------------------------------

WORDS = st.text(max_size=20)


@given(WORDS, WORDS, st.frozensets(WORDS), st.sampled_from(["mcp", "proxy"]))
def test_nothing_the_agent_wrote_changes_the_score(agent: str, client: str, roles: frozenset[str], via: str) -> None:
    said = refund(235, agent=agent, client=client, agent_roles=roles, via=via, url_hosts=roles)

    assert scored(refund(235)) == scored(said)


VALUES: dict[FactType, st.SearchStrategy[FactValue]] = {
    FactType.MONEY: st.builds(Money, st.integers(0, 10**7), st.sampled_from(["usd", "eur", "sek"])),
    FactType.YES_NO: st.booleans(),
    FactType.NUMBER: st.integers(0, 100),
}
SCORED = (*risk.AMOUNTS, *risk.FLOOR_FACTS, "reversible", "destination_paid_before", "business_hours", "disputed")
HISTORY = ("refused_24h_agent", "denied_24h_object", "possible_duplicate")


@given(st.data(), st.sampled_from(sorted(set(ACTIONS) - {"balance.retrieve"})))
def test_what_is_unknown_never_scores_less_than_any_value(data: st.DataObject, action: str) -> None:
    """Otherwise an agent could break a look-up to look harmless."""
    facts = facts_of(action)
    name = data.draw(st.sampled_from([name for name in (*SCORED, *HISTORY) if name in facts]))
    value = data.draw(VALUES[REGISTRY[name].type] | st.just(NONE))
    known, unknown = scored(facts | {name: value}), scored(facts | {name: UNKNOWN})

    assert unknown.score >= known.score
    assert unknown.level >= known.level or list(RiskLevel).index(unknown.level) >= list(RiskLevel).index(known.level)
