#!/usr/bin/env python3
"""Verifies docs/vectors with a second implementation of the protocol: what docs/PROTOCOL.md and docs/ROOM-PROTOCOL.md say, and
nothing else.

    python3 testing/spec/check.py [FOLDER]

Python 3.9 or later, standard library only. Prints one line for each file and ends with 0, or says what differs.
"""

import hashlib
import json
import sys
from pathlib import Path

sys.dont_write_bytecode = True

import compare
import crypto
import handshake
import lanes
import life
import messages
import rooms
from handshake import Refused

ROOT = Path(__file__).resolve().parents[2]
CHECKS = 0


def same(found, expected, what):
    global CHECKS
    CHECKS += 1
    if found != expected:
        sys.exit(f"{what}\n  here:   {found!r}\n  vector: {expected!r}")


def refused(what, function, *arguments):
    global CHECKS
    CHECKS += 1
    try:
        found = function(*arguments)
    except Refused:
        return
    sys.exit(f"{what}: not refused, but {found!r}")


def check_primitives():
    """Examples of the RFCs, so that a mistake here is not taken for one in the vectors."""
    bob = bytes.fromhex("5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb")
    same(crypto.public(bob).hex(), "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f", "RFC 7748 6.1")
    seed = bytes.fromhex("9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60")
    key = bytes.fromhex("d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a")
    same(crypto.ed25519_public(seed), key, "RFC 8032 7.1")
    same(crypto.ed25519_sign(seed, b"")[:8].hex(), "e5564300c360ac72", "RFC 8032 7.1")
    same(crypto.ed25519_verify(key, b"", crypto.ed25519_sign(seed, b"")), True, "RFC 8032 7.1")
    sealed = crypto.seal(bytes(range(32)), 7, b"extra", b"text" * 40)
    same(crypto.open_(bytes(range(32)), 7, b"extra", sealed), b"text" * 40, "the cipher opens what it sealed")
    same(crypto.open_(bytes(range(32)), 8, b"extra", sealed), None, "and nothing else")


def check_identities(vectors):
    for row in vectors["onions"]:
        same(handshake.parse_onion(row["onion"]).hex(), row["key"], row["onion"])
        same(handshake.parse_onion(row["onion"].removesuffix(".onion") + ".onion").hex(), row["key"], row["onion"])
        same(handshake.onion(bytes.fromhex(row["key"])), row["onion"].removesuffix(".onion"), row["key"])
        if "seed" in row:
            same(crypto.ed25519_public(bytes.fromhex(row["seed"])).hex(), row["key"], "a seed")
    for row in vectors["bad_onions"]:
        refused(row["why"], handshake.parse_onion, row["text"])
    for row in vectors["keys"]:
        same(crypto.is_identity(bytes.fromhex(row["key"])), row["valid"], row["key"])
    invite = vectors["invite"]
    key, secret = handshake.parse_invite(invite["text"])
    same((handshake.onion(key), secret.hex()), (invite["onion"], invite["secret"]), "an invite")
    for text in vectors["bad_invites"]:
        refused(text, handshake.parse_invite, text)


def check_certificates(vectors):
    for row in vectors["certificates"]:
        seed, secret = bytes.fromhex(row["seed"]), bytes.fromhex(row["device_secret"])
        made = handshake.make_certificate(seed, secret, row["made_at"], row["epoch"])
        same(made.hex(), row["certificate"], "a certificate")
        same((b"torchatd/1 device certificate\0" + made[:-64]).hex(), row["signed"], "what is signed")
        fields = handshake.CERTIFICATE.unpack(made)
        same([fields[0].hex(), fields[1].hex(), *fields[2:6]],
             [row[key] for key in ("identity", "device", "number", "epoch", "not_before", "not_after")], "its fields")
        found = handshake.check_certificate(made, crypto.public(secret), bytes(32), row["made_at"])
        same(found.hex(), row["identity"], "whose it is")
    first = bytes.fromhex(vectors["certificates"][0]["certificate"])
    for row in vectors["times_of_the_first"]:
        same(handshake.is_current(first, row["at"]), row["valid"], f"at {row['at']}")
    for row in vectors["spans"]:
        signed = bytes.fromhex(row["certificate"])
        same(handshake.is_current(signed, row["at"]), True, row["why"])
        if row["valid"]:
            same(handshake.check_certificate(signed, signed[32:64], bytes(32), row["at"]), signed[:32], row["why"])
        else:
            refused(row["why"], handshake.check_certificate, signed, signed[32:64], bytes(32), row["at"])
    for row in vectors["bad"]:
        changed = bytes.fromhex(row["certificate"])
        # As if the handshake had shown the key that stands in it: nothing but the certificate is wrong.
        refused(row["why"], handshake.check_certificate, changed, changed[32:64], bytes(32),
                vectors["certificates"][0]["made_at"])


