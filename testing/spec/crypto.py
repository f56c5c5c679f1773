"""The primitives of docs/PROTOCOL.md in plain Python: RFC 7748, RFC 8032, RFC 8439. For checking, never for secrets:
nothing here runs in constant time."""

import hashlib
import struct

P = 2**255 - 19
ORDER = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, P - 2, P) % P


def x25519(scalar, point):
    """RFC 7748, 5."""
    k = bytearray(scalar)
    k[0] &= 248
    k[31] = k[31] & 127 | 64
    k = int.from_bytes(k, "little")
    x1 = int.from_bytes(point, "little") % 2**255 % P
    x2, z2, x3, z3, swapped = 1, 0, x1, 1, 0
    for bit in range(254, -1, -1):
        now = k >> bit & 1
        if now != swapped:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swapped = now
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        da, cb = d * a % P, c * b % P
        x3, z3 = pow(da + cb, 2, P), x1 * pow(da - cb, 2, P) % P
        aa, bb = a * a % P, b * b % P
        e = aa - bb
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swapped:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


def public(secret):
    return x25519(secret, (9).to_bytes(32, "little"))


def is_canonical(point):
    """Whether these 32 bytes are the one spelling of a coordinate: below p, so the top bit is clear too."""
    return int.from_bytes(point, "little") < P


def is_small_order(point):
    """Every clamped scalar is a multiple of 8, so it takes exactly the points of small order to zero."""
    return x25519(b"\x42" * 32, point) == bytes(32)


def add(a, b):
    """Edwards points in extended coordinates, RFC 8032, 5.1.4."""
    e = (a[1] - a[0]) * (b[1] - b[0]) % P
    f = (a[1] + a[0]) * (b[1] + b[0]) % P
    g, h = 2 * a[3] * b[3] * D % P, 2 * a[2] * b[2] % P
    e, f, g, h = f - e, h - g, h + g, f + e
    return e * f % P, g * h % P, f * g % P, e * h % P


def multiply(k, point):
    result = (0, 1, 1, 0)
    while k:
        if k & 1:
            result = add(result, point)
        point, k = add(point, point), k >> 1
    return result


def is_neutral(point):
    return point[0] % P == 0 and (point[1] - point[2]) % P == 0


def decompress(key):
    """The point of 32 bytes, or None: not on the curve, or not in its one canonical spelling."""
    y = int.from_bytes(key, "little")
    sign, y = y >> 255, y % 2**255
    if y >= P:
        return None
    xx = (y * y - 1) * pow(D * y * y + 1, P - 2, P) % P
    x = pow(xx, (P + 3) // 8, P)
    if x * x % P != xx:
        x = x * pow(2, (P - 1) // 4, P) % P
    if x * x % P != xx or (x == 0 and sign):
        return None
    if x & 1 != sign:
        x = P - x
    return x, y, 1, x * y % P


def compress(point):
    inverse = pow(point[2], P - 2, P)
    x, y = point[0] * inverse % P, point[1] * inverse % P
    return (y | (x & 1) << 255).to_bytes(32, "little")


BASE = decompress((4 * pow(5, P - 2, P) % P).to_bytes(32, "little"))


def is_identity(key):
    """Whether 32 bytes are a canonical point of prime order."""
    point = decompress(key)
    return point is not None and not is_neutral(point) and is_neutral(multiply(ORDER, point))


def _hash(*parts):
    return int.from_bytes(hashlib.sha512(b"".join(parts)).digest(), "little") % ORDER


def _expanded(seed):
    digest = bytearray(hashlib.sha512(seed).digest())
    digest[0] &= 248
    digest[31] = digest[31] & 127 | 64
    return int.from_bytes(digest[:32], "little"), bytes(digest[32:])


def ed25519_public(seed):
    return compress(multiply(_expanded(seed)[0], BASE))


def ed25519_sign(seed, message):
    scalar, prefix = _expanded(seed)
    key = compress(multiply(scalar, BASE))
    r = _hash(prefix, message)
    big_r = compress(multiply(r, BASE))
    return big_r + ((r + _hash(big_r, key, message) * scalar) % ORDER).to_bytes(32, "little")


def ed25519_verify(key, message, signature):
    """Strict: the key is an identity, R is canonical, s is below the order, the equation holds without cofactor."""
    if len(signature) != 64 or not is_identity(key):
        return False
    s = int.from_bytes(signature[32:], "little")
    big_r = decompress(signature[:32])
    if s >= ORDER or big_r is None or is_neutral(multiply(8, big_r)):
        return False
    x, y, z, t = multiply(_hash(signature[:32], key, message), decompress(key))
    return compress(add(multiply(s, BASE), (-x % P, y, z, -t % P))) == signature[:32]


def _rotate(value, n):
    return (value << n | value >> 32 - n) & 0xFFFFFFFF


def _chacha20(key, nonce, data, counter):
    out = bytearray()
    for n in range(0, len(data), 64):
        start = (0x61707865, 0x3320646E, 0x79622D32, 0x6B206574) + struct.unpack("<8I", key)
        start += (counter + n // 64,) + struct.unpack("<3I", nonce)
        s = list(start)
        for a, b, c, d in ROUNDS:
            s[a] = s[a] + s[b] & 0xFFFFFFFF
            s[d] = _rotate(s[d] ^ s[a], 16)
            s[c] = s[c] + s[d] & 0xFFFFFFFF
            s[b] = _rotate(s[b] ^ s[c], 12)
            s[a] = s[a] + s[b] & 0xFFFFFFFF
            s[d] = _rotate(s[d] ^ s[a], 8)
            s[c] = s[c] + s[d] & 0xFFFFFFFF
            s[b] = _rotate(s[b] ^ s[c], 7)
        block = struct.pack("<16I", *((a + b) & 0xFFFFFFFF for a, b in zip(s, start)))
        out += bytes(a ^ b for a, b in zip(data[n:n + 64], block))
    return bytes(out)


COLUMNS = [(n, 4 + n, 8 + n, 12 + n) for n in range(4)]
DIAGONALS = [(n, 4 + (n + 1) % 4, 8 + (n + 2) % 4, 12 + (n + 3) % 4) for n in range(4)]
ROUNDS = (COLUMNS + DIAGONALS) * 10


def _tag(key, nonce, extra, ciphertext):
    one_time = _chacha20(key, nonce, bytes(32), 0)
    r = int.from_bytes(one_time[:16], "little") & 0x0FFFFFFC0FFFFFFC0FFFFFFC0FFFFFFF
    data = b"".join(part + bytes(-len(part) % 16) for part in (extra, ciphertext))
    data += struct.pack("<QQ", len(extra), len(ciphertext))
    total = 0
    for n in range(0, len(data), 16):
        total = (total + int.from_bytes(data[n:n + 16] + b"\1", "little")) * r % (2**130 - 5)
    return ((total + int.from_bytes(one_time[16:], "little")) % 2**128).to_bytes(16, "little")


def seal(key, n, extra, plaintext):
    """ChaCha20-Poly1305 with Noise's nonce: four zero bytes, then the number, little endian."""
    nonce = bytes(4) + struct.pack("<Q", n)
    ciphertext = _chacha20(key, nonce, plaintext, 1)
    return ciphertext + _tag(key, nonce, extra, ciphertext)


def open_(key, n, extra, sealed):
    """The plaintext, or None."""
    nonce = bytes(4) + struct.pack("<Q", n)
    if len(sealed) < 16 or _tag(key, nonce, extra, sealed[:-16]) != sealed[-16:]:
        return None
    return _chacha20(key, nonce, sealed[:-16], 1)
