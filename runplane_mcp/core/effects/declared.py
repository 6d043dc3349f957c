"""An effect as the operation's own judgement declares it: looked up, read and told without code of its own.

What the parameters add to it (`told.py`) is said after its sentence, each by its name and reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction

from runplane_mcp.core.amounts import number_of
from runplane_mcp.core.canonical import digest_of
from runplane_mcp.core.declaration import Declaration, Path, Sum, Term
from runplane_mcp.core.effect import Effect, LookedUp, MoneyLine, NotThere, Read
from runplane_mcp.core.effects import destinations, discounts
from runplane_mcp.core.effects import objects as o
from runplane_mcp.core.effects.addresses import hosts_in
from runplane_mcp.core.facts import NONE, UNKNOWN, FactValue
from runplane_mcp.core.money import LARGEST_AMOUNT, Money
from runplane_mcp.core.operation import Classified
from runplane_mcp.core.request import Failure, Precondition
from runplane_mcp.core.told import Added, also_said
from runplane_mcp.core.wire import Text
from runplane_mcp.errors import InternalError

#: Facts that are so because a parameter or the operation itself makes them so.
_PLAIN_YES = ("redirects_funds", "gives_access", "bulk")
_PLACE = re.compile(r"\{([A-Za-z0-9_.]+)\}")
_OPTIONAL = re.compile(r"\[([^\]]*)\]")
_NO_AMOUNT = "an amount that could not be found out"


def reads(classified: Classified, looked: LookedUp) -> tuple[Read, ...]:
    """Each declared look-up whose ids are known by now. One whose id was not given is not made."""
    if _bad_id(classified) is not None:
        return ()
    wanted = []
    for look in _declaration(classified).looks:
        if look.name in looked:
            continue
        ids = {name: _text(classified, looked, path) for name, path in look.parameters}
        if all(o.is_id(id) for id in ids.values()):
            wanted.append(o.look(look.name, look.template, **{name: str(id) for name, id in ids.items()}))
    if "discount_percent" in classified.facts:
        wanted += [read for read in discounts.reads(classified) if read.name not in looked]
    return tuple(wanted)


def effect_of(classified: Classified, looked: LookedUp) -> Effect:
    declared = _declaration(classified)
    amount, filled = _amount(classified, looked)
    most = _money(classified, looked, declared.most)
    added = classified.added
    refusal = (
        _bad_id(classified)
        or _not_there(classified, looked)
        or _other_state(classified, looked)
        or _too_much(amount, most)
    )
    observed = discounts.observe(looked)
    for path in declared.holds:
        value = _plainly(classified, looked, path)
        if value is None and (text := _quotable(classified, looked, path)) is not None:
            # An address, or other words of somebody's: whether they are the same can be told without showing them.
            value = digest_of([ascii(text)])[:32]
        if value is not None:
            observed[path.name] = value
    preconditions = [*o.unchanged(observed)]
    if most is not None and amount is not None:
        observed["remaining"] = most.amount
        preconditions.append(Precondition("remaining", "at_least", amount.amount))
    destination = _destination(classified, looked, added)
    return Effect(
        sentence=f"{_sentence(classified, amount)}{also_said(added)}{_taken_off(classified, looked)}",
        facts=_facts(classified, looked, amount, destination),
        undo=declared.undo,
        to_whom=destination if isinstance(destination, str) else None,
        fill={declared.fill: amount.amount} if filled and declared.fill and amount and amount.amount > 0 else {},
        preconditions=tuple(preconditions),
        money_lines=_lines(amount, most),
        refusal=refusal,
        quoted=o.quotes(*((label, _quotable(classified, looked, path)) for label, path in declared.quotes)),
        observed=observed,
    )


def _declaration(classified: Classified) -> Declaration:
    declared = classified.operation.declaration
    if declared is None:
        raise InternalError("internal.declaration", f"{classified.operation.operation_id} declares no effect.")
    return declared


def _facts(
    classified: Classified, looked: LookedUp, amount: Money | None, destination: FactValue
) -> dict[str, FactValue]:
    declared, operation = _declaration(classified), classified.operation
    facts: dict[str, FactValue] = {
        "amount": amount or UNKNOWN,
        "currency": amount.currency if amount else _currency(classified, looked) or UNKNOWN,
        "object": _first_id(classified, looked, declared.object or _last_in_path(classified)),
        "customer": _first_id(classified, looked, declared.customer),
        "guest": NONE,
        "destination": destination,
        "reversible": operation.reversible if operation.reversible is not None else UNKNOWN,
        "url_hosts": hosts_in(classified.parameters),
        "discount_percent": discounts.percent(classified, looked),
        **dict.fromkeys(_PLAIN_YES, True),
    }
    before = _money(classified, looked, _single(declared.before))
    total = _money(classified, looked, _single(declared.total))
    if amount and before and before.currency == amount.currency and amount.amount + before.amount <= LARGEST_AMOUNT:
        facts["amount_on_object"] = Money(amount.amount + before.amount, amount.currency)
    if amount and total and total.currency == amount.currency and total.amount > 0:
        facts["share"] = Fraction(100 * amount.amount, total.amount)
    return facts


def _single(path: Path | None) -> Sum:
    return (Term(path, negative=False, unsigned=False),) if path is not None else ()


def _last_in_path(classified: Classified) -> tuple[Path, ...]:
    named = classified.operation.path_parameters
    return (Path("", (named[-1],)),) if named else ()


def _amount(classified: Classified, looked: LookedUp) -> tuple[Money | None, bool]:
    """The amount, and whether it was looked up because the parameters do not say it. One that they say, but that cannot be
    read, is not looked for elsewhere."""
    for each in _declaration(classified).amount:
        named = [term.path for term in each if not term.path.look]
        if named and not all(_text(classified, looked, path) is not None for path in named):
            continue
        return _money(classified, looked, each), not named
    return None, False


def _money(classified: Classified, looked: LookedUp, terms: Sum) -> Money | None:
    total = 0
    for term in terms:
        value = _number(_value(classified, looked, term.path), looked=bool(term.path.look))
        if value is None:
            return None
        value = abs(value) if term.unsigned else value
        total += -value if term.negative else value
    if not terms or not 0 <= total <= LARGEST_AMOUNT:
        return None
    return o.money_of(total, _currency(classified, looked))


def _currency(classified: Classified, looked: LookedUp) -> str | None:
    """The first that is there. None where the parameters name another than what was looked up: then a looked-up number
    would be read in a currency that it is not in."""
    found = [
        (bool(path.look), o.currency_of(value))
        for path in _declaration(classified).currency
        if (value := _value(classified, looked, path)) is not None
    ]
    if not found or (not found[0][0] and any(was_looked and each != found[0][1] for was_looked, each in found)):
        return None
    return found[0][1]


def _first_id(classified: Classified, looked: LookedUp, paths: Sequence[Path]) -> FactValue:
    """The first that is there. *None* where every place was looked at and holds nothing; unknown where one is not known."""
    known = bool(paths)
    for path in paths:
        value = _value(classified, looked, path)
        if isinstance(value, Mapping):
            value = value.get("id")
        if value is not None:
            return value if isinstance(value, str) and o.is_id(value) else UNKNOWN
        known = known and (not path.look or _there(looked, path))
    return NONE if known else UNKNOWN


def _destination(classified: Classified, looked: LookedUp, added: Iterable[Added]) -> FactValue:
    """Where the declaration says, else the one account or bank account that the parameters name; unknown among several."""
    declared = _declaration(classified).destination
    if declared:
        return _first_id(classified, looked, declared)
    return destinations.named(added)


def _value(classified: Classified, looked: LookedUp, path: Path) -> object:
    """What stands at a path, an expanded object as it is; None where nothing does."""
    here: object = looked.get(path.look) if path.look else classified.parameters
    for step in path.steps:
        here = here.get(step) if isinstance(here, Mapping) else None
    return here


def _text(classified: Classified, looked: LookedUp, path: Path) -> Text | None:
    value = _value(classified, looked, path)
    if path.look and isinstance(value, Mapping):
        value = value.get("id")
    return value if isinstance(value, str | list | dict) else None


def _plainly(classified: Classified, looked: LookedUp, path: Path) -> str | int | None:
    """An id, a word or a number as it stands, an expanded object as its id; yes, no and nothing as words. None where it
    is not known."""
    value = _value(classified, looked, path)
    if isinstance(value, Mapping):
        value = value.get("id")
    if isinstance(value, bool) or (value is None and _there(looked, path)):
        return {True: "true", False: "false", None: "none"}[value]
    return value if isinstance(value, int) else str(value) if o.is_id(value) else None


def _there(looked: LookedUp, path: Path) -> bool:
    """Whether the object that holds the last step of a path was found, with that field in it; or it was seen that there
    is no such object."""
    here: object = looked.get(path.look)
    for step in path.steps:
        if not isinstance(here, Mapping) or step not in here:
            return False
        here = here[step]
        if here is None:
            return True
    return True


def _number(value: object, *, looked: bool) -> int | None:
    """Numbers are text on the wire, and numbers in Stripe's objects."""
    if not looked:
        return number_of(value) if isinstance(value, str) else None
    return value if type(value) is int and abs(value) <= LARGEST_AMOUNT else None


