"""Identities, certificates, hellos, the handshake and records: docs/PROTOCOL.md, the chapters up to "Frames"."""

import base64
import hashlib
import hmac
import struct

import crypto

CERTIFICATE = struct.Struct(">32s32sBIQQ64s")
DAY = 86_400
SIZES = (498, 996, 1992, 3984, 7968)


class Refused(Exception):
    """Whatever the other end is told about it: nothing."""


def parse_onion(text):
    text = text.removesuffix(".onion")
    if len(text) != 56 or any(c not in "abcdefghijklmnopqrstuvwxyz234567" for c in text):
        raise Refused("not 56 characters of a-z2-7")
    raw = base64.b32decode(text.upper())
    key, checksum, version = raw[:32], raw[32:34], raw[34:]
    if version != b"\3" or checksum != hashlib.sha3_256(b".onion checksum" + key + b"\3").digest()[:2]:
        raise Refused("version or checksum")
    if not crypto.is_identity(key):
        raise Refused("no point of prime order")
    return key


def onion(key):
    checksum = hashlib.sha3_256(b".onion checksum" + key + b"\3").digest()[:2]
    return base64.b32encode(key + checksum + b"\3").decode().lower()


def parse_invite(text):
    scheme, middle = text[:8], text[64:67]
    if scheme != "torchat:" or middle != "?i=" or len(text) != 99 or set(text[67:]) - set("0123456789abcdef"):
        raise Refused("no invite")
    return parse_onion(text[8:64]), bytes.fromhex(text[67:])


def sign_certificate(seed, device, number, epoch, not_before, not_after):
    body = CERTIFICATE.pack(crypto.ed25519_public(seed), device, number, epoch, not_before, not_after, bytes(64))[:-64]
    return body + crypto.ed25519_sign(seed, b"torchatd/1 device certificate\0" + body)


def make_certificate(seed, device_secret, now, epoch=1):
    start = now - now % DAY
    return sign_certificate(seed, crypto.public(device_secret), 0, epoch, start, start + 90 * DAY)


def is_sound(certificate):
    """What a certificate says of itself: an epoch, and a time that begins before it ends, of 90 days at most."""
    epoch, not_before, not_after = CERTIFICATE.unpack(certificate)[3:6]
    return epoch >= 1 and not_before < not_after <= not_before + 90 * DAY


def is_current(certificate, now):
    not_before, not_after = CERTIFICATE.unpack(certificate)[4:6]
    return not_before - DAY <= now <= not_after + DAY


def check_certificate(certificate, device, own, now):
    """The peer's identity. `device`: the static key of the handshake; `own`: our identity."""
    if len(certificate) != CERTIFICATE.size:
        raise Refused("length")
    identity, named, _, _, _, _, signature = CERTIFICATE.unpack(certificate)
    check_key(device)
    if named != device or not is_current(certificate, now) or not is_sound(certificate):
        raise Refused("device, time or epoch")
    if not crypto.is_identity(identity) or identity == own:
        raise Refused("identity")
    if not crypto.ed25519_verify(identity, b"torchatd/1 device certificate\0" + certificate[:-64], signature):
        raise Refused("signature")
    return identity


def check_key(point):
    """A public key of X25519: in its one spelling, and of no small order."""
    if crypto.is_small_order(point) or not crypto.is_canonical(point):
        raise Refused("a key of small order, or in another spelling")


def goes_on(received):
    """Whether a client goes on after these first bytes of a server; None while it waits."""
    if received[:4] != b"TCHT"[:len(received)]:
        return False
    if len(received) < 5:
        return None
    if received[4] != 1:
        return False
    # The length of message 2 is judged before the rest is waited for.
    return received[5:7] in (b"", b"\2", b"\2\x20")


def answer_hello(received):
    """What a server answers to a client's hello: None while it waits, b"" to close."""
    for n, byte in enumerate(received[:4]):
        if byte != b"TCHT"[n]:
            return b""
    if len(received) < 5:
        return None
    count = received[4]
    versions = received[5:5 + count]
    if not 1 <= count <= 8:
        return b""
    if len(versions) < count:
        return None
    if len(set(versions)) < count or 0 in versions or 255 in versions:
        return b""
    return b"TCHT\1" if 1 in versions else b"TCHT\xff"


def prologue(service, client_hello, server_hello):
    parts = [b"torchatd/1 peer session\0", service]
    for hello in (client_hello, server_hello):
        parts += [struct.pack(">I", len(hello)), hello]
    return b"".join(parts)


