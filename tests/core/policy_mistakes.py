"""The mistakes that people make in a policy file, each as one change to a policy that is good."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from runplane_mcp.core.catalog import load as load_catalog
from runplane_mcp.core.policy import PolicyInvalid, Problem, load
from runplane_mcp.core.policy.lint import lint

CATALOG: Final = load_catalog().actions

GOOD: Final = """\
version: 1
currency: usd
rates: {as_of: 2026-03-01, eur: 1.09}
timezone: America/New_York
business_hours:
  days: mon-fri
  open: 09:00
  close: 17:00
  closed_on: [2026-12-25]
approval:
  from: finance
  expires_in: 24h
otherwise: {reads: allow, writes: by_risk, unjudged: block}
repeat_window: 10m
rules:
  - id: large-refunds
    when:
      action: refunds
      amount: {over: 500}
    then: require_approval
    from: {group: finance, people: 2}
    expires_in: 4h
    why: Large refunds need a person.
  - id: payouts-out-of-hours
    when: {action: payouts, business_hours: false}
    unless: {amount: {under: 10}}
    then: block
limits:
  - id: refunds-an-hour
    when: {action: refunds}
    per: agent
    at_most: {total: 1000, count: 15}
    within: 1h
tests:
  - it: asks about an $800 refund
    given: {action: refund.create, amount: 800, at: 2026-03-03 14:00}
    then: require_approval
    by: [large-refunds]
  - it: counts
    given: {action: refund.create, amount: 90, times: 20, every: 1m, customer: each}
    then: {allow: 11, require_approval: 9}
  - it: blocks a payout at 2 am
    given: {action: payout.create, amount: 15000, at: 2026-03-03 02:00}
    then: block