def _quotable(classified: Classified, looked: LookedUp, path: Path) -> str | None:
    value = _value(classified, looked, path)
    return value if isinstance(value, str) else None


def _named(classified: Classified) -> list[str]:
    """The parameters that are said in the sentence, or that name what is looked up or acted on: ids and words only."""
    declared = _declaration(classified)
    paths = [path for look in declared.looks for _, path in look.parameters]
    paths += [*declared.object, *declared.customer, *declared.destination]
    named = [".".join(path.steps) for path in paths if not path.look]
    named += [name for name in _PLACE.findall(declared.sentence) if name != "amount"]
    return list(dict.fromkeys([*classified.operation.path_parameters, *named]))


def _bad_id(classified: Classified) -> Failure | None:
    for name in _named(classified):
        value = _at(classified, name)
        if value is not None and not o.is_id(value):
            return o.bad_id(name)
    return None


def _at(classified: Classified, name: str) -> object:
    return _value(classified, {}, Path("", tuple(name.split("."))))


def _not_there(classified: Classified, looked: LookedUp) -> Failure | None:
    """Stripe's definite no to a look-up whose id the agent named."""
    for look in _declaration(classified).looks:
        given = [".".join(path.steps) for _, path in look.parameters if not path.look]
        if given and isinstance(looked.get(look.name), NotThere):
            return o.missing(looked, **{look.name: given[-1]})
    return o.missing(looked, **discounts.missing_in(looked))


