#!/usr/bin/env python3
"""Makes a peer's text harmless for a terminal: what must not reach it is written \\u{hex}.

The daemon stores and hands out texts as they came, so every program that shows them needs something like this. The
same rules as the Rust client's, where they are explained: clients/core/src/show.rs. Python knows an older or newer
Unicode than that, so the newest characters may differ.

    harmless.py < TEXT      prints the text, made harmless
"""

from __future__ import annotations

import re
import sys
import unicodedata

MARKS_PER_BASE = 4
LINE_CHARS = 2000
BREAK = "\\u{...}"
# Characters that show nothing though their category is that of letters, marks or symbols.
FILLERS = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufe00-\ufe0f\U00016fe4\U0001d159"
                     "\U000e0100-\U000e01ef]")
# Scripts whose spelling uses joiners, and Hangul vowels and tails.
JOINING = re.compile("[\u0600-\u0dff\u1000-\u109f\u1780-\u18af]")
JAMO = re.compile("[\u1160-\u11ff\ud7b0-\ud7ff]")


def hidden(c: str) -> bool:
    """Controls, format characters, separators of lines, private use, surrogates, unassigned, fillers."""
    return unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Co", "Cs", "Cn") or bool(FILLERS.match(c))


def mark(c: str) -> bool:
    """Drawn on the character before it."""
    return unicodedata.category(c)[0] == "M" or bool(JAMO.match(c))


def emoji(c: str) -> bool:
    """Near enough: pictures, arrows and skin tones beyond Latin 1."""
    return c > "\xff" and unicodedata.category(c) in ("So", "Sk", "Sm")


def joiner_fits(base: str, c: str, following: str) -> bool:
    """A joiner that means something where it stands, and that a terminal can do without."""
    if c == "\u200d" and base and emoji(base) and following and emoji(following):
        return True
    return c in "\u200c\u200d" and bool(base and JOINING.match(base))


def harmless(text: str, one_line: bool = False, rows: bool = False) -> str:
    """The text with line feeds and tabs, or on one line with these written out too.

    Lines of more than LINE_CHARS are broken behind their last space, and end with BREAK there. `rows`: without that mark, for
    a program that puts something of its own before every line.
    """
    out: list[str] = []
    base, marks, joined, width = "", 0, False, 0
    # Behind the last space of the line: the place in `out`, and the characters of the line up to there.
    space: tuple[int, int] | None = None
    for at, c in enumerate(text):
        following = text[at + 1:at + 2]
        if not joined and joiner_fits(base, c, following):
            joined = True
            continue
        joined = False
        if not one_line and c == "\r" and following == "\n":
            continue
        if not one_line and c in "\n\t":
            kind = "plain"
        elif c == "\\" and text[at + 1:at + 3] == "u{":
            kind = "escape"
        elif c in "\ufe0e\ufe0f" and marks == 0 and base and (emoji(base) or base in "#*0123456789\xa9\xae"):
            kind = "mark"
        elif hidden(c):
            kind = "escape"
        elif mark(c):
            kind = "mark" if base and marks < MARKS_PER_BASE else "escape"
        else:
            kind = "plain"
        piece = c if kind != "escape" else f"\\u{{{ord(c):x}}}"
        while not one_line and c != "\n" and kind != "mark" and width >= LINE_CHARS:
            place, before = space or (len(out), width)
            out.insert(place, "\n" if rows else BREAK + "\n")
            width, space = width - before, None
        width = 0 if c == "\n" and kind == "plain" else width + len(piece)
        if kind == "mark":
            marks += 1
        else:
            base, marks = (c if kind == "plain" and not c.isspace() else ""), 0
        out.append(piece)
        if c == " ":
            space = (len(out), width)
        elif c == "\n":
            space = None
    return "".join(out)


if __name__ == "__main__":
    sys.stdout.write(harmless(sys.stdin.buffer.read().decode("utf-8", "replace")))
