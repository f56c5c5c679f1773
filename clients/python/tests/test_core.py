"""What needs no daemon."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import socket
import subprocess
import sys
import tempfile
import threading
import unittest
from typing import Any, Callable, Dict, List, Optional
from unittest import mock

import torchat
from torchat import _core, _owner
from torchat._words import WORDS

ONION = "2gzyxa5ihm7nsggfxnu52rck2vv4rvmdlkiu3zzui5du4xyclen53wid.onion"
WELCOME = {"api": 1, "server": "fake", "onion": ONION, "rights": ["admin"], "commands": [], "seq": 0, "oldest": 1,
           "limits": {}}
TOKEN = "torchat-token:cron:" + "a" * 52


class Codes(unittest.TestCase):
    def test_they_are_those_of_the_schema(self) -> None:
        top = os.path.join(os.path.dirname(__file__), "..", "..", "..")
        with open(os.path.join(top, "docs", "control-api.schema.json"), encoding="utf-8") as file:
            schema = json.load(file)["codes"]
        self.assertEqual(sorted(schema), sorted(torchat.codes.CODES))
        for code, info in torchat.codes.CODES.items():
            of = schema[code]
            self.assertEqual((of["source"], of["fault"], of["again"], of["meaning"], of["hint"], sorted(of["params"])),
                             (info.source, info.fault, info.again, info.meaning, info.hint, sorted(info.params)))

    def test_a_refusal_has_its_parameters_and_those_of_a_later_daemon_are_taken(self) -> None:
        refused = torchat.Refused({"code": "too-long", "message": "no", "params": {"limit": 5}})
        self.assertEqual((refused.params, refused.passing), ({"limit": 5}, False))
        self.assertFalse(torchat.Refused({"code": "of-tomorrow", "message": "no"}).passing)
        self.assertTrue(torchat.Refused({"code": "storage-locked", "message": "no"}).passing)

    def test_the_next_page_of_conversations_begins_behind_the_last(self) -> None:
        with_message: Any = {"contact": {"peer": ONION}, "last": {"id": 7}}
        without: Any = {"contact": {"peer": ONION}}
        after = _core.conversations_after
        self.assertEqual((after([]), after([with_message]), after([without])), ({}, {"before": 7}, {"after": ONION}))


class Talk:
    """The daemon's end of one connection."""

    def __init__(self, stream: socket.socket) -> None:
        self.stream, self._lines = stream, stream.makefile("rb")

    def hear(self) -> Dict[str, Any]:
        line = self._lines.readline()
        return json.loads(line) if line else {}

    def say(self, **what: Any) -> None:
        self.stream.sendall(json.dumps(what).encode() + b"\n")

    def welcome(self, seq: int = 0) -> None:
        self.say(ref=self.hear()["ref"], ok={**WELCOME, "seq": seq})

    def event(self, sub: Any, seq: int) -> None:
        self.say(sub=sub, event={"seq": seq, "at": "", "event": "link", "peer": ONION, "up": True})


class Fake:
    """Runs a script for each connection, one after the other."""

    def __init__(self, test: unittest.TestCase, *scripts: Callable[[Talk], None]) -> None:
        directory = tempfile.TemporaryDirectory()
        test.addCleanup(directory.cleanup)
        self.path = os.path.join(directory.name, "s")
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(self.path)
        self._listener.listen()
        self.failures: List[BaseException] = []
        self._thread = threading.Thread(target=self._run, args=(scripts,))
        self._thread.start()
        test.addCleanup(self._end, test)

    def _run(self, scripts: Any) -> None:
        for script in scripts:
            talk = Talk(self._listener.accept()[0])
            try:
                script(talk)
            except BaseException as error:
                self.failures.append(error)
            talk.stream.shutdown(socket.SHUT_RDWR)
            talk.stream.close()
        self._listener.close()

    def _end(self, test: unittest.TestCase) -> None:
        self._thread.join(30)
        test.assertEqual(self.failures, [])


