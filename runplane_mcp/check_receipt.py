"""Checks a receipt of `runplane audit prove` without Runplane, its database or a network: Python 3.11 and `cryptography`.

    python check_receipt.py RECEIPT [KEY]        KEY: the log's public key in hex, as you know it from elsewhere

Exit 0: everything under PROVED holds. Exit 1: the receipt is not what it says. Trees as in RFC 6962, checkpoints as in
https://c2sp.org/tlog-checkpoint, canonical JSON as in RFC 8785, signatures Ed25519.
"""
import base64, hashlib, json, pathlib, sys
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
raw, json_of = bytes.fromhex, json.loads
def sha(data): return hashlib.sha256(data).digest()
def hexed(text): return sha(text.encode()).hex()
def canonical(value): return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
def need(holds, problem):
    if not holds: raise ValueError(problem)
def signed(key, signature, statement, whose):
    try: Ed25519PublicKey.from_public_bytes(raw(key)).verify(raw(signature), statement.encode())
    except Exception: raise ValueError(f"the signature of {whose} does not hold") from None
def climb(at, last, nodes, proof):  # RFC 9162, 2.1.3.2 and 2.1.4.2: up to the root of the tree now, and of an older one
    for beside in map(raw, proof):
        if at & 1 or at == last:
            nodes = [sha(b"\x01" + beside + each) for each in nodes]
            while at and not at & 1: at, last = at >> 1, last >> 1
        else: nodes = [sha(b"\x01" + nodes[0] + beside), *nodes[1:]]
        at, last = at >> 1, last >> 1
    return nodes if last == 0 else []
def grew(first, old_root, size, root, proof):
    if first in (0, size): return not proof and (first == 0 or old_root == root)
    at, last = first - 1, size - 1
    while at & 1: at, last = at >> 1, last >> 1
    begin, *rest = proof if at else [old_root.hex(), *proof]
    return climb(at, last, [raw(begin)] * 2, rest) == [root, old_root]
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
        found = climb(event["seq"] - 1, size - 1, [sha(b"\0" + each["body"].encode())], each["proof"])
        need(0 < event["seq"] <= size and found == [root], f"event {event['seq']} is not in the log")
        need(not each["row"] or hexed(each["row"]) == event["row"], f"event {event['seq']} wrote another row")
    need([event["seq"] for event in said] == sorted({event["seq"] for event in said}), "the events are not in their order")
    own = [event for event in said if event["request_id"] == id]
    proved = [f"The log {origin} had {size} events when its key signed the checkpoint. These {len(said)} are among them,"
              f" unchanged; of {id}: {', '.join(event['type'] for event in own)}."]
    people, in_force, gone, votes, decided, keys, store = {}, {}, set(), [], [], set(), origin.split("/")[1]
    def act(event, by, *names):  # what an administrator signed
        statement = {"type": "runplane.act/1", "store": store, "act": event["type"], "person": by, "at": event["signed_at"]}
        statement["content"] = {name: event[name] for name in names}
        signed(people[by]["public_key"], event["signature"], canonical(statement), by)
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
        elif kind == "decision":
            decided.append(row)
            proved.append(f"Decided: {row['outcome']}, by policy {row['policy_version']}, which was put in force by"
                          f" {in_force[row['policy_version']]}.")
        elif kind == "vote":
            votes.append(row)
            statement = {"type": "runplane.vote/1", "store": store, "request_id": id}
            statement |= {name: row[name] for name in ("digest", "answer", "person", "at")}
            signed(people[row["person"]]["public_key"], row["proof"], canonical(statement), row["person"])
            need(row["digest"] in [each.get("digest") for each in decided], "a vote is for something else")
            proved.append(f"{row['person']} signed {row['answer']} to {row['digest']}.")
        elif of == "log_key": keys.add(event["public_key"])
    if older:
        name, first, old_root = checkpoint(older["checkpoint"], keys)
        need(name == origin and grew(first, old_root, size, root, older["proof"]), "the log is not the older one, grown")
        proved.append(f"The log only grew since it had {first} events and the root {old_root.hex()}: compare them with yours.")
    moves = [event for event in own if event["type"].startswith("request.")]
    request, types = moves[-1]["wrote"], [event["type"] for event in moves]
    need(key in keys and len(moves) == request["version"] and types[-1] == f"request.{request['state']}", "an event is missing")
    payloads = {sha(raw(each["salt"]) + each["body"].encode()).hex(): json_of(each["body"]) for each in receipt["payloads"]}
    named = {name for event in own for name in event.get("payloads", {}).values()}
    need(len(payloads) == len(receipt["payloads"]) and payloads.keys() <= named - gone, "a payload is none of these events'")
    need({hexed(text) for text in receipt["policies"]} <= {each["policy_version"] for each in decided}, "a policy is another")
    card = next((each for each in decided if each.get("digest") == request.get("digest")), {})  # what people looked at
    detail, sent = payloads.get(card.get("content"), {}).get("detail"), payloads.get(request.get("effective"))
    if detail and sent and card.get("digest"):
        wire, yes = sent.get("wire", sent), {v["person"] for v in votes if (v["answer"], v["digest"]) == ("yes", card["digest"])}
        url, body = "?".join(filter(None, (wire["path"], wire["query"]))), base64.b64decode(wire["body"])
        content = {name: request[name] for name in ("target", "account", "principal")} | {
            "v": 1, "request_id": id, "nonce": card["nonce"], "livemode": bool(request["livemode"]), "url": url,
            "method": wire["method"], "content_type": wire["content_type"], "body_sha256": sha(body).hex(),
            "api_version": detail["api_version"], "preconditions": [list(each.values()) for each in detail["preconditions"]]}
        need(hexed(canonical(content)) == card["digest"], "what ran is not what was decided and signed")
        for each in detail["requirement"] if "request.approved" in types else ():
            able = [who for who in yes if set(people[who]["groups"]) & set(each["groups"]) and people[who]["role"] != "auditor"]
            need(len(able) >= each["people"], "too few people said yes")
        proved.append(f"That digest is of {wire['method']} {url} with the bytes {body!r}: what was to run."
                      + " As many people said yes as that decision asked for." * ("request.approved" in types))
    proved.append(f"It is {request['state']}; at Stripe {request.get('stripe_request_id')}, {request.get('object_id')}.")
    left = ["That Stripe did it: ask Stripe about these ids.", "That nothing went around the log, or, but for the request's"
            f" states, was left out here; that {next(iter(people), 'nobody')} was the first person of this log."]
    left += [f"What {len(named - gone - payloads.keys())} payloads say, which this receipt leaves out."] * (named - gone > payloads.keys())
    return proved, left + [f"That {key} is the log's key: compare it with what you know from elsewhere."] * (not trusted_key)

if __name__ == "__main__":
    try: proved, left = check(json_of(pathlib.Path(sys.argv[1]).read_text("utf-8")), *sys.argv[2:3])
    except Exception as problem: sys.exit(f"THE RECEIPT DOES NOT HOLD: {type(problem).__name__}: {problem}")
    for title, sentences in (("PROVED", proved), ("NOT PROVED", left)): print(title, *sentences, sep="\n- ")
