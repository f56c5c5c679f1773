"""Both forms against the real daemon, killed now and then."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
import unittest
from typing import List, Optional

import torchat
from daemons import LONG, Friends, eventually


class Calls(Friends):
    def test_calls_and_conversations(self) -> None:
        with torchat.Client(self.a.socket) as a, torchat.Client(self.b.port) as b:
            self.assertEqual((a.onion, b.onion), (self.onion_a, self.onion_b))
            self.assertIn("SEND", a.welcome["commands"])
            who = a.whoami()
            self.assertEqual((who["onion"], who["who"], who["carrier"]), (self.onion_a, "owner", "unix"))
            self.assertEqual((b.whoami()["carrier"], b.whoami()["rights"]), ("tcp", ["admin"]))
            self.assertEqual(a.send(self.onion_b, "one zwei \U0001f600 \x1b[31m", wait=LONG)["state"], "delivered")
            answers = [a.send(self.onion_b, "two", client_id="k") for _ in range(5)]
            self.assertEqual([answer["duplicate"] for answer in answers], [False, True, True, True, True])
            self.assertEqual(len({answer["mid"] for answer in answers}), 1)
            with self.assertRaises(torchat.Refused) as refused:
                a.send(self.onion_b, "three", client_id="k")
            self.assertEqual(refused.exception.code, "client-id-reused")
            eventually("both arrive", lambda: len(list(b.messages(self.onion_a))) == 2)
            texts = [message["text"] for message in b.messages(self.onion_a)]
            self.assertEqual(texts, ["one zwei \U0001f600 \x1b[31m", "two"])
            self.assertEqual(torchat.harmless(texts[0], one_line=True), "one zwei \U0001f600 \\u{1b}[31m")
            self.assertEqual([message["text"] for message in b.search("zw*")["messages"]], texts[:1])
            page = b.history(self.onion_a, limit=1)
            self.assertEqual(([message["text"] for message in page["messages"]], page["more"]), (["two"], True))
            self.assertEqual([c["unread"] for c in b.conversations() if c["contact"]["peer"] == self.onion_a], [2])
            self.assertEqual([contact["peer"] for contact in b.contacts()], [self.onion_a])
            # As in the shell: names are the user's, and a whole onion needs nobody's list.
            a.call("RENAME", peer=self.onion_b, name="Bob")
            for word in ("Bob", "bob", self.onion_b, self.onion_b[:4], self.onion_b[:-6]):
                self.assertEqual(a.peer(word), self.onion_b)
            for word, purpose in (("rob", "act"), ("Bob", "request"), ("Bob", "unblock"), ("x.onion", "read")):
                self.assertRaises(torchat.NoSuchPeer, a.peer, word, purpose)
            self.assertRaisesRegex(torchat.NoSuchPeer, 'did you mean "Bob"', a.peer, "bo")
            # Both sides see the same words; the mark is the user's.
            self.assertEqual(torchat.compare_words(a.onion, self.onion_b), torchat.compare_words(b.onion, self.onion_a))
            a.verify(self.onion_b)
            self.assertEqual([bool(contact.get("verified")) for contact in a.contacts()], [True])
            # What is counted is what goes, and nothing that comes later.
            found = a.erasable(self.onion_b)
            self.assertEqual((found["erasable"], found["kept"]), (2, 0))
            a.send(self.onion_b, "three", wait=LONG)
            self.assertEqual(a.erase(self.onion_b, upto=found["upto"]), {"erased": 2, "kept": 0})
            self.assertEqual([message["text"] for message in a.messages(self.onion_b)], ["three"])
            # Over the end of the daemon, with one call.
            self.b.kill()
            killed = threading.Thread(target=self.b.start)
            killed.start()
            with torchat.Client(self.b.socket) as again:
                self.assertFalse(again.send(self.onion_a, "back")["duplicate"])
            killed.join(LONG)

    def test_the_same_with_asyncio(self) -> None:
        async def talk() -> List[str]:
            async with torchat.aio.Client(self.a.port) as a, torchat.aio.Client(self.b.socket) as b:
                self.assertEqual((await a.onion(), await b.onion()), (self.onion_a, self.onion_b))
                self.assertEqual((await a.whoami())["carrier"], "tcp")
                poll = asyncio.ensure_future(b.call("EVENTS", after=(await b.welcome())["seq"], wait=30,
                                                    filter={"kinds": ["received"]}))
                await asyncio.gather(*(a.send(self.onion_b, f"{n}", wait=LONG) for n in range(20)))
                self.assertEqual((await poll)["events"][0]["event"], "received")
                self.assertEqual((await a.send(self.onion_b, "x", client_id="k"))["duplicate"], False)
                self.assertEqual((await a.send(self.onion_b, "x", client_id="k"))["duplicate"], True)
                self.assertEqual(len((await b.search("7"))["messages"]), 1)
                self.assertEqual([contact["peer"] for contact in await b.contacts()], [self.onion_a])
                self.assertEqual(len(await b.conversations()), 1)
                self.assertEqual(await b.peer(self.onion_a[:6], "read"), self.onion_a)
                self.assertEqual((await a.erasable(self.onion_b, before="2001-01-01T00:00:00Z"))["erasable"], 0)
                with self.assertRaises(torchat.NoSuchPeer):
                    await b.peer("nobody")
                return [message["text"] async for message in b.messages(self.onion_a)][:20]

        self.assertEqual(asyncio.run(talk()), [str(n) for n in range(20)])

    def test_messages_of_old_programs_come_until_they_are_taken(self) -> None:
        # The daemon whose peers are on loopback writes where its onion listens.
        with open(os.path.join(self.a.peers, self.onion_a), encoding="ascii") as file:
            port = int(file.read())
        with torchat.Client(self.a.socket) as a, a.follow(start="start", kinds=["legacy"]) as events:
            ids = []
            for text in ("one", "two", "three"):
                old = {"cmd": "RECV", "id": "aaaaaaaaaaaaaaaa.onion", "msg": text, "portno": 80}
                with socket.create_connection(("127.0.0.1", port)) as door:
                    door.sendall(json.dumps(old).encode())
                event = events.next(LONG)
                assert event is not None
                self.assertEqual(event["claims"], "aaaaaaaaaaaaaaaa.onion")
                ids.append(event["id"])
            for _ in range(2):
                rows = [(row["id"], row["text"], row["taken"]) for row in a.legacy()]
                self.assertEqual(rows, [(ids[0], "one", False), (ids[1], "two", False), (ids[2], "three", False)])
            self.assertEqual((a.take_legacy(ids[0]), a.take_legacy(ids[0])), (1, 0))
            self.assertEqual([row["text"] for row in a.legacy(limit=1)], ["two"])
            self.assertEqual([row["taken"] for row in a.legacy(untaken=False)], [True, False, False])
            self.assertEqual([row["text"] for row in a.legacy(after=ids[1])], ["three"])

        async def take() -> int:
            async with torchat.aio.Client(self.a.port) as same:
                rows = await same.legacy()
                return await same.take_legacy(rows[-1]["id"])

        self.assertEqual(asyncio.run(take()), 2)

    def test_a_token_gives_what_it_says_and_no_more(self) -> None:
        with torchat.Client(self.a.socket) as a:
            made = a.call("TOKEN", action="create", name="cron", rights=["send"], peers=[self.onion_b])
            for address in (self.a.socket, self.a.port):
                with torchat.Client(address, token=made["token"]) as cron:
                    self.assertEqual(cron.welcome["rights"], ["send"])
                    cron.send(self.onion_b, "a report", wait=LONG)
                    with self.assertRaises(torchat.Refused) as refused:
                        cron.history(self.onion_b)
                    self.assertEqual(refused.exception.code, "not-allowed")
                with self.assertRaises(torchat.Refused) as refused:
                    torchat.Client(address, token="torchat-token:cron:" + "a" * 52).call("STATUS")
                self.assertEqual(refused.exception.code, "not-authenticated")

            async def same() -> List[str]:
                async with torchat.aio.Client(self.a.port, token=made["token"]) as cron:
                    return (await cron.welcome())["rights"]

            self.assertEqual(asyncio.run(same()), ["send"])


class Events(Friends):
    MESSAGES = 60

    def send_all(self, half: Optional[threading.Event] = None) -> None:
        with torchat.Client(self.a.socket) as a:
            for n in range(self.MESSAGES):
                if half and n == 40:
                    half.wait(LONG)
                a.send(self.onion_b, str(n))

    def test_a_follower_loses_nothing_and_repeats_nothing_over_kills(self) -> None:
        found: List[str] = []
        kill_at, died = 10, False
        client = torchat.Client(self.b.socket)
        self.addCleanup(client.close)
        follower = client.follow(consumer="bot", kinds=["received"])
        self.assertIsNone(follower.next(0))
        half = threading.Event()
        sender = threading.Thread(target=self.send_all, args=(half,))
        sender.start()
        while len(found) < self.MESSAGES:
            event = follower.next(LONG)
            assert event, "nothing came for a long time"
            found.append(event["message"]["text"])
            if len(found) % 3 == 0:
                follower.ack()
            if len(found) >= kill_at:
                kill_at += 20
                self.b.kill()
                self.b.start()
            if len(found) >= 35 and not died:
                died = True
                while not follower.ack():
                    # The daemon is not back yet. It is looked for again while we wait.
                    found += [event["message"]["text"] for event in [follower.next(0.01)] if event]
                half.set()
                # The program dies. What it had not acknowledged comes again, and nothing else.
                self.assertIsNotNone(follower.next(LONG))
                follower.close()
                client.close()
                client = torchat.Client(self.b.socket)
                self.addCleanup(client.close)
                follower = client.follow(consumer="bot", kinds=["received"])
        self.assertEqual(found, [str(n) for n in range(self.MESSAGES)])
        self.assertTrue(died)
        sender.join(LONG)
        follower.close()

    def test_the_same_with_asyncio(self) -> None:
        async def follow() -> List[str]:
            found: List[str] = []
            async with torchat.aio.Client(self.b.socket) as client:
                async with client.follow(consumer="bot", kinds=["received"]) as events:
                    self.assertIsNone(await events.next(0))
                    loop = asyncio.get_running_loop()
                    sending = loop.run_in_executor(None, self.send_all)
                    async for event in events:
                        found.append(event["message"]["text"])
                        await events.ack()
                        if len(found) == 20:
                            self.b.kill()
                            await loop.run_in_executor(None, self.b.start)
                        if len(found) == self.MESSAGES:
                            break
                    await sending
            return found

        self.assertEqual(asyncio.run(follow()), [str(n) for n in range(self.MESSAGES)])

    def test_another_program_with_the_same_name_takes_over(self) -> None:
        with torchat.Client(self.b.socket) as one, torchat.Client(self.b.socket) as other:
            # Of a kind that does not come here: the two may still be linking.
            first = one.follow(consumer="bot", kinds=["failed"])
            self.assertIsNone(first.next(0))
            self.assertIsNone(other.follow(consumer="bot", kinds=["failed"]).next(0))
            with self.assertRaises(torchat.Refused) as refused:
                first.next(LONG)
            self.assertEqual(refused.exception.code, "taken-over")


if __name__ == "__main__":
    unittest.main()
