"""What both forms of the client share: where the daemon is, the proof of a token, who gets which line, and the place of a
follower. Nothing here reads or writes a socket."""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
import os
import pwd
import re
import secrets
import struct
from typing import Callable, Dict, Generator, List, NamedTuple, Optional, Tuple, Union

from . import codes
from ._types import Conversation, Event, Json, Start, Welcome

VERSION = 1
# Longest request. The daemon ends the connection for a longer one.
OBJECT_BYTES = 1024 * 1024
# Longest line that is read: what is longer is no torchatd.
LINE_BYTES = 64 * 1024 * 1024
# Bytes of events that wait for a reader. What comes beyond is fetched again from the daemon's log.
QUEUE_BYTES = 1024 * 1024
# What the daemon takes: levels of a request, names in one object of it, and whole numbers.
DEPTH = 8
KEYS = 64
MAX_INTEGER = 2**53 - 1
# Longest wait of a SEND, in seconds.
WAIT_MAX = 3600
RETRY_MIN = 0.05
RETRY_MAX = 5.0


class Error(Exception):
    """Everything that goes wrong between a program and its daemon."""

    passing = False
    """The same may work later without anybody's doing."""


class NotFound(Error):
    """There is no daemon to be found."""

    passing = True


class ConnectFailed(Error):
    """Nobody listens there, or not for this user."""

    passing = True


class Lost(Error):
    """The connection ended. What was asked and not answered may be done or not."""

    passing = True


class TimedOut(Error):
    """No answer in time. It may be done or not."""

    passing = True


class NotUnderstood(Error):
    """What came is not API 1."""


class Impostor(Error):
    """The program that answers does not know the token, or is of another user and there is no token: it is not the daemon. It has learnt
    nothing."""


class Refused(Error):
    """The daemon said no. `code` is for programs and never changes its meaning: see `torchat.codes`."""

    def __init__(self, error: Json) -> None:
        self.code = str(error.get("code", ""))
        self.message = str(error.get("message", ""))
        self.hint: Optional[str] = error.get("hint")
        self.queued: Optional[str] = error.get("queued")
        """The message is queued all the same: do not send it again."""
        self.params: Json = error.get("params") or {}
        """The numbers and names in the message: `torchat.codes` says which."""
        self.passing = self.code in codes.PASSING
        super().__init__(f"{self.message} ({self.code})" + (f": {self.hint}" if self.hint else ""))


def conversations_after(found: List[Conversation]) -> Json:
    """The parameters of CONVERSATIONS for the page after those that were found."""
    if not found:
        return {}
    last = found[-1].get("last")
    return {"before": last["id"]} if last else {"after": found[-1]["contact"]["peer"]}


class Address(NamedTuple):
    """Where a daemon listens: a Unix socket, or a host and a port of this machine."""

    path: Optional[str] = None
    host: str = "127.0.0.1"
    port: int = 0

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return self.path if self.path is not None else f"{host}:{self.port}"

    def proof_name(self) -> str:
        """What both sides of a proof name."""
        return "unix" if self.path is not None else str(self)


def parse(text: str) -> Address:
    """A port, a loopback address with its port, or else the path of a socket."""
    wrong = NotFound(f"{text!r} is not an address of a torchatd: give the path of its socket, its port, or 127.0.0.1:PORT")
    wrong.passing = False
    if re.fullmatch("[0-9]{1,5}", text):
        address = Address(port=int(text))
    else:
        found = re.fullmatch(r"(?:(localhost|[0-9.]+)|\[([0-9a-fA-F:]+)\]):([0-9]{1,5})", text)
        if not found:
            if not text:
                raise wrong
            return Address(path=text)
        host = "127.0.0.1" if found[1] == "localhost" else found[1] or found[2]
        try:
            if not ipaddress.ip_address(host).is_loopback:
                raise wrong
        except ValueError:
            raise wrong from None
        address = Address(host=host, port=int(found[3]))
    if not 0 < address.port < 65536:
        raise wrong
    return address


def _entry_home() -> Optional[str]:
    """The home that the system's list of users names."""
    try:
        return pwd.getpwuid(os.getuid()).pw_dir
    except KeyError:
        return None


def data_directory(data_home: Optional[str], home: Optional[str], entry: Callable[[], Optional[str]]) -> Optional[str]:
    """The daemon's directory by the one rule of daemon and clients: XDG_DATA_HOME if it is absolute; else below HOME; without
    HOME, or with an empty one, below the home of the system's list of users. None: that is no absolute path."""
    if data_home and os.path.isabs(data_home):
        return os.path.join(data_home, "torchatd")
    home = home or entry()
    if not home or not os.path.isabs(home):
        return None
    return os.path.join(home, ".local", "share", "torchatd")