class Noise:
    """One end of Noise_XX_25519_ChaChaPoly_BLAKE2s."""

    PATTERNS = (("e",), ("e", "ee", "s", "es"), ("s", "se"))

    def __init__(self, initiator, prologue, static, ephemeral):
        self.initiator, self.s, self.e = initiator, static, ephemeral
        self.remote = {}
        name = b"Noise_XX_25519_ChaChaPoly_BLAKE2s"
        # The name has 33 bytes, one more than a hash, so it is hashed.
        self.h = self.ck = hashlib.blake2s(name).digest()
        self.key, self.n = None, 0
        self._mix_hash(prologue)

    def _mix_hash(self, data):
        self.h = hashlib.blake2s(self.h + data).digest()

    def _derive(self, data):
        """HKDF of the Noise specification, 4.3."""
        temp = hmac.digest(self.ck, data, hashlib.blake2s)
        first = hmac.digest(temp, b"\1", hashlib.blake2s)
        return first, hmac.digest(temp, first + b"\2", hashlib.blake2s)

    def _mix_key(self, data):
        (self.ck, self.key), self.n = self._derive(data), 0

    def _agree(self, token):
        ours, theirs = token if self.initiator else token[::-1]
        secret = self.e if ours == "e" else self.s
        self._mix_key(crypto.x25519(secret, self.remote[theirs]))

    def _seal(self, plaintext):
        if self.key is not None:
            plaintext, self.n = crypto.seal(self.key, self.n, self.h, plaintext), self.n + 1
        self._mix_hash(plaintext)
        return plaintext

    def _open(self, sealed):
        plaintext = sealed
        if self.key is not None:
            plaintext, self.n = crypto.open_(self.key, self.n, self.h, sealed), self.n + 1
            if plaintext is None:
                raise Refused("a handshake message does not decrypt")
        self._mix_hash(sealed)
        return plaintext

    def write(self, number, payload):
        out = b""
        for token in self.PATTERNS[number]:
            if token == "e":
                out += crypto.public(self.e)
                self._mix_hash(crypto.public(self.e))
            elif token == "s":
                out += self._seal(crypto.public(self.s))
            else:
                self._agree(token)
        return out + self._seal(payload)

    def read(self, number, message):
        for token in self.PATTERNS[number]:
            if token == "e":
                self.remote["e"], message = message[:32], message[32:]
                check_key(self.remote["e"])
                self._mix_hash(self.remote["e"])
            elif token == "s":
                self.remote["s"], message = self._open(message[:48]), message[48:]
            else:
                self._agree(token)
        return self._open(message)

    def split(self):
        """The ciphers of what the client says and of what the server says."""
        return tuple(Cipher(key) for key in self._derive(b""))


class Cipher:
    """One direction of a link."""

    def __init__(self, key, n=0):
        self.key, self.n = key, n

    def _count(self):
        self.n += 1
        if self.n % 65_536 == 0:
            self.key = crypto.seal(self.key, 2**64 - 1, b"", bytes(32))[:32]

    def seal(self, plaintext):
        record = crypto.seal(self.key, self.n, b"", plaintext)
        self._count()
        return struct.pack(">H", len(record)) + record

    def open(self, record):
        if len(record) not in SIZES or struct.unpack(">H", record[:2])[0] != len(record) - 2:
            raise Refused("a record's length")
        plaintext = crypto.open_(self.key, self.n, b"", record[2:])
        if plaintext is None:
            raise Refused("a record does not decrypt")
        self._count()
        return plaintext


def frames(message):
    """The plaintexts of a message's records."""
    bodies = [message[n:n + 7944] for n in range(0, len(message), 7944)] or [b""]
    for n, body in enumerate(bodies):
        flags = 1 if n + 1 < len(bodies) else 0
        plain = struct.pack(">BBHH", 1, flags, 0, len(body)) + body
        size = next(size for size in SIZES if size - 18 >= len(plain))
        yield plain.ljust(size - 18, b"\0")


class Reassembler:
    def __init__(self):
        self.message = b""

    def push(self, plaintext):
        """The message that this frame completes, or None."""
        if len(plaintext) < 6:
            raise Refused("no header")
        kind, flags, channel, length = struct.unpack(">BBHH", plaintext[:6])
        body, padding = plaintext[6:6 + length], plaintext[6 + length:]
        if len(body) < length or any(padding):
            raise Refused("length or padding")
        if kind != 1:
            if kind & 0x80:
                raise Refused("an unknown type")
            return None
        if channel or flags & ~1 or len(self.message) + length > 524_288:
            raise Refused("channel, flags or size")
        self.message += body
        if flags & 1:
            return None
        message, self.message = self.message, b""
        return message
