"""SOCKET NAME FILE PACE-US BATCH: what consumer.rs does, with the Python client."""

import os
import sys
import time

import torchat

socket, name, path, pace, batch = sys.argv[1:6]
out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


def note(line: str) -> None:
    os.write(out, (line + "\n").encode())


note("run")
client = torchat.Client(socket, name="consumer.py")
events = client.follow(consumer=name, kinds=["received"])
last, waiting = 0, 0
while True:
    event = events.next(timeout=0.1)
    if event is not None:
        if event["event"] == "received":
            note("got %d %s" % (event["seq"], event["message"]["text"]))
        elif event["event"] == "gap":
            note("gap %d %d" % (event["from"], event["to"]))
        else:
            raise SystemExit("an event that nobody asked for: %r" % event)
        last = event["seq"]
        waiting += 1
        if int(pace):
            time.sleep(int(pace) / 1e6)
    if waiting >= int(batch) or (event is None and waiting):
        os.fdatasync(out)
        if events.ack(last):
            note("ack %d" % last)
            waiting = 0
