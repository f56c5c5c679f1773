"""The plain form: calls that wait. Any number of threads may share a client."""

from __future__ import annotations

import os
import queue
import socket
import threading
import time
from types import TracebackType
from typing import Any, Callable, Dict, Iterator, List, Optional, Tuple, Type, Union

from . import _core, _owner, names
from ._core import Address, Answer, Error, Item, Route, Token, Wire
from ._rooms import RoomCalls
from ._follow import Attempts, Deadline, Following, Receiving, State
from ._types import (
    Contact, Conversation, Event, Json, Message, MessagesAnswer, OldMessage, SendAnswer, Start, Welcome, WhoAmI,
)


class Link:
    """One connection, and the thread that reads it."""

    def __init__(self, address: Address, name: str, token: Optional[Token], limit: Optional[float]) -> None:
        self._wire, self._lock, self._write = Wire(), threading.Lock(), threading.Lock()
        self._pid = os.getpid()
        timeout = _core.seconds(limit)
        family = socket.AF_UNIX if address.path is not None else socket.AF_INET6 if ":" in address.host else socket.AF_INET
        self._socket = socket.socket(family)
        self._socket.settimeout(timeout)
        try:
            self._socket.connect(address.path if address.path is not None else (address.host, address.port))
            if address.path is None:
                self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        except OSError as error:
            self._socket.close()
            raise _core.connect_failed(address, error) from None
        # A connection may well be quiet.
        self._socket.settimeout(None)
        threading.Thread(target=self._read, name="torchat", daemon=True).start()
        try:
            steps = _core.handshake(address, name, token)
            asked = next(steps)
            while True:
                asked = steps.send(self.call(*asked, timeout))
        except StopIteration as end:
            self.welcome: Welcome = end.value
        except BaseException:
            self.close()
            raise
        # A token has shown already who is there.
        if address.path is None and token is None:
            try:
                _owner.check(self._socket, address)
            except BaseException:
                self.close()
                raise

    @property
    def is_lost(self) -> bool:
        return self._wire.cause is not None

    @property
    def is_inherited(self) -> bool:
        """This process is a fork of the one that connected. The connection is the other's, and so is the thread that reads it."""
        return self._pid != os.getpid()

    def _read(self) -> None:
        cause: Error = _core.lost("torchatd closed it")
        try:
            with self._socket.makefile("rb", buffering=65536) as lines:
                while True:
                    line = lines.readline(_core.LINE_BYTES)
                    if not line.endswith(b"\n"):
                        break
                    with self._lock:
                        self._wire.feed(line)
        except Error as error:
            cause = error
        except (OSError, ValueError) as error:
            cause = _core.lost(str(error))
        self._lose(cause)

    def _lose(self, cause: Error) -> None:
        with self._lock:
            self._wire.lose(cause)
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            # It has ended already.
            pass

    def close(self) -> None:
        if not self.is_inherited:
            self._lose(_core.lost("this program closed it"))
        self._socket.close()

    def _send(self, line: bytes) -> None:
        try:
            with self._write:
                self._socket.sendall(line)
        except OSError as error:
            self._lose(_core.lost(f"it takes no requests: {error}"))
        except BaseException:
            # Interrupted, as by Ctrl-C: a part of the line may be out, and nothing can follow it.
            self._lose(_core.lost("a request was interrupted"))
            raise

    def ask(self, cmd: str, parameters: Json, timeout: Optional[float], route: Optional[Route] = None) -> Tuple[int, Json]:
        """Asks and waits. Returns the request's number too."""
        answers: "queue.SimpleQueue[Answer]" = queue.SimpleQueue()
        timeout = _core.seconds(timeout)
        with self._lock:
            reference, line = self._wire.request(cmd, parameters, answers.put, route)
        self._send(line)
        try:
            answer = answers.get(timeout=timeout)
        except queue.Empty:
            raise _core.no_answer(cmd, timeout) from None
        finally:
            with self._lock:
                self._wire.forget(reference)
        if isinstance(answer, Error):
            if route:
                with self._lock:
                    self._wire.unsubscribe(reference)
            raise answer
        return reference, answer

    def call(self, cmd: str, parameters: Json, timeout: Optional[float]) -> Json:
        return self.ask(cmd, parameters, timeout)[1]

    def tell(self, cmd: str, parameters: Json) -> None:
        """Asks, and wants no answer."""
        try:
            with self._lock:
                _, line = self._wire.request(cmd, parameters, lambda _answer: None)
            self._send(line)
        except Error:
            # The connection is lost, which its readers are told.
            pass

    def unsubscribe(self, reference: int) -> None:
        with self._lock:
            self._wire.unsubscribe(reference)
        try:
            self.call("UNSUBSCRIBE", {"sub": reference}, 5)
        except Error:
            # It has ended by itself, or the connection has.
            pass


