"""For the shell: one command of API 1, or a pipe that makes texts harmless.

    python3 -m torchat COMMAND [JSON]    asks the daemon, prints what it answers; exit code 1 when it refuses
    python3 -m torchat harmless          copies its input, made harmless for a terminal
"""

from __future__ import annotations

import json
import os
import sys
from typing import List

from . import Client, Error, harmless


def main(arguments: List[str]) -> int:
    if sys.stdout is None:
        # Closed from the beginning: what would be taken away for the output would be lost.
        return _say("torchat: standard output is closed", 1)
    if arguments == ["harmless"]:
        for line in sys.stdin.buffer:
            sys.stdout.write(harmless(line.decode("utf-8", "replace")))
            sys.stdout.flush()
        return 0
    if len(arguments) not in (1, 2) or arguments[0].startswith("-"):
        return _say(__doc__, 2)
    try:
        parameters = json.loads(arguments[1]) if len(arguments) == 2 else {}
        if not isinstance(parameters, dict):
            raise ValueError("no object")
    except ValueError as error:
        return _say(f"torchat: the parameters must be a JSON object: {error}", 2)
    # Commands that wait themselves: SEND for the delivery, EVENTS for an event.
    wait = parameters.get("wait")
    seconds = parameters.get("timeout", 120) if wait == "delivered" else wait
    limit = 30 + (seconds if isinstance(seconds, (int, float)) else 0)
    try:
        with Client() as daemon:
            # As escapes: texts are as their writers wrote them.
            print(json.dumps(daemon.call(arguments[0], answer_within=limit, **parameters)))
    except Error as error:
        return _say(f"torchat: {error}", 1)
    return 0


def _say(words: str, code: int) -> int:
    if sys.stderr is not None:
        print(words, file=sys.stderr)
    return code


def _run() -> int:
    """Ends with 0 when the reader of the output has had enough, and with 1 when the output cannot be written."""
    try:
        code = main(sys.argv[1:])
        if sys.stdout is not None:
            sys.stdout.flush()
        return code
    except OSError as error:
        # What could not be written must not be tried again at the end of the interpreter.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0 if isinstance(error, BrokenPipeError) else _say(f"torchat: the output cannot be written: {error}", 1)


if __name__ == "__main__":
    sys.exit(_run())