def check_handshake(vectors):
    """Replays both ends with their fixed keys; every flight must come out the same."""
    now = vectors["now"]
    keys = {who: {name: bytes.fromhex(value) for name, value in vectors[who].items()} for who in ("client", "server")}
    certificates = {who: handshake.make_certificate(key["seed"], key["device_secret"], now)
                    for who, key in keys.items()}
    identities = {who: crypto.ed25519_public(key["seed"]) for who, key in keys.items()}
    flights = [bytes.fromhex(flight["bytes"]) for flight in vectors["flights"]]
    same([flight["from"] for flight in vectors["flights"]], ["client", "server"] * 2 + ["client"], "whose turn it is")
    same(flights[0], b"TCHT\1\1", "the client's hello")
    same(handshake.answer_hello(flights[0]), flights[1], "the server's hello")
    prologue = handshake.prologue(identities["server"], flights[0], flights[1])
    same(prologue.hex(), vectors["prologue"], "the prologue")
    ends = {who: handshake.Noise(who == "client", prologue, key["device_secret"], key["ephemeral"])
            for who, key in keys.items()}
    payloads = [b"", certificates["server"].ljust(448, b"\0"), (certificates["client"] + b"\0").ljust(448, b"\0")]
    for number, payload in enumerate(payloads):
        speaker, listener = ("client", "server") if number != 1 else ("server", "client")
        message = ends[speaker].write(number, payload)
        same((len(message).to_bytes(2, "big") + message).hex(), flights[2 + number].hex(), f"message {number + 1}")
        same(ends[listener].read(number, message), payload, f"payload {number + 1}")
        if number > 0:
            found = handshake.check_certificate(payload[:149], ends[listener].remote["s"], identities[listener], now)
            same(found, identities[speaker], "who it is")
            # A reflection: our own certificate is refused.
            refused("our own identity", handshake.check_certificate, payload[:149], ends[listener].remote["s"], found,
                    now)
    for end in ends.values():
        same(end.h.hex(), vectors["hash"], "the handshake's hash")
    same(hashlib.sha256(b"tie" + ends["client"].h).hexdigest(), vectors["tie"], "the tie")
    ciphers = [dict(zip(("client", "server"), end.split())) for end in ends.values()]
    for row in vectors["records"]:
        record = bytes.fromhex(row["bytes"])
        [plaintext] = handshake.frames(row["message"].encode())
        same(ciphers[0][row["from"]].seal(plaintext).hex(), row["bytes"], "a record")
        message = handshake.Reassembler().push(ciphers[1][row["from"]].open(record))
        same(messages.encode(messages.decode(message)).decode(), row["message"], "its message")
    for row in vectors["first_bytes"]:
        answer = handshake.answer_hello(bytes.fromhex(row["bytes"]))
        same(None if answer is None else answer.hex(), row["answer"], "first bytes " + row["bytes"])
    for row in vectors["answers_of_a_server"]:
        same(handshake.goes_on(bytes.fromhex(row["bytes"])), row["goes_on"], "a server's first bytes " + row["bytes"])
    for point in vectors["small_order"]:
        same(crypto.is_small_order(bytes.fromhex(point)), True, "small order")
        refused("small order", handshake.check_key, bytes.fromhex(point))
    for point in vectors["other_spellings"]:
        same(crypto.is_small_order(bytes.fromhex(point)), False, "no small order")
        refused("another spelling", handshake.check_key, bytes.fromhex(point))
    return ends["client"].split()[0]


def check_frames(vectors, cipher):
    for row in vectors["frames"]:
        message = row["message"].encode()
        same(message.hex(), row["hex"], "the same message twice")
        same([plain.hex() for plain in handshake.frames(message)], row["plaintexts"], "frames")
        reassembler = handshake.Reassembler()
        found = [reassembler.push(bytes.fromhex(plain)) for plain in row["plaintexts"]]
        same(found, [None] * (len(found) - 1) + [message], "put together")
    for row in vectors["taken"]:
        reassembler = handshake.Reassembler()
        found = [reassembler.push(bytes.fromhex(plain)) for plain in row["plaintexts"]]
        same([message.hex() for message in found if message is not None], [row["hex"]], row["what"])
    for plain in vectors["skipped"]:
        same(handshake.Reassembler().push(bytes.fromhex(plain)), None, "a frame that is skipped")
    for row in vectors["bad"]:
        refused(row["why"], handshake.Reassembler().push, bytes.fromhex(row["plaintext"]))
    for row in vectors["records_of_the_client"]:
        # The first of them is the last under the first key, so nothing before it is needed.
        cipher.n = row["number"]
        plaintext = cipher.open(bytes.fromhex(row["bytes"]))
        same(handshake.Reassembler().push(plaintext).hex(), row["hex"], f"record {row['number']}")


def check_messages(vectors):
    golden = {row["name"]: row["text"] for row in vectors["messages"]}
    for name, text in golden.items():
        same(messages.encode(messages.decode(text.encode())).decode(), text, name)
    for row in vectors["same"]:
        same(messages.decode(row["text"].encode()), messages.decode(golden[row["name"]].encode()), row["text"])
    for row in vectors["limits"]:
        if row["valid"]:
            same(messages.decode(row["text"].encode())["t"] in messages.SCHEMA, True, row["text"][:200])
        else:
            refused(row["text"][:200], messages.decode, row["text"].encode())
    for row in vectors["refused"]:
        refused(row["why"], messages.decode, row["text"].encode("utf-8", "surrogatepass"))


