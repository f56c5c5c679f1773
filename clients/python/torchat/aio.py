"""The asyncio form: as `torchat.Client`, awaited.

    async with torchat.aio.Client() as daemon:
        async with daemon.follow(consumer="bot1", kinds=["received"]) as events:
            async for event in events:
                await daemon.send(event["message"]["peer"], "thanks")
                await events.ack()

One event loop uses a client; within it any number of tasks.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any, AsyncIterator, Callable, Dict, List, Optional, Tuple, Union

from . import _core, _owner, names
from ._core import Address, Answer, Error, Item, Route, Token, Wire
from ._aio_rooms import RoomCalls
from ._follow import Attempts, Deadline, Following, Receiving, State
from ._types import (
    Contact, Conversation, Event, Json, Message, MessagesAnswer, OldMessage, SendAnswer, Start, Welcome, WhoAmI,
)


class Link:
    """One connection, and the task that reads it."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._wire, self._reader, self._writer = Wire(), reader, writer
        self._task = asyncio.ensure_future(self._read())

    @staticmethod
    async def open(address: Address, name: str, token: Optional[Token], timeout: float) -> "Link":
        limit = _core.LINE_BYTES
        patience = _core.seconds(timeout)
        try:
            if address.path is not None:
                opening = asyncio.open_unix_connection(address.path, limit=limit)
            else:
                opening = asyncio.open_connection(address.host, address.port, limit=limit)
            link = Link(*await asyncio.wait_for(opening, patience))
        except OSError as error:
            raise _core.connect_failed(address, error) from None
        except asyncio.TimeoutError:
            raise _core.connect_failed(address, OSError("it does not answer")) from None
        try:
            steps = _core.handshake(address, name, token)
            asked = next(steps)
            while True:
                asked = steps.send(await link.call(*asked, timeout))
        except StopIteration as end:
            link.welcome = end.value
        except BaseException:
            link.close()
            raise
        # A token has shown already who is there. The system's table may take some milliseconds.
        if address.path is None and token is None:
            connection = link._writer.get_extra_info("socket")
            try:
                await asyncio.get_running_loop().run_in_executor(None, _owner.check, connection, address)
            except BaseException:
                link.close()
                raise
        return link

    welcome: Welcome

    @property
    def is_lost(self) -> bool:
        return self._wire.cause is not None

    async def _read(self) -> None:
        cause: Error = _core.lost("torchatd closed it")
        try:
            while True:
                line = await self._reader.readline()
                if not line.endswith(b"\n"):
                    break
                self._wire.feed(line)
        except Error as error:
            cause = error
        except (OSError, ValueError) as error:
            cause = _core.lost(str(error))
        self._lose(cause)

    def _lose(self, cause: Error) -> None:
        self._wire.lose(cause)
        self._writer.close()

    def close(self) -> None:
        self._lose(_core.lost("this program closed it"))
        self._task.cancel()

    async def ask(self, cmd: str, parameters: Json, timeout: Optional[float],
                  route: Optional[Route] = None) -> Tuple[int, Json]:
        """Asks and waits. Returns the request's number too."""
        future: "asyncio.Future[Answer]" = asyncio.get_running_loop().create_future()
        timeout = _core.seconds(timeout)

        def answered(answer: Answer) -> None:
            if not future.done():
                future.set_result(answer)

        reference, line = self._wire.request(cmd, parameters, answered, route)
        try:
            self._writer.write(line)
            answer = await asyncio.wait_for(self._exchange(future), timeout)
        except asyncio.TimeoutError:
            raise _core.no_answer(cmd, timeout) from None
        finally:
            self._wire.forget(reference)
        if isinstance(answer, Error):
            if route:
                self._wire.unsubscribe(reference)
            raise answer
        return reference, answer

    async def _exchange(self, future: "asyncio.Future[Answer]") -> Answer:
        try:
            await self._writer.drain()
        except OSError as error:
            self._lose(_core.lost(f"it takes no requests: {error}"))
        return await future

    async def call(self, cmd: str, parameters: Json, timeout: Optional[float]) -> Json:
        return (await self.ask(cmd, parameters, timeout))[1]

    def tell(self, cmd: str, parameters: Json) -> None:
        """Asks, and wants no answer."""
        try:
            self._writer.write(self._wire.request(cmd, parameters, lambda _answer: None)[1])
        except (Error, OSError):
            # The connection is lost, which its readers are told.
            pass

    async def unsubscribe(self, reference: int) -> None:
        self._wire.unsubscribe(reference)
        try:
            await self.call("UNSUBSCRIBE", {"sub": reference}, 5)
        except Error:
            # It has ended by itself, or the connection has.
            pass