def find(socket: Optional[str] = None) -> Address:
    """The daemon: what is given, else TORCHAT_SOCKET, else what the default data directory says."""
    given = socket or os.environ.get("TORCHAT_SOCKET")
    if given:
        return parse(given)
    directory = data_directory(os.environ.get("XDG_DATA_HOME"), os.environ.get("HOME"), _entry_home)
    if directory is None:
        raise NotFound("no torchatd is found: there is no home directory (HOME must be an absolute path); name its socket in "
                       "TORCHAT_SOCKET")
    path = os.path.join(directory, "control.sock")
    if os.path.exists(path):
        return Address(path=path)
    try:
        with open(os.path.join(directory, "port"), encoding="ascii") as file:
            port = file.read().strip()
        if not re.fullmatch("[0-9]+", port) or not 0 < int(port) < 65536:
            raise ValueError("no port")
        return Address(port=int(port))
    except (OSError, ValueError):
        raise NotFound(f"no torchatd is found: {directory} has no control.sock and no port; start it with "
                       "`torchatd -d`, or name its socket in TORCHAT_SOCKET") from None


def connect_failed(address: Address, error: OSError) -> ConnectFailed:
    hint = "it does not run there: start it with `torchatd -d`, or name its socket in TORCHAT_SOCKET"
    if isinstance(error, PermissionError):
        hint = "the socket belongs to another user: ask who runs the daemon for the group socket or a token"
    return ConnectFailed(f"cannot connect to torchatd at {address}: {error.strerror or error}; {hint}")


def not_ours(address: Address, why: str) -> Impostor:
    return Impostor(f"the program that answers at {address} is not known to be your torchatd: {why}; look which program listens there, use "
                    "the daemon's socket, or a token")


def lost(reason: str) -> Lost:
    return Lost(f"the connection to torchatd is lost: {reason}; connect again (a SEND with a client_id can be repeated "
                "safely)")


def client_id() -> str:
    """A new key for a message: repeated with it, a SEND is one message."""
    return secrets.token_urlsafe(18)


class Token:
    """A token with its secret: `torchat-token:NAME:SECRET`, as TOKEN create has shown it."""

    def __init__(self, text: str) -> None:
        # Some editors put a byte order mark before everything.
        found = re.fullmatch("torchat-token:([A-Za-z0-9._-]{1,64}):([a-z2-7]{52})", text.lstrip("\ufeff").strip())
        try:
            if not found:
                raise ValueError
            secret = base64.b32decode(found[2].upper() + "====")
        except ValueError:
            raise ValueError("a token looks like torchat-token:NAME:SECRET") from None
        self.name = found[1]
        self._client_key = _mac(secret, b"torchat/1 client key")
        self._server_key = _mac(secret, b"torchat/1 server key")

    def __repr__(self) -> str:
        return f"Token({self.name!r}, ..)"

    def _message(self, client_nonce: str, server_nonce: str, address: str) -> bytes:
        parts = [part.encode() for part in ("torchat/1 token", self.name, client_nonce, server_nonce, address)]
        return b"".join(struct.pack(">I", len(part)) + part for part in parts)

    def client_proof(self, client_nonce: str, server_nonce: str, address: str) -> str:
        """What shows the daemon that we know the secret, and nothing of it."""
        stored_key = hashlib.sha256(self._client_key).digest()
        mac = _mac(stored_key, self._message(client_nonce, server_nonce, address))
        return _base64(bytes(a ^ b for a, b in zip(self._client_key, mac)))

    def accepts(self, client_nonce: str, server_nonce: str, address: str, proof: str) -> bool:
        """Whether the other side knows the token too."""
        right = _base64(_mac(self._server_key, self._message(client_nonce, server_nonce, address)))
        return hmac.compare_digest(right.encode(), proof.encode())


def _mac(key: bytes, message: bytes) -> bytes:
    return hmac.new(key, message, hashlib.sha256).digest()