class Subscription(Receiving):
    """The events of one connection: iterate over it, or call `next`. Ends with the connection: see `Client.follow`."""

    def __init__(self, link: Link, parameters: Json, timeout: float,
                 skipped: Optional[Callable[[int], None]] = None) -> None:
        super().__init__(parameters, skipped)
        self._link, self._timeout = link, timeout
        self._items: "queue.SimpleQueue[Tuple[Item, int]]" = queue.SimpleQueue()
        self._subscribe()

    def _subscribe(self) -> None:
        self._route = Route(self._items.put)
        self._reference, answer = self._link.ask("SUBSCRIBE", self._parameters, self._timeout, self._route)
        self.position = answer["after"]

    def next(self, timeout: Optional[float] = None) -> Optional[Event]:
        """The next event; None: there was none in that time, or it was closed. Raises how it ended."""
        deadline = Deadline(timeout)
        while not self._closed:
            if self._end:
                raise self._end
            try:
                left = deadline.left()
                item, size = self._items.get(timeout=left) if left != 0 else self._items.get_nowait()
            except queue.Empty:
                return None
            found = self._take(item, size)
            if found is True:
                self._link.unsubscribe(self._reference)
                self._subscribe()
            elif isinstance(found, dict):
                return found
        return None

    def wake(self) -> None:
        self._items.put((None, 0))

    def close(self) -> None:
        """Ends it, also for another thread that waits in it."""
        if not self._closed:
            self._closed = True
            self.wake()
            if self._end is None:
                self._link.unsubscribe(self._reference)

    def __iter__(self) -> Iterator[Event]:
        while not self._closed:
            event = self.next()
            if event is not None:
                yield event

    def __enter__(self) -> "Subscription":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Follower(Following):
    """Events for as long as a program lives: over restarts of the daemon, and with a consumer over its own.

    Each event is handed out once in a run of the program. The next run begins after the last event that was acknowledged:
    work an event off, then `ack`. What a crash leaves between the two comes again; if working it off sends messages, give
    them a client_id made of the event's `seq`. One thread uses it; others may `close` it.
    """

    def __init__(self, client: "Client", parameters: Json, state: Optional[State]) -> None:
        super().__init__(parameters, state)
        self._client = client
        self._subscription: Optional[Subscription] = None
        self._link: Optional[Link] = None
        self._closed = threading.Event()

    def next(self, timeout: Optional[float] = None) -> Optional[Event]:
        """The next event; None: there was none in that time, or it was closed. Raises only what does not pass."""
        deadline = Deadline(timeout)
        while not self._closed.is_set():
            left = deadline.left()
            try:
                if self._subscription is None:
                    wait = self._pause()
                    if wait > 0:
                        if left == 0:
                            return None
                        self._closed.wait(deadline.left(wait))
                        continue
                    self._connect()
                assert self._subscription is not None
                event = self._subscription.next(left)
            except Error as error:
                self._failed(error)
                continue
            if event is not None:
                self._place.took(event["seq"])
            return event
        return None

    def _connect(self) -> None:
        self._link = self._client._link()
        parameters, _ = self._place.begin(self._link.welcome)
        self._subscription = Subscription(self._link, parameters, self._client.timeout, self._skipped)
        self._place.begun(self._link.welcome, self._subscription.position)
        if self._is_owing():
            self._acknowledge()
        self._state("connected", None)

    def ack(self, seq: Optional[int] = None) -> bool:
        """Acknowledges every event that was handed out, or those up to `seq`. True: it is durable. False: the daemon is
        away; it will be told when it is back. Without a consumer it does nothing."""
        if not self._owe(seq):
            return True
        try:
            self._acknowledge()
        except Error as error:
            if not error.passing:
                raise
            return False
        return True

    def _acknowledge(self) -> None:
        due = self._owed()
        assert self._link is not None
        self._link.call("ACK", due, self._client.timeout)
        self._place.acknowledged = due["seq"]

    def close(self) -> None:
        """Ends it, also for another thread that waits in it."""
        self._closed.set()
        subscription = self._subscription
        if subscription is not None:
            subscription.close()

    def __iter__(self) -> Iterator[Event]:
        while not self._closed.is_set():
            event = self.next()
            if event is not None:
                yield event

    def __enter__(self) -> "Follower":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Client(RoomCalls):
    """A daemon. Connects at the first call, and again when the connection was lost.

    `address` is the path of a socket, a port, or 127.0.0.1:PORT; without it TORCHAT_SOCKET and the default data directory
    say where the daemon is. `token` is the text that TOKEN create has shown. `timeout`: seconds that an answer may take.
    """

    def __init__(self, address: Optional[str] = None, *, token: Union[None, str, Token] = None,
                 name: str = "torchat.py", timeout: float = 30.0) -> None:
        self._address, self._token, self._name, self.timeout = address, _core.argument_token(token), name, timeout
        self._current: Optional[Link] = None
        self._lock = threading.Lock()

    def _link(self) -> Link:
        with self._lock:
            if self._current is None or self._current.is_lost or self._current.is_inherited:
                if self._current is not None:
                    self._current.close()
                self._current = Link(_core.find(self._address), self._name, self._token, self.timeout)
            return self._current

    @property
    def welcome(self) -> Welcome:
        """What the daemon says of itself and of what this program may do."""
        return self._link().welcome

    @property
    def onion(self) -> str:
        """The daemon's own onion."""
        return self.welcome["onion"]

    def call(self, cmd: str, *, answer_within: Optional[float] = None, **parameters: Any) -> Json:
        """Any command of docs/CONTROL-API.md. Parameters that are None are left out; `from` and other words of Python's
        are given as `**{"from": ..}`. Raises Refused, Lost, TimedOut."""
        return self._link().call(cmd, parameters, self.timeout if answer_within is None else answer_within)

    def whoami(self) -> WhoAmI:
        """Who the daemon takes this program for, what that may do, and over what it is connected."""
        answer: Any = self.call("WHOAMI")
        return answer  # type: ignore[no-any-return]

    def send(self, peer: str, text: str, *, client_id: Optional[str] = None, wait: Optional[float] = None,
             expire: Optional[int] = None, re: Optional[int] = None, to: Optional[List[int]] = None) -> SendAnswer:
        """Sends a text: once, also when the daemon restarts meanwhile. Returns when it is durable here; with `wait`, when it
        is durable at the peer, and raises Refused (not-delivered) when that took more than this many seconds.

        Give it a `client_id` to make it once even over a restart of this program: the same one is the same message. In a room, `re`
        is the `id` of the message that it answers, and `to` are the numbers of the members that it mentions.
        """
        parameters = _core.send_parameters(peer, text, client_id, wait, expire, re, to)
        attempts = Attempts(self.timeout)
        while True:
            try:
                answer: Any = self._link().call("SEND", parameters, self.timeout + (wait or 0))
                return answer  # type: ignore[no-any-return]
            except Error as error:
                delay = attempts.after(error)
            # Between two attempts there is nothing to wait for but time.
            time.sleep(delay)

    def history(self, peer: str, *, before: Optional[int] = None, after: Optional[int] = None,
                limit: Optional[int] = None) -> MessagesAnswer:
        """A page of a conversation, oldest first: the last one, or that before or after a message's `id`."""
        answer: Any = self.call("HISTORY", **_core.page_parameters(peer, before, after, limit))
        return answer  # type: ignore[no-any-return]

    def messages(self, peer: str) -> Iterator[Message]:
        """A whole conversation, oldest first, page by page."""
        after, more = 0, True
        while more:
            page = self.history(peer, after=after, limit=1000)
            yield from page["messages"]
            more = page["more"] and bool(page["messages"])
            after = page["messages"][-1]["id"] if more else after

    def search(self, text: str, *, peer: Optional[str] = None, before: Optional[int] = None,
               limit: Optional[int] = None) -> MessagesAnswer:
        """Messages with all these words, newest first."""
        answer: Any = self.call("SEARCH", text=text, peer=peer, before=before, limit=limit)
        return answer  # type: ignore[no-any-return]

    def legacy(self, *, after: Optional[int] = None, limit: Optional[int] = None,
               untaken: bool = True) -> List[OldMessage]:
        """What old TORchat programs brought and no program has taken, oldest first: a page after an `id`. Nothing proves who
        wrote it. It comes again until `take_legacy` takes it."""
        answer = self.call("LEGACY", after=after, limit=limit, untaken=untaken)
        messages: List[OldMessage] = answer["messages"]
        return messages

    def take_legacy(self, upto: int) -> int:
        """Takes every message of old programs up to an `id`. Returns how many were not taken before."""
        taken: int = (self.call("LEGACY_TAKE", upto=upto))["taken"]
        return taken

    def erase(self, peer: str, *, before: Optional[str] = None, upto: Optional[int] = None) -> Dict[str, int]:
        """Erases a conversation in this daemon, for good, or what is older than a moment or an `id`. Returns how many messages are
        `erased`, and how many are `kept` because they wait for delivery."""
        return dict(self.call("ERASE", peer=peer, before=before, upto=upto))

    def erasable(self, peer: str, *, before: Optional[str] = None, upto: Optional[int] = None) -> Dict[str, int]:
        """Counts what `erase` with the same arguments would erase, and erases nothing. Returns how many messages are `erasable`, how
        many would be `kept`, and `upto`: give it to `erase`, and nothing that came after the count is erased."""
        return dict(self.call("ERASE_COUNT", peer=peer, before=before, upto=upto))

    def retain(self, peer: str, days: Optional[int]) -> None:
        """Erases the messages of a conversation when they are older than this number of days. None: never."""
        self.call("RETAIN", peer=peer, days=days)

    def verify(self, peer: str, verified: bool = True) -> None:
        """Marks a contact's key as compared with its owner, or takes the mark away."""
        self.call("VERIFY", peer=peer, verified=verified)

    def contacts(self) -> List[Contact]:
        """Contacts and blocked peers: all of them, page after page."""
        contacts: List[Contact] = []
        more = True
        while more:
            page = self.call("CONTACTS", after=contacts[-1]["peer"] if contacts else None)
            contacts += page["contacts"]
            more = bool(page["contacts"]) and page.get("more", False)
        return contacts

    def conversations(self) -> List[Conversation]:
        """Conversations with their unread counts and last messages: all of them, page after page. One that gets a message
        meanwhile may be missing from the later pages; its event tells of it."""
        conversations: List[Conversation] = []
        more = True
        while more:
            page = self.call("CONVERSATIONS", **_core.conversations_after(conversations))
            conversations += page["conversations"]
            more = bool(page["conversations"]) and page.get("more", False)
        return conversations

    def peer(self, word: str, purpose: str = "act") -> str:
        """The onion of the peer that a word means, by the rule of the shell: an onion, a name that the user gave, or the beginning of a
        contact's onion. `purpose`: "act" (to send or to change something), "read", "request" (to accept or refuse), "unblock". Needs
        the right `read`, except for a whole onion. Raises NoSuchPeer."""
        look: Dict[str, Callable[[], Any]] = {
            "contacts": self.contacts, "conversations": self.conversations,
            "requests": lambda: self.call("REQUESTS")["requests"],
        }
        steps = names.find(word, purpose)
        try:
            wanted = next(steps)
            while True:
                wanted = steps.send(look[wanted]())
        except StopIteration as end:
            found: str = end.value
            return found

    def subscribe(self, *, consumer: Optional[str] = None, start: Optional[Start] = None,
                  kinds: Optional[List[str]] = None, peers: Optional[List[str]] = None) -> Subscription:
        """The events of this connection only. Most programs want `follow`."""
        parameters = _core.subscribe_parameters(consumer, start, kinds, peers)
        return Subscription(self._link(), parameters, self.timeout)

    def follow(self, *, consumer: Optional[str] = None, start: Optional[Start] = None,
               kinds: Optional[List[str]] = None, peers: Optional[List[str]] = None,
               state: Optional[State] = None) -> Follower:
        """Events over restarts. `consumer` names the durable cursor; without it the place is kept in memory. `start`: where
        to begin the first time, an event's number or "cursor", "now", "start". `kinds` and `peers`: of these only.
        `state` is called with "connected", "gone" or "refused", and with the error."""
        return Follower(self, _core.subscribe_parameters(consumer, start, kinds, peers), state)

    def close(self) -> None:
        """Ends the connection. Threads that wait get Lost."""
        with self._lock:
            if self._current is not None:
                self._current.close()
                self._current = None

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, kind: Optional[Type[BaseException]], error: Optional[BaseException],
                 trace: Optional[TracebackType]) -> None:
        self.close()



