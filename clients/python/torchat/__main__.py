"""For the shell: one command of API 1, or a pipe that makes texts harmless.

    python3 -m torchat COMMAND [JSON]    asks the daemon, prints what it answers; exit code 1 when it refuses
    python3 -m torchat harmless          copies its input, made harmless for a terminal
"""

from __future__ import annotations

import json
import sys
from typing import List

from . import Client, Error, harmless


def main(arguments: List[str]) -> int:
    if arguments == ["harmless"]:
        for line in sys.stdin.buffer:
            sys.stdout.write(harmless(line.decode("utf-8", "replace")))
            sys.stdout.flush()
        return 0
    if len(arguments) not in (1, 2) or arguments[0].startswith("-"):
        print(__doc__, file=sys.stderr)
        return 2
    try:
        parameters = json.loads(arguments[1]) if len(arguments) == 2 else {}
        if not isinstance(parameters, dict):
            raise ValueError("no object")
    except ValueError as error:
        print(f"torchat: the parameters must be a JSON object: {error}", file=sys.stderr)
        return 2
    # Commands that wait themselves: SEND for the delivery, EVENTS for an event.
    wait = parameters.get("wait")
    seconds = parameters.get("timeout", 120) if wait == "delivered" else wait
    limit = 30 + (seconds if isinstance(seconds, (int, float)) else 0)
    try:
        with Client() as daemon:
            # As escapes: texts are as their writers wrote them.
            print(json.dumps(daemon.call(arguments[0], answer_within=limit, **parameters)))
    except Error as error:
        print(f"torchat: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
