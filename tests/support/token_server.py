"""A real transformers model behind HTTP, with the fields of vLLM's ``/v1/completions``.

Prompts are lists of tokens; ``prompt_logprobs``, ``logprobs``, ``return_token_ids``,
``stop_token_ids``, ``n``, ``seed`` and ``temperature`` are obeyed, by whole forward passes.
"""

import contextlib
import json
import threading
from collections.abc import Generator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


@dataclass
class TokenServer:
    """A running server."""

    model: Any
    tokenizer: Any
    url: str = ""
    scores: bool = True  # whether it knows prompt_logprobs
    takes_tokens: bool = True  # else a list is read as a text
    noise: float = 0.0  # nats added to every log-probability that it gives
    bodies: list[dict[str, Any]] = field(default_factory=list)

    def environment(self, service: str = "box") -> dict[str, str]:
        name = service.upper()
        return {f"{name}_API_KEY": "none", f"{name}_BASE_URL": f"{self.url}/v1"}

    def reply(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        self.bodies.append(body)
        if "messages" in body:
            return 400, {"error": {"message": "this server renders no chats"}}
        if "prompt_logprobs" in body and not self.scores:
            return 400, {"error": {"message": "prompt_logprobs is not supported"}}
        prompt = body["prompt"]
        if not self.takes_tokens:
            prompt = self.tokenizer(str(prompt))["input_ids"]
        generator = torch.Generator().manual_seed(body.get("seed", 0))
        choices = [self.choice(i, prompt, body, generator) for i in range(body.get("n", 1))]
        written = sum(len(choice["token_ids"]) for choice in choices)
        usage = {"prompt_tokens": len(prompt), "completion_tokens": written}
        return 200, {"choices": choices, "usage": usage}

    def choice(
        self, index: int, prompt: list[int], body: dict[str, Any], generator: torch.Generator
    ) -> dict[str, Any]:
        ids, written, logprobs, finish = list(prompt), [], [], "length"
        for _ in range(body["max_tokens"]):
            row = self.logprobs(ids)[-1]
            if body["temperature"] == 0:
                token = int(row.argmax())
            else:
                chances = (row / body["temperature"]).softmax(-1)
                token = int(torch.multinomial(chances, 1, generator=generator))
            ids.append(token)
            written.append(token)
            logprobs.append(float(row[token]) + self.noise)
            if token in body.get("stop_token_ids", ()):
                finish = "stop"
                break
        visible = written[:-1] if finish == "stop" else written
        skip = body.get("skip_special_tokens", True)
        found: dict[str, Any] = {
            "index": index,
            "text": self.tokenizer.decode(visible, skip_special_tokens=skip),
            "finish_reason": finish,
            "token_ids": written,
        }
        if body.get("logprobs"):
            names = [f"token_id:{token}" for token in written]
            found["logprobs"] = {"tokens": names, "token_logprobs": logprobs, "top_logprobs": []}
        if body.get("prompt_logprobs") is not None:
            rows = self.logprobs(prompt)
            found["prompt_logprobs"] = [None] + [
                {str(token): {"logprob": float(row[token]) + self.noise, "rank": 1}}
                for token, row in zip(prompt[1:], rows, strict=False)
            ]
        return found

    def logprobs(self, ids: list[int]) -> torch.Tensor:
        with torch.inference_mode():
            return self.model(torch.tensor([ids])).logits[0].float().log_softmax(-1)


@contextlib.contextmanager
def running(place: Path, model: Any = None) -> Generator[TokenServer]:
    """Serves a checkpoint on a free port of the loopback device."""
    loaded: Any = model or AutoModelForCausalLM.from_pretrained(str(place)).eval()
    served = TokenServer(loaded, AutoTokenizer.from_pretrained(str(place)))

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            length = int(self.headers["Content-Length"])
            status, found = served.reply(json.loads(self.rfile.read(length)))
            raw = json.dumps(found).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(raw)))
            self.end_headers()
            self.wfile.write(raw)

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    served.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield served
    finally:
        server.shutdown()
        server.server_close()
