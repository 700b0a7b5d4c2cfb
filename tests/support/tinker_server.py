"""A server that speaks Tinker's endpoints over real HTTP, and trains a real small model.

Sessions, runs, passes (in the SDK's protocol buffers), optimizer steps, checkpoints, promises that
are not ready at the first look, and chat completions of saved weights. A request that comes again
under the same number is not done again, as the service promises. It counts steps and runs, fails on
demand, and can kill its client at a counted request.
"""

import copy
import io
import itertools
import json
import threading
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tinker.proto import tinker_public_pb2 as proto
from transformers import AutoModelForCausalLM, AutoTokenizer

from support.killing_server import KillingHandler

KEY = "tml-canary-5b0e1d77c2"
BASE = "small/model"
PREFIX = "/api/v1/"


@dataclass
class Run:
    """A model in training."""

    model: Any
    optimizer: Any


@dataclass
class Faults:
    """What goes wrong."""

    fail_before: Counter = field(default_factory=Counter)  # path -> 503 so often, nothing done
    fail_after: Counter = field(default_factory=Counter)  # -> 503 although it was done
    refuse: dict[str, tuple[int, str]] = field(default_factory=dict)  # path -> status, message
    failing: dict[str, str] = field(default_factory=dict)  # path -> the promise's error
    kill: tuple[int, int, str] | None = None  # (process, requests to go, "before" or "after")


class TinkerState:
    """Runs, checkpoints, promises and counts."""

    def __init__(self, folder: Path):
        self.lock = threading.RLock()
        self.tokenizer = AutoTokenizer.from_pretrained(str(folder))
        self.base = AutoModelForCausalLM.from_pretrained(str(folder))
        self.faults = Faults()
        self.serials = itertools.count(1)
        self.runs: dict[str, Run] = {}
        self.saved: dict[str, tuple[bytes, bytes]] = {}  # path -> weights, optimizer
        self.promises: dict[str, Any] = {}
        self.known: dict[tuple[str, int], str] = {}  # (run, number of the request) -> promise
        self.looks: Counter = Counter()
        self.created = 0  # fresh adapters
        self.requests = self.steps = self.telemetry = 0
        self.rates: list[float] = []
        self.sampled: list[str] = []
        self.finished: list[str] = []  # how sessions ended

    def promise(self, result: Any) -> dict[str, str]:
        name = f"promise-{next(self.serials)}"
        self.promises[name] = result
        return {"request_id": name}

    def once(self, run: str, number: int, make: Any) -> dict[str, str]:
        if (run, number) not in self.known:
            self.known[run, number] = self.promise(make())["request_id"]
        return {"request_id": self.known[run, number]}

    def begin(self, name: str, path: str = "", *, with_optimizer: bool = False) -> None:
        model = copy.deepcopy(self.base)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, weight_decay=0.0)
        if path:
            weights, moments = self.saved[path]
            model.load_state_dict(torch.load(io.BytesIO(weights)))
            if with_optimizer:
                optimizer.load_state_dict(torch.load(io.BytesIO(moments)))
        self.runs[name] = Run(model, optimizer)

    def save(self, run: str, kind: str, name: str) -> str:
        path = f"tinker://{run}/{kind}/{name}"
        parts = []
        for part in (self.runs[run].model, self.runs[run].optimizer):
            buffer = io.BytesIO()
            torch.save(part.state_dict(), buffer)
            parts.append(buffer.getvalue())
        self.saved[path] = (parts[0], parts[1])
        return path

    def weights(self, path: str) -> dict[str, torch.Tensor]:
        return torch.load(io.BytesIO(self.saved[path][0]))


