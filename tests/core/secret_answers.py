"""Stripe's answers that hold a secret, in the form of Stripe's own SDK (16.1.0), and values that must not get through."""

from __future__ import annotations

from typing import Final

KEY = "sk_live_" + "a1b2c3d4e5f6"
CARD = "4242424242424242"
#: The number of the IBAN registry's own example.
IBAN = "DE89370400440532013000"

#: Every object, and everything in it that opens something or proves who somebody is. Each value stands in it once.
ANSWERS: Final[dict[str, tuple[dict[str, object], tuple[str, ...]]]] = {
    "payment_intent": (
        {
            "id": "pi_3MtwBwLkdIwHu7ix28a3tqPa",
            "object": "payment_intent",
            "client_secret": "pi_3MtwBwLkdIwHu7ix28a3tqPa_secret_YrKJUKribcBjcG8HVhfZluoGH",
        },
        ("YrKJUKribcBjcG8HVhfZluoGH",),
    ),
    "setup_intent": (
        {"id": "seti_1", "object": "setup_intent", "client_secret": "seti_1_secret_PhHQ"},
        ("seti_1_secret_PhHQ",),
    ),
    "checkout.session": (
        {"id": "cs_test_a1", "object": "checkout.session", "client_secret": "cs_test_a1_secret_fid%2FwQ"},
        ("fid%2FwQ",),
    ),
    "account_session": (
        {"object": "account_session", "client_secret": "accs_secret__Qp9LmA", "components": {}},
        ("Qp9LmA",),
    ),
    "customer_session": ({"object": "customer_session", "client_secret": "_PQx81mK"}, ("_PQx81mK",)),
    "financial_connections.session": (
        {"object": "financial_connections.session", "client_secret": "fcsess_client_secret_Ab8"},
        ("fcsess_client_secret_Ab8",),
    ),
    "identity.verification_session": (
        {
            "object": "identity.verification_session",
            "client_secret": "vs_1_secret_Zx3",
            "url": "https://verify.stripe.com/start/live_Yjk",
            "verified_outputs": {"id_number": "111222333", "dob": {"day": 17, "month": 4, "year": 1961}},
        },
        ("vs_1_secret_Zx3", "live_Yjk", "111222333", "1961"),
    ),
    "identity.verification_report": (
        {
            "object": "identity.verification_report",
            "document": {"type": "passport", "number": "C01X00T47", "dob": {"year": 1961}},
            "id_number": {"id_number": "987-65-43", "status": "verified"},
        },
        ("C01X00T47", "987-65-43", "1961"),
    ),
    "invoice": (
        {
            "object": "invoice",
            "number": "AB-1",
            "confirmation_secret": {"client_secret": "x7Qz", "type": "payment_intent"},
        },
        ("x7Qz",),
    ),
    "source": (
        {"object": "source", "klarna": {"client_token": "eyQ7.k"}, "client_secret": "src_9"},
        ("eyQ7.k", "src_9"),
    ),
    "webhook_endpoint": (
        {"id": "we_1", "object": "webhook_endpoint", "url": "https://example.com/hook", "secret": "whsec_9sPq"},
        ("whsec_9sPq",),
    ),
    "v2.core.event_destination": (
        {"object": "v2.core.event_destination", "webhook_endpoint": {"signing_secret": "plain-7", "url": None}},
        ("plain-7",),
    ),
    "v2.billing.meter_event_session": (
        {"object": "v2.billing.meter_event_session", "authentication_token": "token_Qq2"},
        ("token_Qq2",),
    ),
    "ephemeral_key": ({"object": "ephemeral_key", "id": "ephkey_1", "secret": "ek_live_9wXy"}, ("ek_live_9wXy",)),
    "terminal.connection_token": ({"object": "terminal.connection_token", "secret": "pst_live_w3"}, ("pst_live_w3",)),
    "terminal.onboarding_link": (
        {"object": "terminal.onboarding_link", "redirect_url": "https://example.com/one-time"},
        ("one-time",),
    ),
    "terminal.configuration": (
        {
            "object": "terminal.configuration",
            "wifi": {"personal_psk": {"ssid": "Shop", "password": "hunter2"}},
            "reader_security": {"admin_menu_passcode": "077391"},
        },
        ("hunter2", "077391"),
    ),
    "apps.secret": ({"object": "apps.secret", "name": "their-key", "payload": "s3cr3t"}, ("s3cr3t",)),
    "apps.install": ({"object": "apps.install", "auth_code": "q9w8"}, ("q9w8",)),
    "issuing.card": (
        {
            "object": "issuing.card",
            "number": "4000009990000000",
            "cvc": "371",
            "exp_year": 2031,
            "pin": {"status": "active"},
        },
        ("4000009990000000", "371"),
    ),
    "account_link": ({"object": "account_link", "url": "https://connect.stripe.com/setup/e/acct_1/Qw"}, ("/Qw",)),
    "v2.core.account_link": (
        {"object": "v2.core.account_link", "url": "https://example.com/onboard-7"},
        ("onboard-7",),
    ),
    "login_link": ({"object": "login_link", "url": "https://connect.stripe.com/express/Tk1"}, ("Tk1",)),
    "billing_portal.session": (
        {"object": "billing_portal.session", "url": "https://billing.stripe.com/p/session/live_Mn"},
        ("live_Mn",),
    ),
    "file_link": ({"object": "file_link", "url": "https://files.stripe.com/links/MDB8Y"}, ("MDB8Y",)),
    "oauth": (
        {"access_token": "tokA", "refresh_token": "tokR", "stripe_user_id": "acct_1", "scope": "read_write"},
        ("tokA", "tokR"),
    ),
    "funding_instructions": (
        {
            "object": "funding_instructions",
            "bank_transfer": {
                "financial_addresses": [
                    {"type": "iban", "iban": {"iban": IBAN, "bic": "SOGEDEFF"}},
                    {"type": "spei", "spei": {"clabe": "646180157000000004"}},
                    {"type": "aba", "aba": {"account_number": "000123456789", "routing_number": "110000000"}},
                ]
            },
        },
        (IBAN, "646180157000000004", "000123456789"),
    ),
    "v2.money_management.financial_address": (
        {
            "object": "v2.money_management.financial_address",
            "credentials": {"us_bank_account": {"account_number": "9876501234", "routing_number": "084106768"}},
        },
        ("9876501234",),
    ),
    "treasury.financial_account": (
        {"object": "treasury.financial_account", "financial_addresses": [{"aba": {"account_number": "5550001"}}]},
        ("5550001",),
    ),
    "source_transaction": (
        {"object": "source_transaction", "sepa_credit_transfer": {"sender_iban": "AT61 unchecked", "reference": "R-1"}},
        ("AT61 unchecked",),
    ),
    "forwarding.request": (
        {
            "object": "forwarding.request",
            "request_details": {"headers": [{"name": "Authorization", "value": "Basic Zm9v"}]},
        },
        ("Zm9v",),
    ),
    "payment_method": (
        {"object": "payment_method", "link": {"email": "a@example.com", "persistent_token": "plt_7x"}},
        ("plt_7x",),
    ),
    "v2.commerce.product_catalog_import": (
        {
            "object": "v2.commerce.product_catalog_import",
            "status_details": {"awaiting_upload": {"upload_url": {"url": "https://example.com/signed-u"}}},
        },
        ("signed-u",),
    ),
    "event": (
        {"object": "event", "data": {"object": {"object": "webhook_endpoint", "secret": "inner"}}, "type": "x"},
        ("inner",),
    ),
}
#: Those of them that are shown to nobody, not even to whoever made them: what somebody was born as.
NEVER_SHOWN: Final = {"1961"}
