from __future__ import annotations

import pytest
import stripe

from runplane_mcp.simulator import SEED
from tests.simulator.world import World


def test_the_account_shows_its_bank_accounts(sdk: stripe.StripeClient) -> None:
    account = sdk.v1.accounts.retrieve_current()

    assert account.id == SEED.account
    assert account.external_accounts is not None
    defaults = {bank.currency: bank.id for bank in account.external_accounts.data if bank.default_for_currency}
    assert defaults == {"usd": SEED.bank_account_usd, "eur": SEED.bank_account_eur}


def test_connected_accounts_are_listed_and_looked_at(sdk: stripe.StripeClient) -> None:
    listed = {account.id for account in sdk.v1.accounts.list().data}
    banks = sdk.v1.accounts.external_accounts.list(SEED.connected_account_paid, {"object": "bank_account"})

    assert listed == {SEED.connected_account_paid, SEED.connected_account_new}
    assert sdk.v1.accounts.retrieve(SEED.connected_account_new).id == SEED.connected_account_new
    assert [bank.id for bank in banks.data] == ["ba_maple_usd"]


def test_stripe_account_acts_on_that_accounts_money(world: World) -> None:
    bakery = SEED.connected_account_paid
    payout = world.post("/v1/payouts", account=bakery, amount=1_000, currency="usd")

    assert payout["destination"] == "ba_maple_usd"
    assert world.available(account=bakery) == 64_000
    assert world.available() == SEED.available_usd
    assert world.refused("GET", f"/v1/payouts/{payout['id']}")[0] == 404
    assert world.refused("GET", f"/v1/charges/{SEED.charge_900}", account=bakery)[0] == 404
    assert world.refused("POST", "/v1/refunds", account=bakery, charge=SEED.charge_900)[0] == 404


def test_a_connected_account_sees_itself_and_no_other(world: World) -> None:
    bakery = SEED.connected_account_paid

    assert world.get("/v1/account", account=bakery)["id"] == bakery
    assert world.get("/v1/accounts", account=bakery)["data"] == []
    status, error = world.refused("GET", f"/v1/accounts/{SEED.connected_account_new}", account=bakery)
    assert (status, error["code"]) == (403, "account_invalid")


@pytest.mark.parametrize("account", ["acct_nobody", SEED.customer_ada, ""])
def test_an_account_that_is_not_connected_is_refused(world: World, account: str) -> None:
    status, error = world.refused("GET", "/v1/balance", account=account)

    assert (status, error["code"]) == (403, "account_invalid")


def test_the_sdk_raises_a_permission_error_for_a_foreign_account(sdk: stripe.StripeClient) -> None:
    with pytest.raises(stripe.PermissionError):
        sdk.v1.balance.retrieve(options={"stripe_account": "acct_nobody"})


def test_an_account_that_is_not_there_is_missing(world: World) -> None:
    assert world.refused("GET", "/v1/accounts/acct_nobody")[0] == 404
    assert world.refused("GET", f"/v1/accounts/{SEED.customer_ada}")[0] == 404