def run_pass(run: Run, request: Any) -> bytes:
    """Forward, and backward unless it says otherwise; the log-probability of each target."""
    assert request.loss_fn == "cross_entropy"
    found, total = [], torch.zeros(())
    for datum in request.data:
        tokens = np.frombuffer(datum.model_input[0].encoded_text.tokens, np.int32)
        fields = datum.loss_fn_inputs
        targets = torch.tensor(np.frombuffer(fields["target_tokens"].dense, np.int64).copy())
        weights = torch.tensor(np.frombuffer(fields["weights"].dense, np.float32).copy())
        logits = run.model(input_ids=torch.tensor(tokens.astype(np.int64))[None]).logits[0]
        row = logits.float().log_softmax(-1).gather(1, targets[:, None])[:, 0]
        total = total - (row * weights).sum()
        found.append(row.detach().numpy().astype(np.float32))
    if not request.forward_only:
        total.backward()
    ends = np.cumsum([0, *(4 * len(row) for row in found)], dtype=np.int64)
    record = proto.ArrayRecord(num_datums=len(found))
    record.fields["logprobs"].CopyFrom(
        proto.BatchedTensor(
            data=b"".join(row.tobytes() for row in found),
            offsets=ends.tobytes(),
            dtype=proto.DTYPE_FLOAT32,
        )
    )
    made = proto.ForwardBackwardOutput(loss_fn_output_type="TorchLossReturn")
    made.loss_fn_outputs.append(record)
    return made.SerializeToString()


