"""What the plain and the asyncio form share and what waits for nothing: when to try again, what is owed, what an item means."""

from __future__ import annotations

import time
from typing import Any, Callable, Optional, Union

from ._core import RETRY_MAX, RETRY_MIN, Error, Item, Place, Route, TimedOut, lost, seconds
from ._types import Event, Json

State = Callable[[str, Optional[Error]], None]


class Attempts:
    """How often a SEND is tried: until the time is up, if the error passes by itself."""

    def __init__(self, tries: float) -> None:
        self._deadline, self._delay = time.monotonic() + tries, RETRY_MIN

    def after(self, error: Error) -> float:
        """How long to wait before the next one; raises the error if there is none."""
        delay = self._delay
        if not error.passing or isinstance(error, TimedOut) or time.monotonic() + delay > self._deadline:
            raise error
        self._delay = min(delay * 2, RETRY_MAX)
        return delay


class Deadline:
    """The time that a caller gives."""

    def __init__(self, timeout: Optional[float]) -> None:
        limit = seconds(timeout)
        self._end = None if limit is None else time.monotonic() + limit

    def left(self, most: Optional[float] = None) -> Optional[float]:
        """What is left of it, at most this much; None: forever."""
        left = None if self._end is None else max(0.0, self._end - time.monotonic())
        return left if most is None else most if left is None else min(most, left)


class Receiving:
    """How far a subscription is. `position`: up to here every event that passes the filter was handed out; moves on without
    events too."""

    _route: Route

    def __init__(self, parameters: Json, skipped: Optional[Callable[[int], None]]) -> None:
        self._parameters, self._skipped = parameters, skipped
        self._end: Optional[Error] = None
        self._closed = False
        self.position = 0

    def _take(self, item: Item, size: int) -> Union[Event, bool, None]:
        """An event to hand out; True: subscribe again, because more came than was taken; None: there is nothing."""
        self._route.queued -= size
        if isinstance(item, Error):
            self._end = item
        elif item is True:
            # The rest is in the daemon's log.
            self._parameters = {**self._parameters, "from": self.position}
            return True
        elif isinstance(item, dict):
            self.position = item["seq"]
            return item
        elif item is not None:
            self.position = item
            if self._skipped:
                self._skipped(item)
        return None


class Following:
    """How far a follower is, over all its connections, and when it tries the next one."""

    _subscription: Any
    _link: Any

    def __init__(self, parameters: Json, state: Optional[State]) -> None:
        self._place, self._state = Place(parameters), state or (lambda _state, _error: None)
        self._subscription = self._link = None
        self._retry_at = 0.0

    def _pause(self) -> float:
        """How long to wait before the next connection."""
        return max(0.0, self._retry_at - time.monotonic())

    def _skipped(self, seq: int) -> None:
        parameters = self._place.skipped(seq)
        if parameters and self._link is not None:
            self._link.tell("ACK", parameters)

    def _failed(self, error: Error) -> None:
        self._subscription = None
        try:
            self._retry_at = time.monotonic() + self._place.failed(error)
        except Error:
            self._state("refused", error)
            raise
        self._state("gone", error)

    def _owe(self, seq: Optional[int]) -> bool:
        """Notes what the user acknowledges. False: the daemon knows it, or there is no consumer."""
        if self._place.consumer is None:
            return False
        self._place.owed = max(self._place.owed, self._place.seq if seq is None else seq)
        return self._is_owing()

    def _is_owing(self) -> bool:
        return self._place.owed > self._place.acknowledged

    def _owed(self) -> Json:
        """The parameters of the ACK that is due; raises Lost while the daemon is away."""
        if self._link is None:
            raise lost("torchatd is away")
        return {"consumer": self._place.consumer, "seq": self._place.owed}
