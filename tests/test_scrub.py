"""A secret is found in every form in which a server may echo it."""

import base64
import html
import json
from urllib.parse import quote

import pytest

from dormant.errors.secrets import Scrubber

ODD = 'sk/"odd+key\\8d1f'
FORMS = {
    "plain": ODD,
    "JSON": json.dumps(ODD)[1:-1],
    "JSON in JSON": json.dumps(json.dumps(ODD))[3:-3],
    "slashes escaped": json.dumps(ODD)[1:-1].replace("/", "\\/"),
    "code points": "".join(f"\\u{ord(c):04x}" for c in ODD),
    "code points in capitals, in part": "".join(
        f"\\u{ord(c):04X}" if i % 2 else json.dumps(c)[1:-1] for i, c in enumerate(ODD)
    ),
    "code points in JSON in JSON": "".join(f"\\\\u{ord(c):04x}" for c in ODD),
    "URL": quote(ODD, safe=""),
    "URL, all quoted": "".join(f"%{ord(c):02X}" for c in ODD),
    "HTML": "".join(f"&#{ord(c)};" for c in ODD),
    "HTML, names": html.escape(ODD),
    "Markdown": "".join(c if c.isalnum() else f"\\{c}" for c in ODD),
    "base64": base64.b64encode(ODD.encode()).decode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_removed_in_every_form(form: str):
    scrubber = Scrubber([ODD])
    text = f"it says {FORMS[form]} twice: {FORMS[form]}!"
    assert scrubber.scrub(text).replace("=", "") == "it says *** twice: ***!"
    assert scrubber.scrub_bytes(text.encode()).replace(b"=", b"") == b"it says *** twice: ***!"


def test_the_longest_goes_first_and_a_placeholder_is_no_secret():
    scrubber = Scrubber(["sk-secret", "sk-secret-2", "none", "EMPTY", ""])
    assert scrubber.secrets == ("sk-secret-2", "sk-secret")
    # Local servers take any word for a key: cutting it out would change what models say.
    assert scrubber.scrub("none sk-secret-2 EMPTY sk-secret") == "none *** EMPTY ***"
    assert Scrubber(["abcd"], shortest=4).scrub("abcd") == "***"
    assert Scrubber([]).scrub(ODD) == ODD
