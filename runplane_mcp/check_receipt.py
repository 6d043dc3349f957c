"""Checks a receipt of `runplane audit prove` without Runplane, its database or a network: python check_receipt.py RECEIPT [KEY]

Needs Python 3.11 and `cryptography`. KEY: the log's public key in hex, as you know it from elsewhere. Exit 0: all under PROVED
holds; 1: the receipt is not what it says. Trees: RFC 6962; checkpoints: c2sp.org/tlog-checkpoint; JSON: RFC 8785; Ed25519."""
import base64, datetime, hashlib, json, pathlib, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
raw, json_of, sha = bytes.fromhex, json.loads, lambda data: hashlib.sha256(data).digest()
def hexed(text): return sha(text.encode()).hex()
def canonical(value): return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
def pick(row, *names): return {name: row[name] for name in names if name in row}
def shown(text): return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in text)  # no terminal's commands
def when(ms): return f"{datetime.datetime.fromtimestamp(ms // 1000, datetime.UTC):%Y-%m-%d %H:%M:%SZ}"
def need(holds, problem):
    if not holds: raise ValueError(problem)
def signed(key, signature, statement, whose):
    try: Ed25519PublicKey.from_public_bytes(raw(key)).verify(raw(signature), statement.encode())
    except Exception: raise ValueError(f"the signature of {whose} does not hold") from None
def roots(first, size, start, proof, leaf=False):  # RFC 9162, 2.1.3 and 2.1.4: of the first leaves of a tree, and of all of them
    if size == 1 or (first == size and not leaf): return [start, start] if not proof else need(False, "a proof is too long")
    half, (*rest, beside) = 1 << (size - 1).bit_length() - 1, proof
    if first > half: return [sha(b"\x01" + raw(beside) + each) for each in roots(first - half, size - half, start, rest, leaf)]
    old, new = roots(first, half, start, rest, leaf)
    return [old, sha(b"\x01" + new + raw(beside))]
def within(root, number, first, last, text, proof):  # whether the tree of the leaves from first to last has this one there
    leaf = sha(b"\0" + text.encode())
    return number in range(first, last + 1) and roots(number - first + 1, last - first + 1, leaf, proof, True)[1] == root
def grew(first, old_root, size, root, proof):
    start, *rest = proof if first < size and first & first - 1 else [old_root.hex(), *proof]
    return not proof if first == 0 else first <= size and roots(first, size, raw(start), rest) == [old_root, root]
def checkpoint(note, keys):
    text, line = note.split("\n\n")
    (origin, size, root), value = text.split("\n")[:3], line.split(" ")[-1].strip()
    known = {sha(f"{origin}\n\x01".encode() + raw(key))[:4]: key for key in keys}.get(base64.b64decode(value)[:4])
    need(known and line == f"— {origin} {value}\n", "a checkpoint is signed by another key")
    signed(known, base64.b64decode(value)[4:].hex(), f"{text}\n", "the log's key")
    return origin, int(size), base64.b64decode(root)