def _base64(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


Handshake = Generator[Tuple[str, Json], Json, Welcome]


def handshake(address: Address, name: str, token: Optional[Token]) -> Handshake:
    """Yields what to ask and takes what is answered; returns what is allowed."""
    hello: Json = {"api": VERSION, "client": name}
    if token is None:
        return _welcome((yield "HELLO", hello))
    wrong = Impostor(f"the program that answers at {address} does not know the token {token.name!r}, so it is not your torchatd: "
                     "look which program listens there")
    client_nonce = secrets.token_urlsafe(32)
    answer = yield "HELLO", {**hello, "token": token.name, "nonce": client_nonce}
    server_nonce = answer.get("nonce")
    # A program that lets us in without a proof of its own has shown nothing.
    if not isinstance(server_nonce, str):
        raise wrong
    names = (client_nonce, server_nonce, address.proof_name())
    answer = yield "AUTH", {"proof": token.client_proof(*names)}
    if not token.accepts(*names, str(answer.get("proof"))):
        raise wrong
    return _welcome({"api": VERSION, "server": "", **answer})


def _welcome(answer: Json) -> Welcome:
    if not isinstance(answer.get("onion"), str) or not isinstance(answer.get("seq"), int):
        raise NotUnderstood("HELLO's answer says not who is there; do client and daemon have the same version?")
    return answer  # type: ignore[return-value]


def request_line(cmd: str, request: Json) -> bytes:
    """A request as bytes. What the daemon would take for no JSON is refused here: it would end the connection, and with it
    what other threads and tasks wait for."""
    try:
        _check(request, 0)
        line = json.dumps(request, ensure_ascii=False, allow_nan=False).encode() + b"\n"
    except (TypeError, ValueError, RecursionError) as error:
        # UnicodeEncodeError, of half a surrogate pair, is a ValueError. Its own words would show the text.
        reason = "a text in it is not Unicode" if isinstance(error, UnicodeError) else str(error)
        raise Refused({"code": codes.BAD_REQUEST, "message": f"{cmd} cannot be asked so: {reason}"}) from None
    if len(line) > OBJECT_BYTES:
        raise Refused({"code": codes.TOO_LONG, "message": f"a request has at most {OBJECT_BYTES} bytes"})
    return line


def _check(value: object, levels: int) -> None:
    """What JSON takes and the daemon does not: numbers that programs do not keep exactly, names that are no texts, and what is
    nested deeper or has more names than any request."""
    if isinstance(value, int) and not -MAX_INTEGER <= value <= MAX_INTEGER:
        raise ValueError("a number is larger than programs keep exactly (2^53-1)")
    if not isinstance(value, (dict, list, tuple)):
        return
    if levels == DEPTH:
        raise ValueError(f"it is nested deeper than {DEPTH} levels")
    if isinstance(value, dict):
        if len(value) > KEYS:
            raise ValueError(f"an object has more than {KEYS} names")
        if not all(isinstance(key, str) for key in value):
            raise TypeError("a name in it is no text")
    for inner in value.values() if isinstance(value, dict) else value:
        _check(inner, levels + 1)


def seconds(value: Optional[float]) -> Optional[float]:
    """A time that a caller gives; None: forever, which is what more than a lifetime is too."""
    if value is None or value > 1e9:
        return None
    if value != value:
        raise Refused({"code": codes.BAD_VALUE, "message": "a time must be a number of seconds"})
    return max(0.0, value)


Answer = Union[Json, Error]
# What a subscription's reader finds: an event, how it ended, None (somebody wants attention), True (events were dropped), or
# a number: up to there the daemon has looked, and there was nothing else for the filter.
Item = Union[Event, Error, None, bool, int]


class Route:
    """The writing end of a subscription: bounded."""

    def __init__(self, put: Callable[[Tuple[Item, int]], None]) -> None:
        self._put = put
        self._overflown = False
        self.queued = 0

    def push(self, item: Item, size: int) -> None:
        if isinstance(item, (dict, int)):
            if self._overflown:
                return
            if self.queued >= QUEUE_BYTES:
                self._overflown = True
                item, size = True, 0
        self.queued += size
        self._put((item, size))


class Wire:
    """Who gets which line of one connection. Its caller sees to it that two threads do not use it at once."""

    def __init__(self) -> None:
        self._last = 0
        self._waiting: Dict[int, Callable[[Answer], None]] = {}
        self._routes: Dict[int, Route] = {}
        self.cause: Optional[Error] = None
        """Why nothing more comes."""

    def request(self, cmd: str, parameters: Json, answer: Callable[[Answer], None],
                route: Optional[Route] = None) -> Tuple[int, bytes]:
        """The number and the line of a request."""
        if self.cause:
            raise self.cause
        self._last += 1
        reference = self._last
        wanted = {key: value for key, value in parameters.items() if value is not None}
        line = request_line(cmd, {**wanted, "cmd": cmd, "ref": reference})
        self._waiting[reference] = answer
        if route:
            # In place before it is asked for: events may come right behind the answer.
            self._routes[reference] = route
        return reference, line

    def forget(self, reference: int) -> None:
        self._waiting.pop(reference, None)

    def unsubscribe(self, reference: int) -> None:
        self._routes.pop(reference, None)

    def lose(self, cause: Error) -> None:
        """Ends everything that waits. The first cause counts."""
        self.cause = cause = self.cause or cause
        waiting, self._waiting = self._waiting, {}
        routes, self._routes = self._routes, {}
        for answer in waiting.values():
            answer(cause)
        for route in routes.values():
            route.push(cause, 0)

    def feed(self, line: bytes) -> None:
        """Takes a line. An error ends the connection."""
        try:
            found = json.loads(line)
            if not isinstance(found, dict):
                raise ValueError("no object")
            self._take(found, len(line))
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            # Whatever it is, those that wait must hear of it.
            raise NotUnderstood(f"what came from torchatd is not understood: {error}") from None

    def _take(self, found: Json, size: int) -> None:
        reference = found.get("ref")
        if "error" in found:
            refused = Refused(found["error"])
            if not isinstance(reference, int):
                raise refused
            self._answer(reference, refused)
        elif "ok" in found:
            if isinstance(reference, int):
                self._answer(reference, found["ok"])
        elif "sub" in found and "end" in found:
            route = self._routes.pop(found["sub"], None)
            if route:
                route.push(Refused(found["end"]), 0)
        elif "sub" in found and "event" in found:
            route = self._routes.get(found["sub"])
            if route:
                route.push(found["event"], size)
        elif "sub" in found and isinstance(found.get("upto"), int):
            route = self._routes.get(found["sub"])
            if route:
                route.push(found["upto"], size)
        elif "cmd" in found:
            raise NotUnderstood("this torchatd does not know API 1: it is too old")
        # Anything else is of a later version of the API and was not asked for.

    def _answer(self, reference: int, answer: Answer) -> None:
        waiting = self._waiting.pop(reference, None)
        if waiting:
            waiting(answer)


def subscribe_parameters(consumer: Optional[str], start: Optional[Start], kinds: Optional[List[str]],
                         peers: Optional[List[str]]) -> Json:
    wanted = {key: value for key, value in (("kinds", kinds), ("peers", peers)) if value is not None}
    return {"consumer": consumer, "from": start, "filter": wanted or None}


class Place:
    """How far a follower is, over all its connections."""

    def __init__(self, parameters: Json) -> None:
        self._parameters = parameters
        self._onion: Optional[str] = None
        self.seq = 0
        """Up to here the events were handed out, or are not wanted."""
        self.handed_out = 0
        self.owed = 0
        self.acknowledged = 0
        self._backoff = RETRY_MIN

    @property
    def consumer(self) -> Optional[str]:
        return self._parameters.get("consumer")

    def begin(self, welcome: Welcome) -> Tuple[Json, bool]:
        """What to subscribe to now, and whether nothing was missed meanwhile."""
        if self._onion is None:
            return self._parameters, False
        if self._onion == welcome["onion"] and welcome["seq"] >= self.seq:
            return {**self._parameters, "from": self.seq}, True
        # Another daemon, or a restored backup: only what it still knows of the consumer is true.
        self.owed = self.acknowledged = self.handed_out = 0
        return {**self._parameters, "from": None}, False

    def begun(self, welcome: Welcome, after: int) -> None:
        self._onion, self.seq = welcome["onion"], after
        self._backoff = RETRY_MIN

    def took(self, seq: int) -> None:
        """An event is handed out."""
        self.seq = self.handed_out = seq

    def skipped(self, seq: int) -> Optional[Json]:
        """Up to here there is nothing for us: what to acknowledge by itself. Never past an event that is still being worked
        off."""
        self.seq = seq
        if self.consumer is None or self.handed_out > self.acknowledged:
            return None
        return {"consumer": self.consumer, "seq": seq}

    def failed(self, error: Error) -> float:
        """How long to wait before the next attempt; raises what does not pass."""
        if not error.passing:
            raise error
        delay, self._backoff = self._backoff, min(self._backoff * 2, RETRY_MAX)
        return delay


def send_parameters(peer: str, text: str, key: Optional[str], wait: Optional[float], expire: Optional[int],
                    re: Optional[int], to: Optional[List[int]]) -> Json:
    parameters: Json = {"peer": peer, "text": text, "client_id": key or client_id(), "expire": expire, "re": re, "to": to}
    if wait is not None:
        # Forever is as long as the daemon waits.
        parameters.update(wait="delivered", timeout=max(1, int(seconds(wait) or WAIT_MAX)))
    return parameters


def page_parameters(peer: str, before: Optional[int], after: Optional[int], limit: Optional[int]) -> Json:
    return {"peer": peer, "before": before, "after": after, "limit": limit}


def no_answer(cmd: str, seconds: Optional[float]) -> TimedOut:
    return TimedOut(f"torchatd did not answer {cmd} within {seconds} s: it may be done or not")


def argument_token(token: Union[None, str, Token]) -> Optional[Token]:
    return Token(token) if isinstance(token, str) else token


