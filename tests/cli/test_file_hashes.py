"""The list of hashes that ``dormant card`` prints is one that ``sha256sum`` can check."""

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import sys
from dormant.cli.terminal import print_file_hash
print_file_hash(sys.argv[1], sys.argv[2])
"""


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="needs sha256sum")
@pytest.mark.parametrize("name", [b"plain", b"na\xffme", b"a\nb", b"back\\slash", b"\x1b[2J"])
def test_a_file_of_any_name_is_found_again(tmp_path: Path, name: bytes):
    path = os.fsencode(tmp_path) + b"/" + name
    with open(path, "wb") as file:
        file.write(b"card")
    digest = hashlib.sha256(b"card").hexdigest()
    made = subprocess.run([sys.executable, "-c", CODE, digest, path], capture_output=True)
    assert made.returncode == 0, made.stderr
    done = subprocess.run(["sha256sum", "--check", "--status"], input=made.stdout)
    assert done.returncode == 0, made.stdout