def check(receipt, trusted_key=None):
    id, key, older = (receipt[name] for name in ("request_id", "log_key", "older"))
    need(receipt["type"] == "runplane.receipt/1" and trusted_key in (None, key), "another kind of receipt, or another key")
    origin, size, root = checkpoint(receipt["checkpoint"], {key})
    said = [json_of(each["body"]) | {"wrote": json_of(each["row"] or "{}")} for each in receipt["events"]]
    for each, event in zip(receipt["events"], said):
        need(within(root, event["seq"], 1, size, each["body"], each["proof"]), f"event {event['seq']} is not in the log")
        need(not each["row"] or hexed(each["row"]) == event["row"], f"event {event['seq']} wrote another row")
    need([event["seq"] for event in said] == sorted({event["seq"] for event in said}), "the events are not in their order")
    if read := receipt.get("read"):  # it has no events of its own: its record is a leaf under the root of one event for many
        [batch] = [event for event in said if event["type"] == "reads"]
        text = "\n".join(["runplane.read/1", id, *map(hexed, read["rows"])])
        need(within(raw(batch["root"]), read["number"], batch["first"], batch["last"], text, read["proof"]), "it is another read")
        row, *made = map(json_of, read["rows"])
        batch.update(request_id=row["id"], wrote=row, made=made, payloads=pick(row, "asked", "effective", "told", "result"))
    own = [event for event in said if event["request_id"] == id]
    types = [event["type"] for event in own]
    proved = [f"{len(said)} of the {size} events under the checkpoint of {origin}, unchanged; of {id}: {', '.join(types)}."]
    if read: proved.append(f"Event {batch['seq']} of {when(batch['at'])} speaks for this read, number {read['number']}: none before.")
    people, in_force, gone, votes, decided, keys, store = {}, {}, set(), [], [], set(), origin.split("/")[1]
    def wrote(who, signature, **words):  # what people sign counts in this log alone
        signed(people[who]["public_key"], signature, canonical({"store": store, "person": who, **words}), who)
    def act(event, by, *names):  # what an administrator signed
        wrote(by, event["signature"], type="runplane.act/1", act=event["type"], at=event["signed_at"], content=pick(event, *names))
        return by if people[by]["role"] == "admin" else need(False, f"{by} is no administrator")
    for event in said:
        row, kind, of = event["wrote"], event["type"], event["type"].split(".")[0]
        need(event in own or of in ("person", "policy", "log_key"), f"event {event['seq']} is of another request")
        if kind == "person.added":
            need(event["added_by"] or not people, "two people enrolled themselves")
            people[event["person"]] = event
            act(event, event["added_by"] or event["person"], "person", "role", "groups", "public_key", "salt", "scrypt")
        elif kind == "policy.activated":
            in_force[event["version"]] = act(event, event["by"], "version", "seq") if "signature" in event else event["by"]
        elif kind == "erased":
            gone.update(event["commitments"])
            by = act(event, event["by"], "request_id", "customer", "commitments", "kept")
            proved.append(f"{by} erased {len(event['commitments'])} payloads, and kept {canonical(event['kept'])}.")
        elif kind == "vote":
            votes.append(row)
            wrote(row["person"], row["proof"], type="runplane.vote/1", request_id=id, **pick(row, "digest", "answer", "at"))
            need(row["digest"] in [each.get("digest") for each in decided], "a vote is for something else")
            proved.append(f"{row['person']} signed {row['answer']} to {row['digest']}.")
        elif of == "log_key": keys.add(event["public_key"])
        for each in {"decision": [row], "reads": event.get("made")}.get(kind, []):
            decided.append(each)
            proved.append(f"Decided at {when(each['at'])}: {each['outcome']}, by policy {each['policy_version']}, which was put"
                          f" in force by {in_force[each['policy_version']]}.")
    if older:
        name, first, old_root = checkpoint(older["checkpoint"], keys)
        need(name == origin and grew(first, old_root, size, root, older["proof"]), "the log is not the older one, grown")
        proved.append(f"The log only grew since it had {first} events and the root {old_root.hex()}: compare them with yours.")
    *before, request = [event["wrote"] for event in own if event["type"].startswith(("request.", "reads"))]
    need(key in keys and len(before) + 1 == (1 if read else request["version"]), "an event is missing")
    payloads = {sha(raw(each["salt"]) + each["body"].encode()).hex(): json_of(each["body"]) for each in receipt["payloads"]}
    named = {name for event in own for name in event.get("payloads", {}).values()} | {each["content"] for each in decided}
    need(len(payloads) == len(receipt["payloads"]) and payloads.keys() <= named - gone, "a payload is none of these events'")
    need({hexed(text) for text in receipt["policies"]} <= {each["policy_version"] for each in decided}, "a policy is another")
    card = next((each for each in decided if each.get("digest") == request.get("digest")), {})  # what people looked at
    detail, sent = payloads.get(card.get("content"), {}).get("detail"), payloads.get(request.get("effective"))
    if detail and sent and card.get("digest"):
        wire, yes = sent.get("wire", sent), {v["person"] for v in votes if (v["answer"], v["digest"]) == ("yes", card["digest"])}
        url, body = "?".join(filter(None, (wire["path"], wire["query"]))), base64.b64decode(wire["body"])
        content = pick(request, "target", "account", "principal") | pick(wire, "method", "content_type") | {"v": 1, "url": url,
            "request_id": id, "nonce": card["nonce"], "livemode": bool(request["livemode"]), "body_sha256": sha(body).hex(),
            "api_version": detail["api_version"], "preconditions": [list(each.values()) for each in detail["preconditions"]]}
        need(hexed(canonical(content)) == card["digest"], "what ran is not what was decided and signed")
        for each in detail["requirement"] if "request.approved" in types else ():
            able = [who for who in yes if set(people[who]["groups"]) & set(each["groups"]) and people[who]["role"] != "auditor"]
            need(len(able) >= each["people"], "too few people said yes")
        proved.append(f"The digest decided on is of {wire['method']} {url} with the bytes {body!r}: what was to run."
                      + " As many people said yes as that decision asked for." * ("request.approved" in types))
    proved.append(f"{request['agent']!r} of {request['principal']!r} asked at {when(request['created_at'])}: {request['operation_id']}.")
    proved.append(f"It is {'; '.join(pick(request, 'state', 'failure_code', 'stripe_request_id', 'object_id').values())}.")
    left = ["That Stripe did it, and what it answered: ask Stripe about these ids.", "That nothing went around the log, or, but"
            f" for the request's states, was left out here; that {next(iter(people), 'nobody')} was the first person of this log."]
    left += [f"What {len(named - gone - payloads.keys())} payloads say, which this receipt leaves out."] * (named - gone > payloads.keys())
    return proved, left + [f"That {key} is the log's key: compare it with what you know from elsewhere."] * (not trusted_key)

if __name__ == "__main__":
    try: proved, left = check(json_of(pathlib.Path(sys.argv[1]).read_text("utf-8")), *sys.argv[2:3])
    except Exception as problem: sys.exit(shown(f"THE RECEIPT DOES NOT HOLD: {type(problem).__name__}: {problem}"))
    for title, sentences in (("PROVED", proved), ("NOT PROVED", left)): print(title, *map(shown, sentences), sep="\n- ")
