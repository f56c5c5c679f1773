"""What stands in the bodies of events: docs/ROOM-PROTOCOL.md, "Common parts of bodies", "Acts", "Members' events"."""

import messages
import room_events
from handshake import Refused
from messages import digits, number, string

KEEP = 256
LIST = 256
HOSTS = 8
MENTIONS = 16


class Optional:
    """A key that may be missing. Never null."""

    def __init__(self, check):
        self.check = check


def read(schema, found):
    """The known keys that are there; unknown ones are ignored."""
    if not isinstance(found, dict):
        raise Refused("no object")
    result = {}
    for key, check in schema.items():
        if key in found:
            inner = check.check if isinstance(check, Optional) else check
            result[key] = inner(found[key])
        elif not isinstance(check, Optional):
            raise Refused("a missing key: " + key)
    return result


def an(schema):
    return lambda value: read(schema, value)


def s(most):
    return lambda value: string(value, most)


def h(count):
    return lambda value: digits(value, 2 * count)


def some(check, most=None):
    def checked(value):
        if not isinstance(value, list) or most is not None and len(value) > most:
            raise Refused("no list, or a long one")
        return [check(one) for one in value]
    return checked


def word(*words):
    def checked(value):
        if not isinstance(value, str) or value not in words:
            raise Refused("an unknown word")
        return value
    return checked


def boolean(value):
    if not isinstance(value, bool):
        raise Refused("neither true nor false")
    return value


def below(least, most):
    def checked(value):
        if not least <= number(value) <= most:
            raise Refused("out of range")
        return value
    return checked


member = below(1, 2**24 - 1)


def pair(first, second):
    def checked(value):
        if not isinstance(value, list) or len(value) != 2:
            raise Refused("no pair")
        return [first(value[0]), second(value[1])]
    return checked


def author(value):
    return room_events.check_author(number(value))


def ref(value):
    if not isinstance(value, list) or len(value) != 3:
        raise Refused("no ref")
    return [author(value[0]), number(value[1]), digits(value[2], 16)]


def keep(value):
    pairs = some(pair(below(0, 255), number), KEEP)(value)
    chains = [chain for chain, _ in pairs]
    if chains != sorted(set(chains)):
        raise Refused("chains that do not ascend")
    return pairs


role = word("owner", "moderator", "member", "reader")
ENTRY = {"no": member, "sign": h(32), "box": h(32), "role": role, "id": Optional(h(32)), "nick": Optional(s(32)),
         "via": Optional(h(8))}
entry = an(ENTRY)
policy = an({"read": word("members", "anyone"), "joins": word("member", "reader"), "admit": word("owner", "mods"),
             "expel": word("owner", "mods"), "history": number, "keep_days": number, "slow_s": below(0, 3600),
             "seen": boolean, "replicas": word("members", "any", "local")})


def hosts(value):
    found = some(an({"id": h(32), "no": below(0, 2**32 - 1)}), HOSTS)(value)
    if len({host["id"] for host in found}) < len(found):
        raise Refused("a host twice")
    return found


why = Optional(s(200))
SCHEMAS = {
    1: {"owner": entry, "name": s(64), "topic": s(500), "policy": policy, "salt": h(16)},
    2: {"add": Optional(some(entry, LIST)),
        "cut": Optional(some(an({"no": member, "keep": keep, "why": word("left", "removed", "replaced")}), LIST)),
        "role": Optional(some(an({"no": member, "role": role, "keep": keep}), LIST))},
    3: {"name": Optional(s(64)), "topic": Optional(s(500)), "policy": Optional(policy)},
    4: {"hosts": hosts},
    5: {"to": member, "proposal": h(32), "accept": h(64), "old": keep, "new": keep},
    6: {"lost": Optional(number)},
    7: {"why": why},
    16: {"mid": h(16), "text": s(16_384), "re": Optional(ref), "to": Optional(some(member, MENTIONS))},
    17: {"of": ref, "mid": h(16), "text": s(16_384)},
    18: {"of": ref, "sign": s(32)},
    19: {"of": ref, "why": why},
    20: {"who": member, "keep": keep, "why": why},
    21: {"of": ref, "resume": keep},
    22: {"topic": s(500)},
    23: {},
    24: {"heads": some(ref)},
    25: {"host": boolean, "bytes": number},
    26: {"sign": h(32), "yes": boolean, "role": role},
    27: {"who": member, "keep": keep, "why": why},
    29: {"nick": s(32)},
    30: {"to": member},
    31: {"proposal": h(32), "accept": h(64)},
}
# Below this role an event of the kind is not valid; 26 and 27 need the policy too, when they are used.
LEAST = {16: "member", 17: "member", 18: "member", 19: "member", 20: "moderator", 21: "moderator", 22: "moderator",
         23: "reader", 24: "reader", 25: "member", 26: "moderator", 27: "moderator", 29: "reader", 30: "owner",
         31: "member"}
RANK = {"reader": 0, "member": 1, "moderator": 2, "owner": 3}


def decode(kind, body):
    """The keys of a body; None for a kind that is not known. Raises Refused: the event is stored and means nothing."""
    if len(body) > 131_072:
        raise Refused("size")
    if kind not in SCHEMAS:
        return None
    return read(SCHEMAS[kind], messages.strict(body))
