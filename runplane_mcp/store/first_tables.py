"""The tables and indexes as the first version of the database had them: what later ones changed is in `schema.py`.

Personal data stands only in `payload`, behind salted commitments. Times are milliseconds since 1970, hashes hex text.
"""

from __future__ import annotations

from typing import Final

from runplane_mcp.core.approval import Answer, Role
from runplane_mcp.core.decision import Outcome, RiskLevel
from runplane_mcp.core.money import LARGEST_AMOUNT
from runplane_mcp.core.repeats import Form, How
from runplane_mcp.core.request import Kind, State
from runplane_mcp.store.conditions import ANSWERING, CHANGED_POLICY_AT, DELIVERED, OPEN, REFUSED
from runplane_mcp.store.triggers import listed_texts

#: A column of SHA-256 in hex.
HASH: Final = "CHECK (length({0}) = 64)"

FIRST_TABLES: Final = (
    "CREATE TABLE migration (version INTEGER PRIMARY KEY, at INTEGER NOT NULL) STRICT",
    "CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID",
    """
    CREATE TABLE head (
      one INTEGER PRIMARY KEY CHECK (one = 1),
      size INTEGER NOT NULL CHECK (size >= 0),
      frontier BLOB NOT NULL,
      root BLOB NOT NULL CHECK (length(root) = 32),
      newest_at INTEGER NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE event (
      seq INTEGER PRIMARY KEY CHECK (seq > 0),
      at INTEGER NOT NULL,
      type TEXT NOT NULL,
      request_id TEXT,
      body BLOB NOT NULL,
      leaf BLOB NOT NULL CHECK (length(leaf) = 32)
    ) STRICT
    """,
    "CREATE INDEX event_request ON event (request_id, seq) WHERE request_id IS NOT NULL",
    f"""
    CREATE TABLE payload (
      number INTEGER PRIMARY KEY CHECK (number > 0),
      commitment TEXT NOT NULL UNIQUE {HASH.format("commitment")},
      request_id TEXT,
      salt BLOB NOT NULL CHECK (length(salt) = 16),
      body BLOB NOT NULL
    ) STRICT
    """,
    "CREATE INDEX payload_request ON payload (request_id) WHERE request_id IS NOT NULL",
    "CREATE TABLE policy (version TEXT PRIMARY KEY, text TEXT NOT NULL) STRICT, WITHOUT ROWID",
    """
    CREATE TABLE enforced_policy (
      one INTEGER PRIMARY KEY CHECK (one = 1),
      version TEXT NOT NULL REFERENCES policy (version),
      since INTEGER NOT NULL,
      by TEXT NOT NULL
    ) STRICT
    """,
    """
    CREATE TABLE proposed_policy (
      one INTEGER PRIMARY KEY CHECK (one = 1),
      version TEXT NOT NULL REFERENCES policy (version),
      at INTEGER NOT NULL
    ) STRICT
    """,
    f"""
    CREATE TABLE person (
      id TEXT PRIMARY KEY,
      role TEXT NOT NULL CHECK (role IN ({listed_texts(Role)})),
      groups TEXT NOT NULL,
      public_key TEXT NOT NULL {HASH.format("public_key")},
      salt TEXT NOT NULL,
      scrypt_n INTEGER NOT NULL,
      scrypt_r INTEGER NOT NULL,
      scrypt_p INTEGER NOT NULL,
      active INTEGER NOT NULL CHECK (active IN (0, 1)),
      added_by TEXT,
      event_seq INTEGER NOT NULL REFERENCES event (seq)
    ) STRICT, WITHOUT ROWID
    """,
    f"""
    CREATE TABLE request (
      number INTEGER PRIMARY KEY CHECK (number > 0),
      id TEXT NOT NULL UNIQUE,
      reference TEXT NOT NULL UNIQUE,
      state TEXT NOT NULL CHECK (state IN ({listed_texts(State)})),
      version INTEGER NOT NULL CHECK (version > 0),
      principal TEXT NOT NULL,
      agent TEXT NOT NULL,
      via TEXT NOT NULL,
      client TEXT,
      operation_id TEXT NOT NULL,
      action TEXT NOT NULL,
      kind TEXT NOT NULL CHECK (kind IN ({listed_texts(Kind)})),
      target TEXT NOT NULL,
      account TEXT NOT NULL,
      livemode INTEGER NOT NULL CHECK (livemode IN (0, 1)),
      created_at INTEGER NOT NULL,
      policy_at INTEGER NOT NULL,
      changed_at INTEGER NOT NULL,
      asked TEXT {HASH.format("asked")},
      effective TEXT {HASH.format("effective")},
      told TEXT {HASH.format("told")},
      result TEXT {HASH.format("result")},
      agent_key TEXT {HASH.format("agent_key")},
      round INTEGER NOT NULL CHECK (round >= 0),
      digest TEXT {HASH.format("digest")},
      expires_at INTEGER,
      failure_code TEXT,
      effect_id TEXT,
      stripe_key TEXT,
      attempt INTEGER NOT NULL CHECK (attempt >= 0),
      lease_owner TEXT,
      lease_until INTEGER,
      first_attempt_at INTEGER,
      first_attempt_boot TEXT,
      first_attempt_boot_ms INTEGER,
      stripe_request_id TEXT,
      object_id TEXT,
      same_asked TEXT,
      same_effective TEXT,
      same_effect TEXT,
      replaces TEXT REFERENCES request (id),
      replaced_by TEXT REFERENCES request (id)
    ) STRICT
    """,
    f"CREATE INDEX request_unfinished ON request (number) WHERE state IN ({listed_texts(OPEN)})",
    *(
        f"CREATE INDEX request_same_{form}_open ON request (same_{form}, number)"
        f" WHERE state IN ({listed_texts(OPEN)}) AND same_{form} IS NOT NULL"
        for form in Form
    ),
    *(
        f"CREATE INDEX request_same_{form} ON request (same_{form}, state, {CHANGED_POLICY_AT})"
        f" WHERE {ANSWERING} AND same_{form} IS NOT NULL"
        for form in Form
    ),
    "CREATE INDEX request_agent_key ON request (principal, agent_key) WHERE agent_key IS NOT NULL",
    # What people lower becomes one request, however many lower it at once.
    "CREATE UNIQUE INDEX request_replaces ON request (replaces) WHERE replaces IS NOT NULL",
    "CREATE INDEX request_principal ON request (principal, number)",
    "CREATE INDEX request_asked_at ON request (principal, policy_at)",
    "CREATE INDEX request_object ON request (object_id, kind) WHERE object_id IS NOT NULL",
    "CREATE INDEX request_stripe_request ON request (stripe_request_id, kind) WHERE stripe_request_id IS NOT NULL",
    f"CREATE INDEX request_refused ON request (principal, policy_at, state) WHERE {REFUSED}",
    f"""
    CREATE TABLE decision (
      request_id TEXT NOT NULL REFERENCES request (id),
      n INTEGER NOT NULL CHECK (n > 0),
      round INTEGER NOT NULL CHECK (round >= 0),
      kind TEXT NOT NULL CHECK (kind IN ('first', 'release', 'execution')),
      outcome TEXT NOT NULL CHECK (outcome IN ({listed_texts(Outcome)})),
      at INTEGER NOT NULL,
      policy_at INTEGER NOT NULL,
      policy_version TEXT NOT NULL,
      risk INTEGER NOT NULL,
      risk_level TEXT NOT NULL CHECK (risk_level IN ({listed_texts(RiskLevel)})),
      nonce TEXT,
      digest TEXT {HASH.format("digest")},
      content TEXT NOT NULL {HASH.format("content")},
      PRIMARY KEY (request_id, n)
    ) STRICT, WITHOUT ROWID
    """,
    f"""
    CREATE TABLE vote (
      request_id TEXT NOT NULL REFERENCES request (id),
      round INTEGER NOT NULL CHECK (round > 0),
      person TEXT NOT NULL REFERENCES person (id),
      answer TEXT NOT NULL CHECK (answer IN ({listed_texts(Answer)})),
      digest TEXT NOT NULL {HASH.format("digest")},
      at INTEGER NOT NULL,
      proof_kind TEXT NOT NULL CHECK (proof_kind IN ('ed25519', 'webauthn')),
      proof TEXT NOT NULL,
      note TEXT {HASH.format("note")},
      PRIMARY KEY (request_id, round, person)
    ) STRICT, WITHOUT ROWID
    """,
    f"""
    CREATE TABLE repeat (
      seq INTEGER PRIMARY KEY REFERENCES event (seq),
      request_id TEXT NOT NULL REFERENCES request (id),
      how TEXT NOT NULL CHECK (how IN ({listed_texts(How)})),
      principal TEXT NOT NULL,
      agent_key TEXT {HASH.format("agent_key")},
      same_asked TEXT,
      instead_of TEXT REFERENCES request (id)
    ) STRICT
    """,
    f"CREATE UNIQUE INDEX repeat_delivered ON repeat (request_id) WHERE {DELIVERED}",
    "CREATE INDEX repeat_key ON repeat (principal, agent_key) WHERE agent_key IS NOT NULL",
    f"""
    CREATE TABLE reservation (
      request_id TEXT NOT NULL REFERENCES request (id),
      key TEXT NOT NULL,
      bucket TEXT NOT NULL,
      at INTEGER NOT NULL,
      currency TEXT,
      amount INTEGER CHECK (abs(amount) <= {LARGEST_AMOUNT}),
      state TEXT NOT NULL CHECK (state IN ('waiting', 'spent', 'released')),
      PRIMARY KEY (request_id, key, bucket),
      CHECK ((currency IS NULL) = (amount IS NULL))
    ) STRICT, WITHOUT ROWID
    """,
    # Both hold all that a sum needs, so that summing never touches the table itself.
    "CREATE INDEX reservation_in_time ON reservation (key, bucket, at, state, currency, amount) WHERE state <> 'waiting'",
    "CREATE INDEX reservation_waiting ON reservation (key, bucket, state, currency, amount) WHERE state = 'waiting'",
    f"""
    CREATE TABLE subject (
      request_id TEXT PRIMARY KEY REFERENCES request (id),
      customer TEXT,
      object_id TEXT,
      amount INTEGER CHECK (abs(amount) <= {LARGEST_AMOUNT}),
      currency TEXT,
      policy_at INTEGER NOT NULL
    ) STRICT, WITHOUT ROWID
    """,
    "CREATE INDEX subject_customer ON subject (customer, policy_at) WHERE customer IS NOT NULL",
    "CREATE INDEX subject_object ON subject (object_id) WHERE object_id IS NOT NULL",
    # Which requests an id of Stripe's belongs to, beside those that made the object. In the order in which they are asked
    # for: reads, of which there are many, stand apart from writes.
    f"""
    CREATE TABLE mention (
      stripe_id TEXT NOT NULL,
      kind TEXT NOT NULL CHECK (kind IN ({listed_texts(Kind)})),
      number INTEGER NOT NULL REFERENCES request (number),
      PRIMARY KEY (stripe_id, kind, number)
    ) STRICT, WITHOUT ROWID
    """,
    f"""
    CREATE TABLE freeze (
      id TEXT PRIMARY KEY,
      agent TEXT,
      principal TEXT,
      action TEXT,
      at INTEGER NOT NULL,
      told TEXT NOT NULL {HASH.format("told")},
      lifted_seq INTEGER REFERENCES event (seq)
    ) STRICT, WITHOUT ROWID
    """,
)