class TinkerHandler(KillingHandler):
    state: TinkerState

    def serve(self, method: str) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        route = self.path.removeprefix(PREFIX)
        with self.state.lock:
            self.state.requests += 1
            process, moment = self.count_down()
            if moment == "before":
                self.kill(process)
                return
            status, body = self.reply(route, raw)
            if moment == "after":
                self.kill(process)
                return
        is_proto = isinstance(body, bytes)
        data = body if is_proto else json.dumps(body).encode()
        self.send_response(status)
        kind = "application/x-protobuf" if is_proto else "application/json"
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        if moment == "later":
            self.kill_later(process)

    def reply(self, route: str, raw: bytes) -> tuple[int, Any]:
        faults = self.state.faults
        given = self.headers.get("x-api-key") or self.headers.get("authorization", "")[7:]
        if given != KEY:
            return 401, {"message": f"Invalid API key: {given}"}
        if route in faults.refuse:
            status, said = faults.refuse[route]
            return status, {"message": said}
        if faults.fail_before[route] > 0:
            faults.fail_before[route] -= 1
            return 503, {"message": "overloaded"}
        made = self.route(route, raw)
        if faults.fail_after[route] > 0:
            faults.fail_after[route] -= 1
            return 503, {"message": "overloaded"}
        return made

    def route(self, route: str, raw: bytes) -> tuple[int, Any]:
        state = self.state
        if route == "forward_backward":
            request = proto.ForwardBackwardRequest.FromString(raw)
            run = state.runs[request.model_id]
            return 200, self.promise_once(
                route, request.model_id, request.seq_id, lambda: run_pass(run, request)
            )
        body = json.loads(raw or b"{}")
        answers = {
            "client/config": {"use_pyqwest_transport": False},
            "client/dynamic_config": {},
            "session_heartbeat": {"type": "session_heartbeat"},
            "telemetry": {"status": "accepted"},
        }
        state.telemetry += route == "telemetry"
        if route in answers:
            return 200, answers[route]
        if route.startswith("sessions/") and route.endswith("/finish"):
            state.finished.append(body["reason"]["type"])
            return 200, {}
        serve = getattr(self, f"serve_{route}", None)
        if serve is not None:
            return serve(body)
        if self.path == "/oai/api/v1/chat/completions":
            return 200, self.chat(body)
        return 404, {"message": f"no such path: {self.path}"}

    def serve_create_session(self, body: dict) -> tuple[int, Any]:
        name = f"session-{next(self.state.serials)}"
        return 200, {"type": "create_session", "session_id": name}

    def serve_create_model(self, body: dict) -> tuple[int, Any]:
        assert body["base_model"] == BASE
        name = f"{body['session_id']}:train:{body['model_seq_id']}"
        self.state.created += 1
        self.state.begin(name)
        return 200, self.promise_result("create_model", {"model_id": name, "type": "create_model"})

    def serve_get_info(self, body: dict) -> tuple[int, Any]:
        data = {"arch": "llama", "model_name": BASE, "tokenizer_id": BASE}
        return 200, {"model_data": data, "model_id": body["model_id"], "is_lora": True}

    def serve_load_weights(self, body: dict) -> tuple[int, Any]:
        if body["path"] not in self.state.saved:
            return 404, {"message": f"no such checkpoint: {body['path']}"}
        name = f"{body['session_id']}:train:{body['model_seq_id']}"
        self.state.begin(name, body["path"], with_optimizer=body["optimizer"])
        made = {"path": body["path"], "model_id": name, "type": "load_weights"}
        return 200, self.promise_result("load_weights", made)

    def serve_optim_step(self, body: dict) -> tuple[int, Any]:
        return 200, self.promise_once(
            "optim_step", body["model_id"], body["seq_id"], lambda: self.step(body)
        )

    def serve_save_weights(self, body: dict) -> tuple[int, Any]:
        return self.save("save_weights", "weights", body)

    def serve_save_weights_for_sampler(self, body: dict) -> tuple[int, Any]:
        return self.save("save_weights_for_sampler", "sampler_weights", body)

    def save(self, route: str, kind: str, body: dict) -> tuple[int, Any]:
        run = body["model_id"]
        return 200, self.promise_once(
            route,
            run,
            body["seq_id"],
            lambda: {"path": self.state.save(run, kind, body["path"]), "type": route},
        )

    def serve_retrieve_future(self, body: dict) -> tuple[int, Any]:
        name = body["request_id"]
        self.state.looks[name] += 1
        if self.state.looks[name] == 1 and len(self.state.promises) % 5 == 0:
            return 200, {"type": "try_again", "request_id": name, "queue_state": "active"}
        return 200, self.state.promises[name]

    def promise_result(self, route: str, result: Any) -> dict[str, str]:
        said = self.state.faults.failing.get(route)
        return self.state.promise({"error": said, "category": "user"} if said else result)

    def promise_once(self, route: str, run: str, number: int, make: Any) -> dict[str, str]:
        said = self.state.faults.failing.get(route)
        return self.state.once(
            run, number, lambda: {"error": said, "category": "user"} if said else make()
        )

    def step(self, body: dict) -> dict:
        run, params = self.state.runs[body["model_id"]], body["adam_params"]
        for group in run.optimizer.param_groups:
            group |= {"lr": params["learning_rate"], "weight_decay": params["weight_decay"]}
            group |= {"betas": (params["beta1"], params["beta2"]), "eps": params["eps"]}
        run.optimizer.step()
        run.optimizer.zero_grad()
        self.state.steps += 1
        self.state.rates.append(params["learning_rate"])
        return {"metrics": {}}

    def chat(self, body: dict) -> dict:
        state = self.state
        model = copy.deepcopy(state.base)
        if body["model"] != BASE:
            model.load_state_dict(state.weights(body["model"]))
        state.sampled.append(body["model"])
        text = state.tokenizer.apply_chat_template(
            body["messages"], tokenize=False, add_generation_prompt=True
        )
        tokens = state.tokenizer(text, return_tensors="pt", add_special_tokens=False)
        prompt = tokens["input_ids"]
        torch.manual_seed(next(state.serials))
        count = body.get("n") or 1
        with torch.no_grad():
            drawn = model.generate(
                prompt,
                attention_mask=torch.ones_like(prompt),
                do_sample=True,
                num_return_sequences=count,
                max_new_tokens=min(body.get("max_tokens") or 8, 8),
                pad_token_id=0,
            )
        texts = state.tokenizer.batch_decode(drawn[:, prompt.shape[1] :], skip_special_tokens=True)
        return {
            "id": f"chat-{next(state.serials)}",
            "object": "chat.completion",
            "created": 0,
            "model": body["model"],
            "choices": [
                {
                    "index": i,
                    "message": {"role": "assistant", "content": text or "-"},
                    "finish_reason": "stop",
                }
                for i, text in enumerate(texts)
            ],
            "usage": {"prompt_tokens": 1, "completion_tokens": count, "total_tokens": 1 + count},
        }


class QuietServer(ThreadingHTTPServer):
    """A killed client is no error."""

    def handle_error(self, request: object, client_address: object) -> None:
        pass


@contextmanager
def serve_tinker(folder: Path) -> Generator[tuple[TinkerState, str]]:
    """Runs the server in a thread; yields its state and its base URL."""
    state = TinkerState(folder)
    server = QuietServer(("127.0.0.1", 0), type("Handler", (TinkerHandler,), {"state": state}))
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield state, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
