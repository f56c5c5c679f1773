"""What a client asks about rooms. What is said in them are conversations: `send`, `history`, `search`, `follow` take a room's
id where a peer's onion stands. What has no method here, `call` asks."""

from __future__ import annotations

from typing import Any, List, Optional

from ._types import Json, Member, Petition, Room


class RoomCalls:
    """A part of `torchat.Client`."""

    def call(self, cmd: str, *, answer_within: Optional[float] = None, **parameters: Any) -> Json:
        raise NotImplementedError

    def rooms(self) -> List[Room]:
        """The rooms that the user is in, wants to be in, or was in."""
        rooms: List[Room] = (self.call("ROOMS"))["rooms"]
        return rooms

    def room(self, peer: str) -> Room:
        """A room, by its id."""
        room: Room = (self.call("ROOM", peer=peer))["room"]
        return room

    def members(self, peer: str) -> List[Member]:
        """The members of a room by their numbers, those who left or were removed included: all of them, page after page."""
        members: List[Member] = []
        more = True
        while more:
            page = self.call("ROOM_MEMBERS", peer=peer, after=members[-1]["no"] if members else None)
            members += page["members"]
            more = bool(page["members"]) and page.get("more", False)
        return members

    def room_new(self, name: str, *, topic: str = "", policy: Optional[Json] = None, nick: Optional[str] = None,
                 client_id: Optional[str] = None) -> Room:
        """Makes a room, whose owner the user is. The same `client_id` again is the same room."""
        answer = self.call("ROOM_NEW", name=name, topic=topic, policy=policy or {}, nick=nick, client_id=client_id)
        room: Room = answer["room"]
        return room

    def room_join(self, invite: str, *, text: str = "", want: Optional[int] = None, nick: Optional[str] = None,
                  client_id: Optional[str] = None) -> Room:
        """Asks to become a member of a room. The event `room` tells when the user is one. The same `client_id` again is the same
        room."""
        answer = self.call("ROOM_JOIN", invite=invite, text=text, want=want, nick=nick, client_id=client_id)
        room: Room = answer["room"]
        return room

    def room_leave(self, peer: str) -> None:
        """Leaves a room. Its history stays."""
        self.call("ROOM_LEAVE", peer=peer)

    def room_invite(self, peer: str, *, role: Optional[str] = None, uses: Optional[int] = None,
                    hours: Optional[int] = None, whom: Optional[str] = None, send: bool = False,
                    note: Optional[str] = None) -> str:
        """Makes an invite to a room of the user's, good for `uses` members (1; 0: without end) and some `hours` (168). With `whom` only
        this onion can use it, and with `send` the daemon sends it there. The daemon shows it once."""
        parameters: Json = {"role": role, "uses": uses, "hours": hours, "for": whom, "send": send, "note": note}
        invite: str = (self.call("ROOM_INVITE", peer=peer, **parameters))["invite"]
        return invite

    def petitions(self, peer: Optional[str] = None) -> List[Petition]:
        """Who asks to become a member of a room of the user's, or of any of them. Oldest first."""
        petitions: List[Petition] = (self.call("ROOM_PETITIONS", peer=peer))["petitions"]
        return petitions

    def admit(self, peer: str, onion: str, *, role: Optional[str] = None, timeout: Optional[int] = None) -> None:
        """Makes somebody who asks a member. Waits until another member is online, if there is one: for `timeout` seconds (120), and
        raises Refused with the code `decision-waits` then. The decision waits in the daemon; do not repeat it."""
        self.call("ROOM_ADMIT", peer=peer, petition=onion, yes=True, role=role, timeout=timeout)

    def edit(self, peer: str, id: int, text: str) -> None:
        """Changes the text of a message of the user's in a room."""
        self.call("EDIT", peer=peer, id=id, text=text)

    def react(self, peer: str, id: int, sign: str) -> None:
        """Reacts to a message of a room with a sign. An empty one takes the reaction back."""
        self.call("REACT", peer=peer, id=id, sign=sign)

    def redact(self, peer: str, id: int, why: Optional[str] = None) -> None:
        """Takes the text of a message in a room away, at all members: of one of the user's, or as a moderator."""
        self.call("REDACT", peer=peer, id=id, why=why)

    def mute(self, peer: str, member: int, why: Optional[str] = None) -> None:
        """Hides what a member of a room says from now on, as a moderator."""
        self.call("ROOM_MUTE", peer=peer, member=member, why=why)

    def unmute(self, peer: str, member: int) -> None:
        """Ends all mutes of a member."""
        self.call("ROOM_UNMUTE", peer=peer, member=member)