"""


def told(text: str) -> tuple[Problem, ...]:
    """The errors of a file, or else the warnings."""
    try:
        return lint(load(text, known_actions=CATALOG), CATALOG, date(2026, 3, 20))
    except PolicyInvalid as error:
        return error.problems


@dataclass(frozen=True, slots=True)
class Mistake:
    """`old` stands once in the good policy; `new` is what somebody wrote instead. `shape`: a program that knows nothing but
    the JSON Schema sees it too."""

    what: str
    old: str
    new: str
    shape: bool = True

    @property
    def text(self) -> str:
        assert GOOD.count(self.old) == 1, f"{self.what}: {self.old!r} stands {GOOD.count(self.old)} times"
        return GOOD.replace(self.old, self.new)


_OVER, _WITHIN, _HOURS = "{over: 500}", "within: 1h", "business_hours: false"
_FROM, _UNLESS = "{group: finance, people: 2}", "{amount: {under: 10}}"
_WHEN, _MOST = "when: {action: refunds}", "{total: 1000, count: 15}"
_ASKS = "{action: refund.create, amount: 800, at: 2026-03-03 14:00}"


def _amount(what: str, new: str, *, shape: bool = True) -> Mistake:
    return Mistake(f"an amount {what}", _OVER, f"{{over: {new}}}", shape)


MISTAKES: Final = (
    # the text itself
    Mistake("a tab", "\n  open", "\n\topen", shape=False),
    Mistake("a tab after spaces", "\n    from: {", "\n  \tfrom: {", shape=False),
    Mistake("a list item without a space", "  - id: payouts", "  -id: payouts", shape=False),
    Mistake("a key without a space", "repeat_window: 10m", "repeat_window:10m", shape=False),
    Mistake("a bracket left open", _OVER, "{over: 500", shape=False),
    Mistake("a quote left open", "Large refunds need", '"Large refunds need', shape=False),
    Mistake("a colon in a text", "Large refunds need", "Refunds: they need", shape=False),
    Mistake("an indentation too small", "\n      amount", "\n     amount", shape=False),
    Mistake("an indentation too large", "\n    expires_in: 4h", "\n      expires_in: 4h", shape=False),
    Mistake("a curly quote", "Large refunds need a person.", "“Large refunds need a person.”: yes", shape=False),
    Mistake("an anchor", "why: Large", "why: &why Large", shape=False),
    Mistake("a merge key", "    then: require_approval\n    from", "    <<: *asking\n    from", shape=False),
    Mistake("two documents", "rules:\n", "---\nrules:\n", shape=False),
    Mistake("JSON with a comment", "repeat_window: 10m", "repeat_window: 10m // ten minutes"),
    # amounts
    _amount("with a symbol", "$500"),
    _amount("with a symbol behind", "500€"),
    _amount("with its currency", "500 usd"),
    _amount("with its currency before", "USD 500"),
    _amount("with a comma", "'1,500'"),
    _amount("with a comma that starts another key", "1,500"),
    _amount("with a decimal comma", "'500,50'"),
    _amount("with an underscore", "1_500"),
    _amount("with an apostrophe", "1'500"),
    _amount("with a blank", "1 500"),
    _amount("as 1e3", "1e3", shape=False),
    _amount("as 1.5k", "1.5k"),
    _amount("below zero", "-500"),
    _amount("with a plus", "+500", shape=False),
    _amount("without a digit before the point", ".5", shape=False),
    _amount("without a digit behind the point", "500.", shape=False),
    _amount("with a third decimal", "500.125", shape=False),
    _amount("in percent", "50%"),
    _amount("in words", "fifty"),
    _amount("of nothing", "null"),
    _amount("as a comparison", "'>500'"),
    _amount("beyond all money", "99999999999999"),
    _amount("in cents", "50000", shape=False),
    Mistake("an amount as a comparison", "amount: {over: 500}", "amount: '> 500'"),
    Mistake("a total in cents", "total: 1000,", "total: 100000,", shape=False),
    Mistake("a total of nothing", "total: 1000,", "total: 0,"),
    Mistake("a count with a decimal", "count: 15", "count: 1.5"),
    Mistake("a count of nothing", "count: 15", "count: 0"),
    Mistake("at_most as a number", _MOST, "1000"),
    Mistake("at_most with amount", "total: 1000,", "amount: 1000,"),
    Mistake("an empty at_most", _MOST, "{}"),
    # yes and no
    Mistake("off", _HOURS, "business_hours: off"),
    Mistake("on", _HOURS, "business_hours: on"),
    Mistake("y", _HOURS, "business_hours: y"),
    Mistake("N", _HOURS, "business_hours: N"),
    Mistake("0 for no", _HOURS, "business_hours: 0"),
    Mistake("never", _HOURS, "business_hours: never"),
    Mistake("nothing", _HOURS, "business_hours: "),
    # times
    Mistake("a time without its zero", "09:00", "9:00"),
    Mistake("a time with a point", "09:00", "09.00"),
    Mistake("a time of twelve hours", "17:00", "5pm"),
    Mistake("a time of twelve hours with minutes", "17:00", "5:00 pm"),
    Mistake("a time with an h", "09:00", "9h"),
    Mistake("an hour alone", "09:00", "9"),
    Mistake("seconds", "09:00", "09:00:00"),
    Mistake("a time that there is not", "17:00", "25:00", shape=False),
    Mistake("a time as minutes", "17:00", "1020"),
    Mistake("over midnight", "close: 17:00", "close: 02:00", shape=False),
    Mistake("weekdays in full", "mon-fri", "Monday-Friday"),
    Mistake("weekdays in capitals", "mon-fri", "MON-FRI"),
    Mistake("weekdays with to", "mon-fri", "mon to fri"),
    Mistake("weekdays with a comma", "mon-fri", "mon, tue"),
    Mistake("a weekday in full in a list", "mon-fri", "[mon, tuesday]"),
    Mistake("weekday in a condition in full", _HOURS, "weekday: Sunday"),
    Mistake("weekdays in a condition as a range", _HOURS, "weekday: sat-sun"),
    Mistake("an hour that there is not", _HOURS, "hour: {at_least: 24}"),
    Mistake("an hour in a condition as a time", _HOURS, "hour: {over: 17:00}"),
    Mistake("a day as Americans write it", "2026-12-25", "12/25"),
    Mistake("a day as Europeans write it", "2026-12-25", "25.12.2026"),
    Mistake("a day with its month in words", "2026-12-25", "Dec 25"),
    Mistake("a day without zeros", "as_of: 2026-03-01", "as_of: 2026-3-1"),
    Mistake("a day that there is not", "2026-12-25", "2026-02-30", shape=False),
    Mistake("a zone as letters", "America/New_York", "EST", shape=False),
    Mistake("a zone as an offset", "America/New_York", "UTC-5", shape=False),
    Mistake("a zone with a blank", "America/New_York", "America/New York", shape=False),
    Mistake("a city alone", "America/New_York", "New York", shape=False),
    Mistake("no zone", "timezone: America/New_York\n", ""),
    Mistake("a day of last year's calendar", "[2026-12-25]", "[2026-01-01, 2025-12-25]", shape=False),
    # durations
    Mistake("a window in words", _WITHIN, "within: 1 hour"),
    Mistake("a window in minutes", _WITHIN, "within: 60"),
    Mistake("a window in weeks", _WITHIN, "within: 1w"),
    Mistake("a window in months", _WITHIN, "within: 1mo"),
    Mistake("a window in capitals", _WITHIN, "within: 24H"),
    Mistake("a window with a decimal", _WITHIN, "within: 1.5h"),
    Mistake("a window as a word", _WITHIN, "within: day"),
    Mistake("a window with minutes first", _WITHIN, "within: 30m1h"),
    Mistake("a window of nothing", _WITHIN, "within: 0h"),
    Mistake("a window with a blank", _WITHIN, "within: 1h 30m"),
    Mistake("a window of min", _WITHIN, "within: 90min"),
    # people
    Mistake("no people", "people: 2", "people: 0"),
    Mistake("fewer than no people", "people: 2", "people: -1"),
    Mistake("too many people", "people: 2", "people: 11"),
    Mistake("people in words", "people: 2", "people: two"),
    Mistake("half a person", "people: 2", "people: 1.5"),
    Mistake("from a list", _FROM, "[finance, leads]"),
    Mistake("from several in one group", _FROM, "{group: [finance, leads]}"),
    Mistake("from a group and any of", _FROM, "{group: finance, any_of: [leads]}"),
    Mistake("from nobody", _FROM, "{any_of: []}"),
    Mistake("from an address", _FROM, "maria@example.com"),
    Mistake("from a group in capitals", _FROM, "Finance"),
    Mistake("from two, joined", _FROM, "finance and leads"),
    Mistake("from groups", _FROM, "{groups: [finance, leads]}"),
    Mistake("people without a group", _FROM, "{people: 2}"),
    Mistake(
        "from beside a block", "    then: block\nlimits", "    then: block\n    from: finance\nlimits", shape=False
    ),
    # keys
    Mistake("a key with a letter missing", "timezone:", "timezon:"),
    Mistake("a key in capitals", "currency: usd", "Currency: usd"),
    Mistake("a section in the singular", "rules:\n", "rule:\n"),
    Mistake("a key with a dash", "business_hours:\n", "business-hours:\n"),
    Mistake("a key in camel case", "    expires_in: 4h", "    expiresIn: 4h"),
    Mistake("a key twice", "repeat_window: 10m", "repeat_window: 10m\nrepeat_window: 1h", shape=False),
    Mistake(
        "a fact twice", "      amount: {over: 500}", "      amount: {over: 500}\n      amount: {under: 5}", shape=False
    ),
    Mistake("a fact beside when", "\n      amount: {over: 500}", "\n    amount: {over: 500}"),
    Mistake("an action beside when", "    when:\n      action: refunds\n", "    action: refunds\n    when:\n"),
    Mistake("a test beside its fact", "amount: {over: 500}", "over: 500"),
    Mistake("per in a rule", "    expires_in: 4h", "    per: agent"),
    Mistake("at_most in a rule", "    expires_in: 4h", "    at_most: {count: 5}"),
    Mistake("unless in a limit", "    per: agent", "    unless: {bulk: true}"),
    Mistake("any in a condition", "amount: {over: 500}", "any: [{amount: {over: 500}}]"),
    Mistake("or in a condition", "amount: {over: 500}", "or: {amount: {over: 500}}"),
    Mistake("not in a condition", "amount: {over: 500}", "not: {amount: {under: 500}}"),
    Mistake("total beside at_most", "at_most: {total: 1000, count: 15}", "total: 1000"),
    Mistake("people beside from", "    expires_in: 4h", "    people: 2"),
    Mistake("window for within", _WITHIN, "window: 1h"),
    Mistake("name for id", "- id: refunds-an-hour", "- name: refunds-an-hour"),
    Mistake("if for when", _WHEN, "if: {action: refunds}"),
    Mistake("reason for why", "why: Large", "reason: Large"),
    Mistake(
        "the open hour beside the days", "business_hours:\n  days: mon-fri\n", "business_hours: mon-fri 9-17\nx:\n"
    ),
    Mistake("a limit as a mapping", "limits:\n  - id: refunds-an-hour", "limits:\n  refunds-an-hour:"),
    Mistake("no rules", GOOD[GOOD.index("rules:\n") : GOOD.index("limits:\n")], "rules: []\n"),
    Mistake("no closed days", "[2026-12-25]", "[]"),
    # conditions
    Mistake("a condition that is a text", _WHEN, "when: refunds"),
    Mistake("a condition that is a list", _WHEN, "when: [{action: refunds}]"),
    Mistake("an empty condition", _WHEN, "when: {}"),
    Mistake("no condition", _WHEN, "when:"),
    Mistake("an empty exception", _UNLESS, "{}"),
    Mistake("a fact with a letter missing", "amount: {over: 500}", "amout: {over: 500}"),
    Mistake("a test with another name", _OVER, "{more_than: 500}"),
    Mistake("a test as in programs", _OVER, "{gt: 500}"),
    Mistake("a symbol for a test", _OVER, "{'>=': 500}"),
    Mistake("a range as a text", "amount: {over: 500}", "amount: 100-500"),
    Mistake("a range with its ends swapped", _OVER, "{between: [500, 100]}", shape=False),
    Mistake("a range that is empty", _OVER, "{over: 500, under: 400}", shape=False),
    Mistake("an empty list", _OVER, "{in: []}"),
    Mistake("a group in the singular", _WHEN, "when: {action: refund}"),
    Mistake("a group in capitals", _WHEN, "when: {action: Refunds}"),
    Mistake("an operation's id", _WHEN, "when: {action: PostRefunds}"),
    Mistake("a tool's name", _WHEN, "when: {action: create_refund}"),
    Mistake("an action that there is not", _WHEN, "when: {action: refund.make}", shape=False),
    Mistake("several actions in one text", _WHEN, 'when: {action: "refunds, credits"}'),
    Mistake("all actions", _WHEN, "when: {action: '*'}"),
    Mistake(
        "a fact that no such operation has", _WHEN, "when: {action: balance.retrieve, amount: {over: 5}}", shape=False
    ),
    Mistake("a currency that there is not", _WHEN, "when: {currency: dollars}"),
    Mistake("another case of a choice", _WHEN, "when: {ends: Now}"),
    Mistake("a risk level that there is not", "amount: {over: 500}", "risk_level: severe"),
    Mistake("the risk in a limit", _WHEN, "when: {risk: {over: 50}}"),
    # rules
    Mistake("then: approve", "then: require_approval\n    from", "then: approve\n    from"),
    Mistake("then: ask", "then: require_approval\n    from", "then: ask\n    from"),
    Mistake("then: deny", "    then: block\nlimits", "    then: deny\nlimits"),
    Mistake("then: require-approval", "then: require_approval\n    from", "then: require-approval\n    from"),
    Mistake("then: Block", "    then: block\nlimits", "    then: Block\nlimits"),
    Mistake("then as a list", "    then: block\nlimits", "    then: [block]\nlimits"),
    Mistake("an id with a blank", "id: large-refunds\n", "id: large refunds\n"),
    Mistake("an id in capitals", "id: large-refunds\n", "id: Large-Refunds\n"),
    Mistake("an id twice", "id: refunds-an-hour", "id: large-refunds", shape=False),
    Mistake("an id of Runplane's own", "id: refunds-an-hour", "id: risk"),
    Mistake("a limit that allows", _WITHIN, "within: 1h\n    then: allow"),
    Mistake("something else to count by", "per: agent", "per: user"),
    Mistake("something else to sum", "per: agent", "of: total"),
    # the head
    Mistake("another version", "version: 1", "version: 1.0", shape=False),
    Mistake("a currency by its symbol", "currency: usd", "currency: $"),
    Mistake("a currency by its name", "currency: usd", "currency: dollars"),
    Mistake("a rate of nothing", "eur: 1.09", "eur: 0"),
    Mistake("a rate with a comma", "eur: 1.09", "eur: 1,09"),
    Mistake("a rate of the file's own currency", "eur: 1.09", "usd: 1", shape=False),
    Mistake("writes: allow", "writes: by_risk", "writes: allow"),
    Mistake("reads: yes", "reads: allow", "reads: yes"),
    Mistake("unjudged: allow", "unjudged: block", "unjudged: allow"),
    # tests
    Mistake("a test of a group", "{action: payout.create, amount", "{action: payouts, amount"),
    Mistake("a test without an action", _ASKS, "{amount: 800}", shape=False),
    Mistake("a test of the risk", _ASKS, "{action: refund.create, risk: 90}"),
    Mistake("a test with a condition", _ASKS, "{action: refund.create, amount: {over: 500}}"),
    Mistake("a test at a time with a zone", "2026-03-03 02:00", "2026-03-03T02:00Z"),
    Mistake("a test at a time without a day", "2026-03-03 02:00", "02:00"),
    Mistake("a test at a time that the clocks skip", "2026-03-03 02:00", "2026-03-08 02:30", shape=False),
    Mistake("a test of another rule", "by: [large-refunds]", "by: [large-refund]", shape=False),
    Mistake("a test that expects too few", "require_approval: 9}", "require_approval: 8}", shape=False),
    Mistake("a test that never ends", "times: 20", "times: 20000"),
    Mistake("a sequence without a pace", ", every: 1m", "", shape=False),
    Mistake("an expectation that there is not", "{allow: 11, require_approval: 9}", "{allow: 11, denied: 9}"),
    Mistake("a test with name", "- it: counts", "- name: counts"),
    Mistake("a test with expect", "    then: {allow: 11, require_approval: 9}", "    expect: allow"),
)
