"""Messages: docs/PROTOCOL.md, "JSON" and "Messages"."""

import json
import re

from handshake import Refused

MAX = 2**53 - 1


def _object(pairs):
    if len(pairs) > 64 or len({key for key, _ in pairs}) < len(pairs):
        raise Refused("a key twice, or too many")
    return dict(pairs)


def _whole(text):
    if text == "-0":
        return -0.0  # A number, and no whole one.
    number = int(text)
    if abs(number) > MAX:
        raise Refused("a number over 2^53-1")
    return number


def _fraction(text):
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise Refused("a number that no double holds")
    return number


def _constant(text):
    raise Refused("no JSON: " + text)


def _depth(text):
    deepest = now = 0
    for token in re.findall(r'"(?:\\.|[^"\\])*"|[{}\[\]]', text, re.S):
        now += (token in "{[") - (token in "}]")
        deepest = max(deepest, now)
    return deepest


def strict(data):
    """One JSON object, with all that "JSON" demands of it. Raises Refused."""
    if len(data) > 524_288:
        raise Refused("size")
    try:
        text = data.decode("utf-8")
        if _depth(text) > 8:
            raise Refused("depth")
        if text.startswith("\ufeff"):
            raise Refused("a byte order mark")
        found = json.loads(text, object_pairs_hook=_object, parse_int=_whole, parse_float=_fraction,
                           parse_constant=_constant)
        json.dumps(found, ensure_ascii=False).encode("utf-8")  # Fails for half of a surrogate pair.
    except (ValueError, RecursionError) as error:
        raise Refused(str(error)) from error
    if not isinstance(found, dict):
        raise Refused("no object")
    return found


def decode(data):
    """One message as a dictionary with its optional keys filled in. Raises Refused."""
    found = strict(data)
    if not isinstance(found.get("t"), str) or found["t"] not in SCHEMA:
        raise Refused("no message")
    message = _read(SCHEMA[found["t"]], found)
    message["t"] = found["t"]
    return message


def _read(schema, found):
    if not isinstance(found, dict):
        raise Refused("no object")
    result = {}
    for key, check in schema.items():
        default = OPTIONAL.get(check)
        if key not in found and check in OPTIONAL:
            result[key] = default
        elif key not in found:
            raise Refused("a missing key: " + key)
        elif found[key] is None and check in NULLABLE:
            result[key] = None
        else:
            result[key] = check(found[key])
    return result


def number(value, least=0):
    if type(value) is not int or not least <= value <= MAX:
        raise Refused("no number")
    return value


def place(value):
    return number(value, 1)


def version(value):
    if number(value) > 2**32 - 1:
        raise Refused("no version")
    return value


def string(value, most):
    if not isinstance(value, str) or len(value.encode()) > most:
        raise Refused("no text, or a long one")
    return value


def digits(value, count):
    if not isinstance(value, str) or len(value) != count or set(value) - set("0123456789abcdef"):
        raise Refused("no identifier")
    return value


def bytes8(value):
    return digits(value, 16)


def bytes16(value):
    return digits(value, 32)


def run(value):
    return digits(value, 16)


def app(value):
    return string(value, 64)


def nick(value):
    return string(value, 32)


def few_words(value):
    return string(value, 500)


def invite(value):
    return string(value, 64)


def features(value):
    if not isinstance(value, list) or len(value) > 32:
        raise Refused("features")
    return [string(feature, 64) for feature in value]


def lane_states(value):
    if not isinstance(value, list) or len(value) > 32:
        raise Refused("lanes")
    return [_read(LANE_STATE, state) for state in value]


def limits(value):
    read = _read({"msg": number, "inflight": number, "credit": number}, value)
    if read["msg"] < 65_536:
        raise Refused("a receiver that takes less than the longest text")
    return read


def body(value):
    if not isinstance(value, dict) or value.get("k") != "text":
        raise Refused("an unknown kind of body")
    return {"k": "text", "text": string(value.get("text"), 65_536)}


def one_of(*words):
    def check(value):
        if not isinstance(value, str) or value not in words:
            raise Refused("an unknown word")
        return value
    return check


def reason(value):
    known = ("shutdown", "dup", "limit", "full", "protocol", "idle", "superseded")
    if not isinstance(value, str):
        raise Refused("no word")
    return value if value in known else "unknown"


# Keys that may be missing, by their check, with what they mean then.
OPTIONAL = {features: [], lane_states: [], run: None, nick: "", few_words: "", invite: None}
NULLABLE = (run, invite)
LANE_STATE = {"lane": bytes8, "hwm": number, "chain": bytes16}
SCHEMA = {
    "HELLO": {"app": app, "v": version, "features": features, "lanes": lane_states, "limits": limits, "run": run,
              "met": run},
    "RECV": {"lane": bytes8, "seq": place, "prev": bytes16, "mid": bytes16, "sent": number, "body": body},
    "ACK": LANE_STATE,
    "SKIP": {"lane": bytes8, "to": place, "chain": bytes16, "why": one_of("lost", "withdrawn", "expired")},
    "CONTACT_REQ": {"nick": nick, "text": few_words, "invite": invite},
    "CONTACT_RES": {"st": one_of("pending", "accepted")},
    "PING": {"n": number},
    "PONG": {"n": number},
    "BYE": {"why": reason},
}


def encode(message):
    """The bytes of a message: compact, `t` first, then the keys in the documented order, absent ones left out."""
    ordered = {"t": message["t"]}
    for key in SCHEMA[message["t"]]:
        if message.get(key) is not None:
            ordered[key] = message[key]
    return json.dumps(ordered, ensure_ascii=False, separators=(",", ":")).encode()
