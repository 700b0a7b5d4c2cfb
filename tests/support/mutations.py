"""Bytes, lines and values of a file changed at random."""

import random

_INSERTED = (
    *(b"\0", b"\x1b[2J", b"*a", b"&a ", b"!!bool ", b"!!python/name:os.system ", b"<<: "),
    *(b"[" * 2000, b"{" * 2000, b"9" * 500, b"1e999", b"NaN", b"-", b'"', b"\xed\xa0\x80"),
    *(b"\\ud800", b"{{ x }}", b": ", b"\n", b"\xff", b"none", b"null", b"~"),
)


def mutate_text(text: bytes, rng: random.Random) -> bytes:
    """A few bytes, lines or values changed."""
    raw = bytearray(text)
    for _ in range(rng.choice((1, 1, 2, 5, 30))):
        at = rng.randrange(len(raw) + 1)
        kind = rng.randrange(7)
        if kind == 0 and raw:
            raw[at % len(raw)] = rng.randrange(256)
        elif kind == 1:
            del raw[at : at + rng.randrange(1, 40)]
        elif kind == 2:
            raw[at:at] = rng.choice(_INSERTED)
        elif kind == 3:
            lines = raw.split(b"\n")
            rng.shuffle(lines)
            raw = bytearray(b"\n".join(lines))
        elif kind == 4:
            raw[at:at] = raw[: rng.randrange(200)]
        elif kind == 5:
            raw = raw[:at]
        else:
            raw = raw.replace(rng.choice((b":", b"name", b"text", b"0", b'"')), b"", 1)
    return bytes(raw)