class Subscription(Receiving):
    """The events of one connection. Ends with the connection: see `Client.follow`."""

    def __init__(self, link: Link, parameters: Json, timeout: float,
                 skipped: Optional[Callable[[int], None]] = None) -> None:
        super().__init__(parameters, skipped)
        self._link, self._timeout = link, timeout
        self._items: "asyncio.Queue[Tuple[Item, int]]" = asyncio.Queue()

    async def begin(self) -> "Subscription":
        self._route = Route(self._items.put_nowait)
        self._reference, answer = await self._link.ask("SUBSCRIBE", self._parameters, self._timeout, self._route)
        self.position = answer["after"]
        return self

    async def next(self, timeout: Optional[float] = None) -> Optional[Event]:
        """The next event; None: there was none in that time, or it was closed. Raises how it ended."""
        deadline = Deadline(timeout)
        while not self._closed:
            if self._end:
                raise self._end
            try:
                item, size = self._items.get_nowait()
            except asyncio.QueueEmpty:
                try:
                    left = deadline.left()
                    item, size = await asyncio.wait_for(self._items.get(), left)
                except asyncio.TimeoutError:
                    return None
            found = self._take(item, size)
            if found is True:
                await self._link.unsubscribe(self._reference)
                await self.begin()
            elif isinstance(found, dict):
                return found
        return None

    async def close(self) -> None:
        """Ends it, also for another task that waits in it."""
        if not self._closed:
            self._closed = True
            self._items.put_nowait((None, 0))
            if self._end is None:
                await self._link.unsubscribe(self._reference)

    async def __aiter__(self) -> AsyncIterator[Event]:
        while not self._closed:
            event = await self.next()
            if event is not None:
                yield event

    async def __aenter__(self) -> "Subscription":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class Follower(Following):
    """Events for as long as a program lives: see `torchat.Follower`."""

    def __init__(self, client: "Client", parameters: Json, state: Optional[State]) -> None:
        super().__init__(parameters, state)
        self._client = client
        self._subscription: Optional[Subscription] = None
        self._link: Optional[Link] = None
        self._closing = False
        self._closed: Optional["asyncio.Event"] = None

    async def next(self, timeout: Optional[float] = None) -> Optional[Event]:
        """The next event; None: there was none in that time, or it was closed. Raises only what does not pass."""
        # Not before: in Python 3.9 an event belongs to the loop that runs when it is made.
        self._closed = self._closed or asyncio.Event()
        deadline = Deadline(timeout)
        while not self._closing:
            left = deadline.left()
            try:
                if self._subscription is None:
                    wait = self._pause()
                    if wait > 0:
                        if left == 0:
                            return None
                        try:
                            await asyncio.wait_for(self._closed.wait(), deadline.left(wait))
                        except asyncio.TimeoutError:
                            pass
                        continue
                    await self._connect()
                assert self._subscription is not None
                event = await self._subscription.next(left)
            except Error as error:
                self._failed(error)
                continue
            if event is not None:
                self._place.took(event["seq"])
            return event
        return None

    async def _connect(self) -> None:
        self._link = await self._client._link()
        parameters, _ = self._place.begin(self._link.welcome)
        self._subscription = await Subscription(self._link, parameters, self._client.timeout, self._skipped).begin()
        self._place.begun(self._link.welcome, self._subscription.position)
        if self._is_owing():
            await self._acknowledge()
        self._state("connected", None)

    async def ack(self, seq: Optional[int] = None) -> bool:
        """Acknowledges every event that was handed out, or those up to `seq`. True: it is durable. False: the daemon is
        away; it will be told when it is back. Without a consumer it does nothing."""
        if not self._owe(seq):
            return True
        try:
            await self._acknowledge()
        except Error as error:
            if not error.passing:
                raise
            return False
        return True

    async def _acknowledge(self) -> None:
        due = self._owed()
        assert self._link is not None
        await self._link.call("ACK", due, self._client.timeout)
        self._place.acknowledged = due["seq"]

    async def close(self) -> None:
        """Ends it, also for another task that waits in it."""
        self._closing = True
        if self._closed is not None:
            self._closed.set()
        if self._subscription is not None:
            await self._subscription.close()

    async def __aiter__(self) -> AsyncIterator[Event]:
        while not self._closing:
            event = await self.next()
            if event is not None:
                yield event

    async def __aenter__(self) -> "Follower":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class Client(RoomCalls):
    """A daemon: see `torchat.Client`."""

    def __init__(self, address: Optional[str] = None, *, token: Union[None, str, Token] = None,
                 name: str = "torchat.py", timeout: float = 30.0) -> None:
        self._address, self._token, self._name, self.timeout = address, _core.argument_token(token), name, timeout
        self._current: Optional[Link] = None
        self._opening: Optional["asyncio.Lock"] = None

    async def _link(self) -> Link:
        self._opening = self._opening or asyncio.Lock()
        async with self._opening:
            if self._current is None or self._current.is_lost:
                if self._current is not None:
                    self._current.close()
                self._current = await Link.open(_core.find(self._address), self._name, self._token, self.timeout)
            return self._current

    async def welcome(self) -> Welcome:
        """What the daemon says of itself and of what this program may do."""
        return (await self._link()).welcome

    async def onion(self) -> str:
        """The daemon's own onion."""
        return (await self.welcome())["onion"]

    async def call(self, cmd: str, *, answer_within: Optional[float] = None, **parameters: Any) -> Json:
        """Any command: see `torchat.Client.call`."""
        link = await self._link()
        return await link.call(cmd, parameters, self.timeout if answer_within is None else answer_within)

    async def whoami(self) -> WhoAmI:
        """Who the daemon takes this program for: see `torchat.Client.whoami`."""
        answer: Any = await self.call("WHOAMI")
        return answer  # type: ignore[no-any-return]

    async def send(self, peer: str, text: str, *, client_id: Optional[str] = None, wait: Optional[float] = None,
                   expire: Optional[int] = None, re: Optional[int] = None, to: Optional[List[int]] = None) -> SendAnswer:
        """Sends a text, once: see `torchat.Client.send`."""
        parameters = _core.send_parameters(peer, text, client_id, wait, expire, re, to)
        attempts = Attempts(self.timeout)
        while True:
            try:
                answer: Any = await (await self._link()).call("SEND", parameters, self.timeout + (wait or 0))
                return answer  # type: ignore[no-any-return]
            except Error as error:
                delay = attempts.after(error)
            # Between two attempts there is nothing to wait for but time.
            await asyncio.sleep(delay)

    async def history(self, peer: str, *, before: Optional[int] = None, after: Optional[int] = None,
                      limit: Optional[int] = None) -> MessagesAnswer:
        """A page of a conversation, oldest first: the last one, or that before or after a message's `id`."""
        answer: Any = await self.call("HISTORY", **_core.page_parameters(peer, before, after, limit))
        return answer  # type: ignore[no-any-return]

    async def messages(self, peer: str) -> AsyncIterator[Message]:
        """A whole conversation, oldest first, page by page."""
        after, more = 0, True
        while more:
            page = await self.history(peer, after=after, limit=1000)
            for message in page["messages"]:
                yield message
            more = page["more"] and bool(page["messages"])
            after = page["messages"][-1]["id"] if more else after

    async def search(self, text: str, *, peer: Optional[str] = None, before: Optional[int] = None,
                     limit: Optional[int] = None) -> MessagesAnswer:
        """Messages with all these words, newest first."""
        answer: Any = await self.call("SEARCH", text=text, peer=peer, before=before, limit=limit)
        return answer  # type: ignore[no-any-return]

    async def legacy(self, *, after: Optional[int] = None, limit: Optional[int] = None,
                     untaken: bool = True) -> List[OldMessage]:
        """What old TORchat programs brought: see `torchat.Client.legacy`."""
        answer = await self.call("LEGACY", after=after, limit=limit, untaken=untaken)
        messages: List[OldMessage] = answer["messages"]
        return messages

    async def take_legacy(self, upto: int) -> int:
        """Takes messages of old programs: see `torchat.Client.take_legacy`."""
        taken: int = (await self.call("LEGACY_TAKE", upto=upto))["taken"]
        return taken

    async def erase(self, peer: str, *, before: Optional[str] = None, upto: Optional[int] = None) -> Dict[str, int]:
        """Erases a conversation: see `torchat.Client.erase`."""
        return dict(await self.call("ERASE", peer=peer, before=before, upto=upto))

    async def erasable(self, peer: str, *, before: Optional[str] = None, upto: Optional[int] = None) -> Dict[str, int]:
        """Counts what `erase` would erase: see `torchat.Client.erasable`."""
        return dict(await self.call("ERASE_COUNT", peer=peer, before=before, upto=upto))

    async def retain(self, peer: str, days: Optional[int]) -> None:
        """Erases what is older: see `torchat.Client.retain`."""
        await self.call("RETAIN", peer=peer, days=days)

    async def verify(self, peer: str, verified: bool = True) -> None:
        """Marks a key as compared: see `torchat.Client.verify`."""
        await self.call("VERIFY", peer=peer, verified=verified)

    async def contacts(self) -> List[Contact]:
        """Contacts and blocked peers: all of them, page after page."""
        contacts: List[Contact] = []
        more = True
        while more:
            page = await self.call("CONTACTS", after=contacts[-1]["peer"] if contacts else None)
            contacts += page["contacts"]
            more = bool(page["contacts"]) and page.get("more", False)
        return contacts

    async def conversations(self) -> List[Conversation]:
        """Conversations with their unread counts and last messages: all of them, page after page. One that gets a message
        meanwhile may be missing from the later pages; its event tells of it."""
        conversations: List[Conversation] = []
        more = True
        while more:
            page = await self.call("CONVERSATIONS", **_core.conversations_after(conversations))
            conversations += page["conversations"]
            more = bool(page["conversations"]) and page.get("more", False)
        return conversations

    async def peer(self, word: str, purpose: str = "act") -> str:
        """The onion of the peer that a word means: see `torchat.Client.peer`."""
        async def requests() -> Any:
            return (await self.call("REQUESTS"))["requests"]

        look: Dict[str, Callable[[], Any]] = {
            "contacts": self.contacts, "conversations": self.conversations, "requests": requests,
        }
        steps = names.find(word, purpose)
        try:
            wanted = next(steps)
            while True:
                wanted = steps.send(await look[wanted]())
        except StopIteration as end:
            found: str = end.value
            return found

    async def subscribe(self, *, consumer: Optional[str] = None, start: Optional[Start] = None,
                        kinds: Optional[List[str]] = None, peers: Optional[List[str]] = None) -> Subscription:
        """The events of this connection only. Most programs want `follow`."""
        parameters = _core.subscribe_parameters(consumer, start, kinds, peers)
        return await Subscription(await self._link(), parameters, self.timeout).begin()

    def follow(self, *, consumer: Optional[str] = None, start: Optional[Start] = None,
               kinds: Optional[List[str]] = None, peers: Optional[List[str]] = None,
               state: Optional[State] = None) -> Follower:
        """Events over restarts: see `torchat.Client.follow`."""
        return Follower(self, _core.subscribe_parameters(consumer, start, kinds, peers), state)

    async def close(self) -> None:
        """Ends the connection. Threads that wait get Lost."""
        if self._current is not None:
            self._current.close()
            self._current = None

    async def __aenter__(self) -> "Client":
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()