def _other_state(classified: Classified, looked: LookedUp) -> Failure | None:
    """Stripe does it in other states only. What is not known is no reason."""
    for path, possible in _declaration(classified).needs:
        state = _plainly(classified, looked, path)
        if state is not None and str(state) not in possible:
            return Failure(
                "stripe.unexpected_state",
                f"Its {path.steps[-1]} is {state}: it has to be {' or '.join(sorted(possible))}.",
            )
    return None


def _too_much(amount: Money | None, most: Money | None) -> Failure | None:
    if amount is None or most is None or amount.currency != most.currency or amount.amount <= most.amount:
        return None
    return Failure("stripe.amount_too_large", f"Only {most} is left.", param="amount")


def _sentence(classified: Classified, amount: Money | None) -> str:
    def said(matched: re.Match[str]) -> str:
        if matched[1] == "amount":
            return str(amount) if amount else _NO_AMOUNT
        return o.shown(_at(classified, matched[1]) or "")

    def optional(matched: re.Match[str]) -> str:
        text, _, otherwise = matched[1].partition("|")
        names = [name for name in _PLACE.findall(text) if name != "amount"]
        return text if all(_at(classified, name) is not None for name in names) else otherwise

    return _PLACE.sub(said, _OPTIONAL.sub(optional, _declaration(classified).sentence))


def _taken_off(classified: Classified, looked: LookedUp) -> str:
    return discounts.said(discounts.percent(classified, looked)) if "discount_percent" in classified.facts else ""


def _lines(amount: Money | None, most: Money | None) -> tuple[MoneyLine, ...]:
    if amount is None:
        return ()
    line = MoneyLine("This request", amount)
    if most is None or most.currency != amount.currency or most.amount < amount.amount:
        return (line,)
    after = Money(most.amount - amount.amount, amount.currency)
    return (MoneyLine("Left before it", most), line, MoneyLine("Left after it", after))