def check_sender(vectors):
    for case in vectors:
        sent = [messages.decode(text.encode()) for text in case["sent"]]
        said = [messages.decode(text.encode()) for text in case["says"]]
        sender = lanes.Sender(sent[0]["lane"], [(m["mid"], m["body"], m["sent"]) for m in sent])
        same(sender.says(), sent, case["what"] + ": what was sent")
        for place in case["taken_back"]:
            sender.take_back(place)
        delivered = []
        for text in (case["hears_first"], case["hears"]):
            if text is not None:
                [state] = messages.decode(text.encode())["lanes"]
                # A new lane's id is random: the vector's.
                found, says = sender.hear(state, said[0]["lane"] if said else None)
                delivered += found
        places = [[m["mid"] for m in sent].index(mid) + 1 for mid in delivered]
        same(places, case["delivered"], case["what"] + ": what is delivered")
        same(says, said, case["what"] + ": what is said")


def check_talk(vectors):
    """What a sender says on one link, step by step."""
    for case in vectors:
        sent = [messages.decode(text.encode()) for text in case["sent"]]
        sender = lanes.Sender(sent[0]["lane"], [(m["mid"], m["body"], m["sent"]) for m in sent])
        places, accepted = [m["mid"] for m in sent], True
        for row in case["steps"]:
            said = [messages.decode(text.encode()) for text in row["says"]]
            delivered, says = [], []
            # A new lane's id is random: the vector's.
            new_lane = next((m["lane"] for m in said if "lane" in m), None)
            if "takes_back" in row:
                sender.take_back(row["takes_back"])
            else:
                heard = messages.decode(row["hears"].encode())
                if heard["t"] == "ACK":
                    delivered, says = sender.acknowledged(heard, new_lane)
                elif heard["t"] == "HELLO":
                    delivered, says = sender.hear(next(s for s in heard["lanes"] if s["lane"] == sender.lane), new_lane)
                else:
                    # Who is not accepted asks, once on a link; who is again goes on from what was acknowledged last.
                    again = not accepted and heard["st"] == "accepted"
                    accepted = heard["st"] == "accepted"
                    asks = [] if accepted else [{"t": "CONTACT_REQ", "nick": "", "text": "", "invite": None}]
                    says = sender.says() if again else asks
            same([places.index(mid) + 1 for mid in delivered], row["delivered"], case["what"] + ": what is delivered")
            same(says, said, case["what"] + ": what is said")


def check_receiver(vectors):
    for who, table in vectors.items():
        words = [messages.decode(text.encode()) for text in table["first_words"]]
        receiver = lanes.Receiver(who == "from_a_contact", words[0])
        same(receiver.hello(), words, who + ": first words")
        for row in table["steps"]:
            says = receiver.hear(messages.decode(row["hears"].encode()))
            same([messages.encode(m).decode() for m in says], row["says"], f"{who}: {row['what']}")


def check_life(vectors):
    for case in vectors:
        link = life.Link(case["features"], case["unacknowledged"])
        does = []
        for row in case["comes"]:
            does += link.pass_until(row["ms"])
            does += link.comes(row["ms"], row["bytes"])
        does += link.pass_until(case["until"])
        for row in does:
            if "says" in row:
                row["says"] = messages.encode(row["says"]).decode()
        same(does, case["does"], case["what"])


def check_compare(vectors):
    same(hashlib.sha256("".join(word + "\n" for word in compare.WORDS).encode()).hexdigest(), vectors["list"], "the list")
    for row in vectors["pairs"]:
        a, b = handshake.parse_onion(row["a"]), handshake.parse_onion(row["b"])
        same(compare.words(a, b), row["words"], "compare words")
        same(compare.words(b, a), row["words"], "compare words of the other side")


def main():
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "docs" / "vectors"
    vectors = {path.stem: json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))}
    names = ["certificates", "compare", "frames", "handshake", "identities", "life", "messages", "receiver",
             "rooms-acts", "rooms-counts", "rooms-events", "rooms-frames", "rooms-ids", "rooms-talk", "sender",
             "talk"]
    same(sorted(vectors), names, "the files of vectors")
    check_primitives()
    check_identities(vectors["identities"])
    check_certificates(vectors["certificates"])
    cipher = check_handshake(vectors["handshake"])
    check_compare(vectors["compare"])
    check_frames(vectors["frames"], cipher)
    check_messages(vectors["messages"])
    check_sender(vectors["sender"])
    check_receiver(vectors["receiver"])
    check_talk(vectors["talk"])
    check_life(vectors["life"])
    rooms.check(vectors, same, refused)
    print(f"{CHECKS} comparisons with {len(vectors)} files of vectors: all the same")


if __name__ == "__main__":
    try:
        main()
    except Refused as error:
        sys.exit(f"refused here, and not by the vectors: {error}")