class CommandLine(unittest.TestCase):
    def test_a_reader_that_has_had_enough_is_no_error(self) -> None:
        def answers(talk: Talk) -> None:
            talk.welcome()
            talk.say(ref=talk.hear()["ref"], ok={"sentence": "x" * 100_000})
            talk.hear()

        environment = {**os.environ, "PYTHONPATH": os.path.join(os.path.dirname(__file__), ".."),
                       "TORCHAT_SOCKET": Fake(self, answers).path}
        program = subprocess.Popen([sys.executable, "-m", "torchat", "STATUS"], env=environment,
                                   stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        assert program.stdout is not None
        # As `| head -c 9` does: the rest is more than a pipe holds.
        self.assertEqual(program.stdout.read(9), b'{"sentenc')
        program.stdout.close()
        _, said = program.communicate(timeout=60)
        self.assertEqual((program.returncode, said), (0, b""))


class Discovery(unittest.TestCase):
    def test_what_users_type(self) -> None:
        for text, address in (
            ("8000", _core.Address(port=8000)),
            ("localhost:8000", _core.Address(port=8000)),
            ("[::1]:8000", _core.Address(host="::1", port=8000)),
            ("./8000", _core.Address(path="./8000")),
        ):
            self.assertEqual(_core.parse(text), address)
        self.assertEqual(_core.parse("[::1]:80").proof_name(), "[::1]:80")
        for wrong in ("", "0", "70000", "192.168.1.2:80", "999.1.1.1:80"):
            self.assertRaises(torchat.NotFound, _core.parse, wrong)

    def test_the_environment_and_the_data_directory(self) -> None:
        with tempfile.TemporaryDirectory() as home:
            data = os.path.join(home, ".local", "share", "torchatd")
            os.makedirs(data)
            with mock.patch.dict(os.environ, {"HOME": home, "XDG_DATA_HOME": "relative", "TORCHAT_SOCKET": ""}):
                with self.assertRaisesRegex(torchat.NotFound, "torchatd -d"):
                    torchat.find()
                with open(os.path.join(data, "port"), "w") as file:
                    file.write("4321\n")
                self.assertEqual(torchat.find(), _core.Address(port=4321))
                open(os.path.join(data, "control.sock"), "w").close()
                self.assertEqual(torchat.find().path, os.path.join(data, "control.sock"))
                with mock.patch.dict(os.environ, {"TORCHAT_SOCKET": "/x"}):
                    self.assertEqual(torchat.find().path, "/x")
                    self.assertEqual(torchat.find("1234").port, 1234)


    def test_the_directory_is_that_of_the_table_which_the_daemon_is_tested_with_too(self) -> None:
        with open(os.path.join(os.path.dirname(__file__), "..", "..", "core", "golden", "places.json")) as file:
            rows = json.load(file)
        self.assertGreaterEqual(len(rows), 17)
        for row in rows:
            found = _core.data_directory(row["data_home"], row["home"], lambda: row["entry"])
            self.assertEqual(found, row["directory"], row["about"])

    def test_a_name_means_who_it_means_in_the_shell(self) -> None:
        with open(os.path.join(os.path.dirname(__file__), "..", "..", "core", "golden", "names.json")) as file:
            rows = json.load(file)
        self.assertGreaterEqual(len(rows), 20)
        for row in rows:
            known = [torchat.names.Known(peer["peer"], peer.get("name"), peer["standing"]) for peer in row["known"]]
            found: Dict[str, Optional[str]] = {"peer": None, "error": None}
            try:
                found["peer"] = torchat.names.resolve(row["word"], known, row["purpose"])
            except torchat.NoSuchPeer as error:
                found["error"] = str(error)
            self.assertEqual(found, {"peer": row.get("peer"), "error": row.get("error")}, row["why"])

    def test_compare_words_are_those_of_the_other_clients(self) -> None:
        top = os.path.join(os.path.dirname(__file__), "..", "..", "..")
        with open(os.path.join(top, "docs", "vectors", "compare.json"), encoding="utf-8") as file:
            vectors = json.load(file)
        listed = "".join(word + "\n" for word in WORDS)
        self.assertEqual(hashlib.sha256(listed.encode()).hexdigest(), vectors["list"])
        self.assertGreaterEqual(len(vectors["pairs"]), 2)
        for pair in vectors["pairs"]:
            one, other = pair["a"], pair["b"]
            self.assertEqual(torchat.compare_words(one, other), pair["words"])
            self.assertEqual(torchat.compare_words(other + ".onion", one), pair["words"], "the other side")
        for wrong in ("bob", "", ONION.replace("2", "3", 1), ONION[:20]):
            self.assertRaises(torchat.NoSuchPeer, torchat.compare_words, wrong, ONION)

    def test_without_a_home_it_says_so_and_a_port_is_a_number(self) -> None:
        with mock.patch.dict(os.environ, {"HOME": "relative", "XDG_DATA_HOME": "", "TORCHAT_SOCKET": ""}):
            with self.assertRaisesRegex(torchat.NotFound, "HOME must be"):
                torchat.find()
        with tempfile.TemporaryDirectory() as data:
            os.mkdir(os.path.join(data, "torchatd"))
            with mock.patch.dict(os.environ, {"XDG_DATA_HOME": data, "TORCHAT_SOCKET": ""}):
                for wrong in ("", "0", "70000", "../x", "8000 x"):
                    with open(os.path.join(data, "torchatd", "port"), "w") as file:
                        file.write(wrong)
                    self.assertRaises(torchat.NotFound, torchat.find)


# What JSON, or Python's notion of it, takes, and the daemon does not.
NO_REQUESTS: List[Dict[str, Any]] = [
    {"wait": float("inf")}, {"wait": float("nan")}, {"wait": -float("inf")}, {"after": 2**63}, {"after": 2**53},
    {"after": -2**53}, {"after": [{"x": 2**64}]}, {"text": "half \ud83d"}, {"text": "\udcff"}, {"x": {"\ud800": 1}},
    {"x": {1: 2}}, {"x": {None: 2}}, {"x": b"bytes"}, {"x": {1, 2}}, {"x": object()}, {"x": [[[[[[[[]]]]]]]]},
    {"x": {str(n): n for n in range(65)}}, {str(n): n for n in range(64)}, {"text": "x" * 2**20},
]


class BadCalls(unittest.TestCase):
    """One bad call ends nothing that others share."""

    def script(self, talk: Talk) -> None:
        talk.welcome()
        subscribe = talk.hear()
        talk.say(ref=subscribe["ref"], ok={"after": 0, "last": 0})
        # Nothing of the bad calls came.
        request = talk.hear()
        self.assertEqual(request["cmd"], "HOST")
        talk.say(ref=request["ref"], ok={})
        talk.event(subscribe["ref"], 1)
        talk.say(ref=talk.hear()["ref"], ok={})

    def test_what_is_no_request_is_refused_here_and_the_connection_lives(self) -> None:
        deep: List[Any] = []
        deep.append(deep)
        fake = Fake(self, self.script, self.script)
        with torchat.Client(fake.path) as client, client.follow(start=0) as events:
            self.assertIsNone(events.next(0))
            for wrong in NO_REQUESTS + [{"x": deep}]:
                with self.assertRaises(torchat.Refused) as refused:
                    client.call("EVENTS", **wrong)
                self.assertIn(refused.exception.code, ("bad-request", "too-long"))
                self.assertRaises(torchat.Refused, client.send, ONION, "x", client_id=wrong.get("text", "\ud800"))
            nothing = float("nan")
            self.assertRaises(torchat.Refused, client.call, "HOST", answer_within=nothing)
            self.assertRaises(torchat.Refused, client.send, ONION, "x", wait=nothing)
            self.assertRaises(torchat.Refused, events.next, nothing)
            # Forever is a time.
            client.call("HOST", answer_within=float("inf"))
            event = events.next(1e300)
            assert event is not None
            self.assertEqual(event["seq"], 1)

        async def same() -> None:
            async with torchat.aio.Client(fake.path) as client, client.follow(start=0) as events:
                self.assertIsNone(await events.next(0))
                for wrong in NO_REQUESTS + [{"x": deep}]:
                    with self.assertRaises(torchat.Refused):
                        await client.call("EVENTS", **wrong)
                with self.assertRaises(torchat.Refused):
                    await client.call("HOST", answer_within=float("nan"))
                await client.call("HOST", answer_within=float("inf"))
                event = await events.next(1e300)
                assert event is not None
                self.assertEqual(event["seq"], 1)

        asyncio.run(same())

    def test_what_a_daemon_takes_is_sent_as_it_is(self) -> None:
        heard: List[Any] = []

        def script(talk: Talk) -> None:
            talk.welcome()
            for _ in range(2):
                heard.append(talk.hear())
                talk.say(ref=heard[-1]["ref"], ok={})
            talk.hear()

        text = "a\0b\r\n\ufeff\u202ee\u0301\u00e9\U0001f600\u2028"
        with torchat.Client(Fake(self, script).path) as client:
            client.call("SEND", peer=ONION, text=text, n=2**53 - 1, m=-(2**53 - 1), f=1e308, t=True)
            client.call("X", x=[[[[[[[]]]]]]], y=(1, 2))
        self.assertEqual((heard[0]["text"], heard[0]["n"], heard[0]["m"]), (text, 2**53 - 1, -(2**53 - 1)))

    def test_lines_that_are_no_answers_end_those_that_wait(self) -> None:
        def says(**what: Any) -> Callable[[Talk], None]:
            def script(talk: Talk) -> None:
                talk.welcome()
                talk.say(**{**what, "ref": talk.hear()["ref"]})
                talk.hear()
            return script

        wrong: List[Dict[str, Any]] = [{"error": 5}, {"error": None}, {"error": "no"}]
        fake = Fake(self, *(says(**what) for what in wrong))
        with torchat.Client(fake.path) as client:
            for _ in wrong:
                self.assertRaises(torchat.NotUnderstood, client.call, "HOST")

    def test_a_fork_has_a_connection_of_its_own_and_ends_no_other(self) -> None:
        def one(talk: Talk) -> None:
            talk.welcome()
            for _ in range(2):
                talk.say(ref=talk.hear()["ref"], ok={})

        fakes = [Fake(self, one), Fake(self, one)]
        with torchat.Client(fakes[0].path) as client:
            client.call("HOST")
            child = os.fork()
            if child == 0:
                # It must not come back into the test, whatever happens.
                code = 1
                try:
                    client._address = fakes[1].path
                    client.call("HOST")
                    client.call("HOST")
                    client.close()
                    code = 0
                finally:
                    os._exit(code)
            self.assertEqual(os.waitpid(child, 0)[1], 0)
            client.call("HOST")


class Tokens(unittest.TestCase):
    def test_a_token_does_not_show_its_secret(self) -> None:
        for text in (TOKEN + "\n", "\ufeff" + TOKEN + "\r\n"):
            self.assertEqual(repr(torchat.Token(text)), "Token('cron', ..)")
        for wrong in ("", "cron", TOKEN + "a", TOKEN.upper(), TOKEN[:-1] + "1"):
            self.assertRaises(ValueError, torchat.Token, wrong)

    def test_the_other_side_must_know_it_too(self) -> None:
        def lets_everybody_in(talk: Talk) -> None:
            talk.welcome()

        def repeats(talk: Talk) -> None:
            hello = talk.hear()
            talk.say(ref=hello["ref"], ok={"api": 1, "server": "", "nonce": hello["nonce"]})
            auth = talk.hear()
            talk.say(ref=auth["ref"], ok={**WELCOME, "proof": auth["proof"]})

        fake = Fake(self, lets_everybody_in, repeats, lets_everybody_in, repeats)
        for _ in range(2):
            with torchat.Client(fake.path, token=TOKEN) as client:
                self.assertRaises(torchat.Impostor, client.call, "HOST")

        async def same() -> None:
            async with torchat.aio.Client(fake.path, token=TOKEN) as client:
                await client.call("HOST")

        for _ in range(2):
            self.assertRaises(torchat.Impostor, asyncio.run, same())


class Owner(unittest.TestCase):
    def connected(self) -> List[socket.socket]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            client = socket.create_connection(listener.getsockname())
            return [client, listener.accept()[0]]

    def test_our_own_listener_is_ours_and_one_that_left_is_not(self) -> None:
        client, server = self.connected()
        with client, server:
            self.assertIsNone(_owner.why_not_ours(client))
            self.assertIsNone(_owner.why_not_ours(server))
            server.close()
            self.assertEqual(_owner.why_not_ours(client), _owner.LEFT)

    def test_others_are_told_by_the_row_of_this_very_connection(self) -> None:
        client, server = self.connected()
        with client, server:
            near, far = client.getsockname(), client.getpeername()
            own = _owner.Row(far, near, "01", os.geteuid(), 7)
            for rows, expect in (
                    ([own], None),
                    ([own._replace(uid=own.uid + 1)], "another user"),
                    ([own._replace(inode=0)], "left"),
                    ([own._replace(state="0A")], "left"),
                    ([own._replace(state="06", uid=0, inode=0), own], None),
                    ([own._replace(remote=("0.0.0.0", 0), state="0A")], "left"),
                    ([], "left")):
                with mock.patch.object(_owner, "_table", lambda: iter(rows)):
                    why = _owner.why_not_ours(client)
                self.assertIn(expect, why or "") if expect else self.assertIsNone(why)
            with mock.patch.object(_owner, "_nobody", lambda: own.uid):
                self.assertIn("namespace", _owner.why_not_ours(client) or "")


class Connections(unittest.TestCase):
    def test_answers_in_any_order(self) -> None:
        def script(talk: Talk) -> None:
            talk.welcome()
            requests = [talk.hear() for _ in range(8)]
            talk.say(ref=999, ok={})
            talk.say(later="a new kind of line")
            for request in reversed(requests):
                talk.say(ref=request["ref"], ok={"text": request["text"]})

        fake = Fake(self, script, script)
        found: Dict[int, Any] = {}
        with torchat.Client(fake.path) as client:
            def ask(n: int) -> None:
                found[n] = client.call("SEARCH", text=str(n), peer=None)["text"]

            threads = [threading.Thread(target=ask, args=(n,)) for n in range(8)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join(30)
        self.assertEqual(found, {n: str(n) for n in range(8)})

        async def same() -> List[Any]:
            async with torchat.aio.Client(fake.path) as client:
                return [answer["text"] for answer in
                        await asyncio.gather(*(client.call("SEARCH", text=str(n)) for n in range(8)))]

        self.assertEqual(asyncio.run(same()), [str(n) for n in range(8)])

    def test_refusals_silence_and_ends(self) -> None:
        def script(talk: Talk) -> None:
            talk.welcome()
            talk.say(ref=talk.hear()["ref"], error={"code": "too-long", "message": "no", "hint": "split it"})
            talk.hear()
            talk.say(ref=talk.hear()["ref"], ok={})
            talk.hear()

        def old(talk: Talk) -> None:
            talk.hear()
            talk.say(cmd="ERR", code="unknown-command", msg="what?")

        fake = Fake(self, script, old)
        with torchat.Client(fake.path) as client:
            with self.assertRaises(torchat.Refused) as refused:
                client.call("SEND", peer=ONION, text="x")
            self.assertEqual((refused.exception.code, str(refused.exception)), ("too-long", "no (too-long): split it"))
            self.assertRaises(torchat.TimedOut, client.call, "HOST", answer_within=0.02)
            client.call("HOST")
            # Never sent: the daemon would end the connection.
            self.assertRaises(torchat.Refused, client.send, ONION, "\x01" * 300_000)
            self.assertRaises(torchat.Lost, client.call, "HOST")
            with self.assertRaisesRegex(torchat.NotUnderstood, "too old"):
                client.call("HOST")
        with torchat.Client(fake.path + "x") as client, self.assertRaisesRegex(torchat.ConnectFailed, "torchatd -d"):
            client.call("HOST")

    def test_a_send_is_repeated_under_its_key_until_it_is_answered(self) -> None:
        keys: List[str] = []

        def dies(talk: Talk) -> None:
            talk.welcome()
            keys.append(talk.hear()["client_id"])

        def answers(talk: Talk) -> None:
            talk.welcome()
            request = talk.hear()
            keys.append(request["client_id"])
            talk.say(ref=request["ref"], ok={"id": 1, "mid": "", "state": "queued", "duplicate": True})

        fake = Fake(self, dies, dies, answers, dies, answers)
        with torchat.Client(fake.path) as client:
            self.assertTrue(client.send(ONION, "x")["duplicate"])

        async def same() -> None:
            async with torchat.aio.Client(fake.path) as client:
                await client.send(ONION, "x")

        asyncio.run(same())
        self.assertEqual([len(set(keys[:3])), len(set(keys[3:])), len(set(keys))], [1, 1, 2])


class Events(unittest.TestCase):
    EVENTS = 12_000

    def log(self, talk: Talk) -> None:
        """Like a log: every subscription gets what is after its place."""
        talk.welcome(self.EVENTS)
        self.subscribed = 0
        while True:
            request = talk.hear()
            if not request:
                break
            if request["cmd"] == "SUBSCRIBE":
                self.subscribed += 1
                talk.say(ref=request["ref"], ok={"after": request["from"], "last": self.EVENTS})
                for seq in range(request["from"] + 1, self.EVENTS + 1):
                    talk.event(request["ref"], seq)
            else:
                talk.say(ref=request["ref"], ok={})

    def test_a_slow_reader_gets_everything_from_the_log(self) -> None:
        fake = Fake(self, self.log, self.log)
        with torchat.Client(fake.path) as client:
            events = client.subscribe(start=0)
            # Answered behind all the events, none of which was taken.
            client.call("HOST")
            found = []
            for event in events:
                found.append(event["seq"])
                if event["seq"] == self.EVENTS:
                    events.close()
        self.assertEqual(found, list(range(1, self.EVENTS + 1)))
        self.assertGreater(self.subscribed, 1)

        async def same() -> List[int]:
            async with torchat.aio.Client(fake.path) as client:
                events = await client.subscribe(start=0)
                await client.call("HOST")
                found: List[int] = []
                while len(found) < self.EVENTS:
                    event = await events.next(30)
                    assert event
                    found.append(event["seq"])
                return found

        self.assertEqual(asyncio.run(same()), found)
        self.assertGreater(self.subscribed, 1)

    def test_a_follower_goes_on_where_it_was(self) -> None:
        def first(talk: Talk) -> None:
            talk.welcome(6)
            request = talk.hear()
            assert request["consumer"] == "bot" and "from" not in request, request
            talk.say(ref=request["ref"], ok={"after": 4, "last": 6})
            talk.event(request["ref"], 5)
            ack = talk.hear()
            assert (ack["cmd"], ack["seq"]) == ("ACK", 5), ack

        def second(talk: Talk) -> None:
            talk.welcome(6)
            request = talk.hear()
            assert request["from"] == 5, request
            talk.say(ref=request["ref"], ok={"after": 5, "last": 6})
            # Its answer got lost.
            ack = talk.hear()
            assert (ack["cmd"], ack["seq"]) == ("ACK", 5), ack
            talk.say(ref=ack["ref"], ok={"seq": 5})
            talk.event(request["ref"], 6)

        def restored(talk: Talk) -> None:
            talk.welcome(3)
            request = talk.hear()
            assert "from" not in request, request
            talk.say(ref=request["ref"], ok={"after": 2, "last": 3})
            talk.event(request["ref"], 3)
            talk.say(sub=request["ref"], end={"code": "taken-over", "message": "another one"})
            talk.hear()

        fake = Fake(self, first, second, restored, first, second, restored)
        states: List[str] = []
        expected = ["connected", "gone", "connected", "gone", "connected", "refused"]
        with torchat.Client(fake.path) as client:
            follower = client.follow(consumer="bot", state=lambda state, _error: states.append(state))
            found = []
            with self.assertRaises(torchat.Refused):
                for event in follower:
                    found.append(event["seq"])
                    if event["seq"] == 5:
                        self.assertFalse(follower.ack())
        self.assertEqual((found, states), ([5, 6, 3], expected))

        states.clear()

        async def same() -> List[int]:
            found: List[int] = []
            async with torchat.aio.Client(fake.path) as client:
                follower = client.follow(consumer="bot", state=lambda state, _error: states.append(state))
                try:
                    async for event in follower:
                        found.append(event["seq"])
                        if event["seq"] == 5:
                            self.assertFalse(await follower.ack())
                except torchat.Refused:
                    return found
            return []

        self.assertEqual((asyncio.run(same()), states), ([5, 6, 3], expected))

    def test_a_follower_moves_on_past_what_its_filter_drops(self) -> None:
        def drops(talk: Talk) -> None:
            talk.welcome(13)
            sub = talk.hear()["ref"]
            talk.say(ref=sub, ok={"after": 4, "last": 13})

            def acknowledged(seq: int) -> None:
                ack = talk.hear()
                assert (ack["cmd"], ack["seq"]) == ("ACK", seq), ack
                talk.say(ref=ack["ref"], ok={"seq": seq})

            # Nothing is being worked off: it acknowledges this by itself, but not what comes behind 9.
            talk.say(sub=sub, upto=8)
            acknowledged(8)
            talk.event(sub, 9)
            talk.say(sub=sub, upto=12)
            talk.event(sub, 13)
            acknowledged(13)
            talk.say(sub=sub, upto=20)
            acknowledged(20)

        def goes_on(talk: Talk) -> None:
            talk.welcome(20)
            request = talk.hear()
            assert request["from"] == 20, request
            talk.say(ref=request["ref"], ok={"after": 20, "last": 21})
            talk.event(request["ref"], 21)
            talk.hear()

        fake = Fake(self, drops, goes_on, drops, goes_on)
        with torchat.Client(fake.path) as client:
            with client.follow(consumer="bot") as follower:
                found = []
                for event in follower:
                    found.append(event["seq"])
                    if event["seq"] == 13:
                        self.assertTrue(follower.ack())
                    if event["seq"] == 21:
                        break
        self.assertEqual(found, [9, 13, 21])

        async def same() -> List[int]:
            found: List[int] = []
            async with torchat.aio.Client(fake.path) as client:
                async with client.follow(consumer="bot") as follower:
                    async for event in follower:
                        found.append(event["seq"])
                        if event["seq"] == 13:
                            self.assertTrue(await follower.ack())
                        if event["seq"] == 21:
                            break
            return found

        self.assertEqual(asyncio.run(same()), found)

    def test_a_follower_can_be_closed_while_it_waits(self) -> None:
        with tempfile.TemporaryDirectory() as directory:
            path = os.path.join(directory, "nobody")
            gone = threading.Event()
            follower = torchat.Client(path).follow(state=lambda _state, _error: gone.set())
            found: List[Any] = []
            thread = threading.Thread(target=lambda: found.extend(follower))
            thread.start()
            self.assertTrue(gone.wait(30))
            follower.close()
            thread.join(30)
            self.assertFalse(thread.is_alive())

            async def same() -> None:
                follower = torchat.aio.Client(path).follow()
                waiting = asyncio.ensure_future(follower.next())
                self.assertIsNone(await follower.next(0.01))
                await follower.close()
                self.assertIsNone(await asyncio.wait_for(waiting, 30))

            asyncio.run(same())


if __name__ == "__main__":
    unittest.main()
