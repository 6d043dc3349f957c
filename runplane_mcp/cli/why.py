"""`runplane why ID`: everything about one id of Stripe's or of ours on one page: asked by, looked up, decided, approved
by, done, proof."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from runplane_mcp.cli.examples import examples
from runplane_mcp.cli.home import at_desk, settings_of_home
from runplane_mcp.cli.options import JsonFlag
from runplane_mcp.core.canonical import Json
from runplane_mcp.core.request import State
from runplane_mcp.errors import EXIT_AUDIT_MISMATCH, EXIT_REFUSED, RequestError

if TYPE_CHECKING:
    from runplane_mcp.gate.audit.auditing import Audit
    from runplane_mcp.gate.why import Why
    from runplane_mcp.settings import Settings
    from runplane_mcp.store.verify import RequestProof


EXAMPLES = examples(
    ("runplane why re_3MtwBwLkdIwHu7ix28a3tqPd", "who made this refund, and who allowed it"),
    ("runplane why cus_ben --state succeeded", "everything agents did to a customer, newest first"),
    ("runplane why req_Fj0BNPtS2SDmmt", "from a line of Stripe's own request log"),
    ("runplane why RP-7F3K --verify", "one request, and the whole audit log up to it"),
)


def why(
    id: Annotated[
        str,
        typer.Argument(
            metavar="ID",
            help="Any id: RP-7F3K, rpr_…, or Stripe's re_ ch_ pi_ cus_ po_ tr_ sub_ in_ req_ …; also a page's address.",
        ),
    ],
    state: Annotated[
        list[State] | None, typer.Option("--state", help="Only requests in these states. Can be given again.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=1_000, help="At most so many requests.")] = 20,
    whole: Annotated[
        bool, typer.Option("--verify", help="Also read the whole audit log, up to the root that covers these events.")
    ] = False,
    offline: Annotated[
        bool, typer.Option("--offline", help="Do not ask Stripe who made what Runplane did not.")
    ] = False,
    as_json: JsonFlag = False,
) -> None:
    """Say why something happened at Stripe.

    One page for each request that the id belongs to, newest first: asked by, looked up, decided, approved by, done,
    proof. Of what was not made through Runplane it says what Stripe tells: another key, a person in the Dashboard,
    Stripe itself. Exit 1 then, and 3 when the audit log does not bear a page out.
    """
    from runplane_mcp.cli.output import print_json
    from runplane_mcp.cli.why_elsewhere import ask_stripe, elsewhere_json, tell
    from runplane_mcp.gate.audit.auditing import audit
    from runplane_mcp.gate.why import NotMadeHere, cleaned
    from runplane_mcp.gate.why import why as look_up
    from runplane_mcp.store.verify import verify_requests

    settings = settings_of_home()
    states = frozenset(state) if state else None
    try:
        found = at_desk(settings, lambda desk: look_up(desk, id, limit=limit, states=states))
    except NotMadeHere as error:
        _ask_elsewhere(settings, error, cleaned(id), offline=offline, as_json=as_json)
        raise typer.Exit(EXIT_REFUSED) from None
    proofs = verify_requests(settings.database, [life.request.id for life in found.lives])
    log = audit(settings.database, settings.checkpoint_file) if whole else None
    # What agents only looked at, or named, was made by somebody else.
    others = found.only_named or not found.lives
    made, where = (None, "") if not others or offline or states is not None else ask_stripe(settings, found.id)
    if as_json:
        more: dict[str, Json] = {} if made is None else {"elsewhere": elsewhere_json(made, where)}
        print_json({**_json(found, proofs, log), **more})
    else:
        _tell(found, proofs, log)
        if made is not None:
            tell(made, where)
    if found.only_named and all(proof.ok for proof in proofs.values()) and (log is None or log.ok):
        raise typer.Exit(EXIT_REFUSED)
    if not all(proof.ok for proof in proofs.values()) or (log is not None and not log.ok):
        raise typer.Exit(EXIT_AUDIT_MISMATCH)


def _ask_elsewhere(settings: Settings, error: RequestError, id: str, *, offline: bool, as_json: bool) -> None:
    """Says who made it as far as Stripe tells; otherwise raises the error, with where to look."""
    from runplane_mcp.cli.output import print_json, say
    from runplane_mcp.cli.why_elsewhere import ask_stripe, elsewhere_json, not_made_here, tell
    from runplane_mcp.core.text import visible

    if offline:
        raise error
    found, where = ask_stripe(settings, id)
    if found is None:
        raise not_made_here(error, where)
    if as_json:
        nothing: dict[str, Json] = {"id": id, "writes": 0, "requests": [], "reads": 0, "newest_reads": []}
        print_json({**nothing, "message": error.message, "elsewhere": elsewhere_json(found, where)})
    else:
        say(visible(error.message, 500), "bold")
        tell(found, where)


def _json(found: Why, proofs: Mapping[str, RequestProof], log: Audit | None) -> dict[str, Json]:
    from runplane_mcp.cli.life import life_json
    from runplane_mcp.cli.output import iso

    requests: list[Json] = []
    for life in found.lives:
        content = life_json(life)
        votes = content["votes"]
        if isinstance(votes, list):
            content["votes"] = [
                {**told, "signature_verifies": vote in found.genuine}
                for told, vote in zip(votes, life.votes, strict=True)
                if isinstance(told, dict)
            ]
        proof = proofs[life.request.id]
        seqs: Sequence[Json] = list(proof.seqs)
        content["proof"] = {
            "ok": proof.ok,
            "events": seqs,
            "leaf": proof.leaf,
            "first_bad": proof.first_bad,
            "problem": proof.problem,
        }
        requests.append(content)
    reads: list[Json] = [
        {
            "request_id": read.id,
            "reference": read.reference,
            "action": read.action,
            "agent": read.agent,
            "status": read.state.value,
            "created_at": iso(read.created_at),
        }
        for read in found.newest_reads
    ]
    whole: Json = None
    if log is not None:
        whole = {
            "ok": log.ok,
            "anchored": log.anchored,
            "events": log.verification.events,
            "root": log.verification.root,
            "problem": log.problem,
        }
    return {
        "id": found.id,
        "writes": found.writes,
        "requests": requests,
        "reads": found.reads,
        "newest_reads": reads,
        "only_named": found.only_named,
        "log": {"events": found.head.size, "root": found.head.root.hex()},
        "audit_log": whole,
    }


def _tell(found: Why, proofs: Mapping[str, RequestProof], log: Audit | None) -> None:
    from runplane_mcp.cli.output import brief, console, say
    from runplane_mcp.cli.why_page import page
    from runplane_mcp.core.text import label, visible

    out = console()
    if len(found.lives) != 1 or found.lives[0].request.reference != found.id.upper():
        say(f"{visible(found.id, 255)}: {_counted(found)}", "bold")
    if found.only_named:
        say("It was NOT made through Runplane: what is below came to it later, or only names it.", "bold red")
    for life in found.lives:
        say()
        out.print(page(life, found.genuine, proofs[life.request.id], found.head))
    if found.writes > len(found.lives):
        say()
        say(f"{found.writes - len(found.lives):,} older ones are left out: --limit {min(found.writes, 1_000)}", "dim")
    if found.newest_reads:
        say()
        say("Looked at by", "bold")
    for read in found.newest_reads:
        say(f"  {brief(read.created_at)}  {read.reference}  {visible(read.action, 60)}  by {label(read.agent)}")
    if found.reads > len(found.newest_reads):
        say(f"  and {found.reads - len(found.newest_reads):,} reads before", "dim")
    if log is not None:
        say()
        if log.ok:
            events, root = log.verification.events, log.verification.root
            against = "and it is what the checkpoint says" if log.anchored else "compared with no checkpoint"
            say(f"The whole audit log verifies, {against}: {events:,} events, root {root}", "green")
        else:
            say(f"The audit log does NOT verify: {visible(log.problem or '', 500)}", "bold red")


def _counted(found: Why) -> str:
    if not found.lives:
        return "nothing was changed through Runplane; it was only looked at."
    return "1 request" if found.writes == 1 else f"{found.writes:,} requests, newest first"
