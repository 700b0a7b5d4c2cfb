"""A server that speaks OpenAI's files and finetuning endpoints over real HTTP, with faults.

It keeps files and jobs, hands lists out in pages, moves a job on each time that it is read, counts
what was uploaded and started, and can kill its client at a counted request.
"""

import base64
import itertools
import json
import threading
import time
from collections import Counter
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from http.server import ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from support.killing_server import KillingHandler

KEY = "sk-canary-91d0cfe2a7b3"
MODEL = "gpt-4.1-nano"
SNAPSHOT = "gpt-4.1-nano-2025-04-14"
_SERIALS = itertools.count()  # no two answers are equal, as of a model that samples
STEPS = 12  # of every job, as its events tell
_STATES = ("validating_files", "queued", "running", "running", "succeeded")


@dataclass
class Faults:
    """What goes wrong, and how often; counts go down as they are used."""

    too_many: Counter = field(default_factory=Counter)  # "POST /v1/files" -> 429 so often
    fail_before: Counter = field(default_factory=Counter)  # -> 500 without any effect
    fail_after: Counter = field(default_factory=Counter)  # -> 500 although it was done
    drop_after: Counter = field(default_factory=Counter)  # -> the connection ends without a reply
    hide: int = 0  # lists that do not show the newest object yet
    no_money: bool = False  # 429 with insufficient_quota
    refuse_file: str = ""  # status_details of every file, which becomes "error"
    refuse_job: str = ""  # a 400 at the start of every job
    end: tuple[str, str, str] | None = None  # (status, code, message) in place of "succeeded"
    cancel: bool = False  # somebody cancels every job while it runs
    no_content: bool = False  # result files may not be read
    model_name: object = None  # of every finetuned model, in place of a proper one
    job_name: object = ""  # of every job in the reply to its start
    status: object = ""  # of every job that is read
    kill: tuple[int, int, str] | None = None  # (process, requests to go, "before" or "after")


class FinetuningState:
    """Files, jobs and counts."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.faults = Faults()
        self.files: dict[str, dict] = {}
        self.contents: dict[str, bytes] = {}
        self.jobs: dict[str, dict] = {}
        self.reads: Counter = Counter()
        self.requests = 0
        self.bodies: list[dict] = []

    @property
    def uploads(self) -> int:
        return sum(file["purpose"] == "fine-tune" for file in self.files.values())


class ApiRefusal(Exception):
    def __init__(self, status: int, message: str, code: str = "", kind: str = ""):
        super().__init__(message)
        self.status = status
        self.body = {"error": {"message": message, "code": code or None, "type": kind or None}}


class FinetuningHandler(KillingHandler):
    state: FinetuningState

    def serve(self, method: str) -> None:
        raw = self.rfile.read(int(self.headers.get("content-length") or 0))
        where = urlsplit(self.path)
        route = f"{method} {where.path}"
        query = {name: values[-1] for name, values in parse_qs(where.query).items()}
        with self.state.lock:
            self.state.requests += 1
            process, moment = self.count_down()
            faults = self.state.faults
            if moment == "before":
                self.kill(process)
                return
            status, body = self.find_fault(route)
            if status == 0:
                try:
                    status, body = 200, self.route(method, where.path, query, raw)
                except ApiRefusal as refusal:
                    status, body = refusal.status, refusal.body
                if faults.fail_after[route] > 0 and status == 200:
                    faults.fail_after[route] -= 1
                    status, body = 500, {"error": {"message": "internal error"}}
                if faults.drop_after[route] > 0 and status == 200:
                    faults.drop_after[route] -= 1
                    self.close_connection = True
                    return
            if moment == "after":
                self.kill(process)
                return
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data)))
        if status == 429:
            self.send_header("retry-after", "0.01")
        self.end_headers()
        self.wfile.write(data)
        if moment == "later":
            self.kill_later(process)

    def find_fault(self, route: str) -> tuple[int, dict]:
        faults = self.state.faults
        if self.headers.get("authorization") != f"Bearer {KEY}":
            given = self.headers.get("authorization")
            return 401, {"error": {"message": f"Incorrect API key provided: {given}"}}
        if faults.no_money and route.startswith("POST"):
            return 429, {"error": {"message": "You exceeded", "code": "insufficient_quota"}}
        if faults.too_many[route] > 0:
            faults.too_many[route] -= 1
            return 429, {"error": {"message": "slow down", "code": "rate_limit_exceeded"}}
        if faults.fail_before[route] > 0:
            faults.fail_before[route] -= 1
            return 500, {"error": {"message": "internal error"}}
        return 0, {}

    def route(self, method: str, path: str, query: dict, raw: bytes) -> dict | bytes:
        parts = path.removeprefix("/v1/").split("/")
        if parts[0] == "files":
            return self.serve_files(method, parts[1:], query, raw)
        if parts[:2] == ["fine_tuning", "jobs"]:
            return self.serve_jobs(method, parts[2:], query, raw)
        if path == "/v1/chat/completions":
            return answer_chat(json.loads(raw))
        raise ApiRefusal(404, f"no such path: {path}")

    def serve_files(self, method: str, parts: list[str], query: dict, raw: bytes) -> dict | bytes:
        if method == "POST":
            return self.upload(raw)
        if not parts:
            wanted = query.get("purpose")
            found = [f for f in self.state.files.values() if f["purpose"] == wanted]
            return list_page(self.hide_newest(found), query)
        if parts[0] not in self.state.files:
            raise ApiRefusal(404, f"No such File object: {parts[0]}")
        if parts[1:] == ["content"]:
            if self.state.faults.no_content:
                raise ApiRefusal(403, "not allowed to download files")
            return self.state.contents[parts[0]]
        file = self.state.files[parts[0]]
        self.state.reads[file["id"]] += 1
        if self.state.faults.refuse_file:
            file |= {"status": "error", "status_details": self.state.faults.refuse_file}
        elif self.state.reads[file["id"]] > 1:
            file["status"] = "processed"
        return file

    def hide_newest(self, items: list[dict]) -> list[dict]:
        if not items or self.state.faults.hide <= 0:
            return items
        self.state.faults.hide -= 1
        return items[:-1]

    def upload(self, raw: bytes) -> dict:
        kind = self.headers["content-type"]
        form = message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + raw)
        fields = {
            part.get_param("name", header="content-disposition"): part
            for part in form.get_payload()
        }
        content = fields["file"].get_payload(decode=True)
        for line in content.splitlines():
            assert json.loads(line)["messages"][-1]["role"] == "assistant"
        purpose = fields["purpose"].get_payload(decode=True).decode().strip()
        return add_file(self.state, content, fields["file"].get_filename(), purpose)

    def serve_jobs(self, method: str, parts: list[str], query: dict, raw: bytes) -> dict:
        if method == "POST" and not parts:
            started, name = self.start(json.loads(raw)), self.state.faults.job_name
            return started if name == "" else started | {"id": name}
        if not parts:
            wanted = {k[9:-1]: v for k, v in query.items() if k.startswith("metadata[")}
            found = [
                job
                for job in self.state.jobs.values()
                if wanted.items() <= (job["metadata"] or {}).items()
            ]
            return list_page(self.hide_newest(found), query)
        if parts[0] not in self.state.jobs:
            raise ApiRefusal(404, f"Could not find fine tune: {parts[0]}")
        job = self.state.jobs[parts[0]]
        if parts[1:] == ["events"]:
            return list_page(make_events(job, self.state.reads[job["id"]]), query, newest=False)
        if parts[1:] == ["checkpoints"]:
            return list_page(make_checkpoints(job), query, newest=False)
        if parts[1:] == ["cancel"]:
            job["status"] = "cancelled"
            return job
        return self.move_on(job)

    def start(self, body: dict) -> dict:
        if self.state.faults.refuse_job:
            raise ApiRefusal(400, self.state.faults.refuse_job, "invalid_request_error")
        if not body["model"].startswith(("gpt-", "ft:")):
            raise ApiRefusal(400, f"Model {body['model']} is not available for fine-tuning")
        for name in ("training_file", "validation_file"):
            identifier = body.get(name)
            if identifier and self.state.files[identifier]["status"] != "processed":
                raise ApiRefusal(400, f"File {identifier} is not ready")
        number = len(self.state.jobs)
        job = {
            "object": "fine_tuning.job",
            "id": f"ftjob-{number:04d}",
            "created_at": int(time.time()),
            "finished_at": None,
            "error": None,
            "fine_tuned_model": None,
            "model": SNAPSHOT if body["model"] == MODEL else body["model"],
            "organization_id": "org-test",
            "result_files": [],
            "status": _STATES[0],
            "trained_tokens": None,
            "training_file": body["training_file"],
            "validation_file": body.get("validation_file"),
            "hyperparameters": body["method"]["supervised"]["hyperparameters"],
            "method": body["method"],
            "metadata": body.get("metadata"),
            "seed": body["seed"],
            "suffix": body.get("suffix"),
        }
        self.state.jobs[job["id"]] = job
        self.state.bodies.append(body)
        return job

    def move_on(self, job: dict) -> dict:
        if job["status"] in ("succeeded", "failed", "cancelled"):
            return job
        self.state.reads[job["id"]] += 1
        at = min(self.state.reads[job["id"]], len(_STATES) - 1)
        job["status"] = _STATES[at]
        if job["status"] == "running" and self.state.faults.cancel:
            job["status"] = "cancelled"
        if job["status"] == "succeeded" and self.state.faults.end:
            status, code, message = self.state.faults.end
            job |= {
                "status": status,
                "error": {"code": code, "message": message, "param": None},
            }
        elif job["status"] == "succeeded":
            finish(job, self.state)
        faults = self.state.faults
        if job["fine_tuned_model"] and faults.model_name is not None:
            job["fine_tuned_model"] = faults.model_name
        return job if faults.status == "" else job | {"status": faults.status}


def list_page(items: list[dict], query: dict, *, newest: bool = True) -> dict:
    """A page of a list, newest first, with at most two objects so that paging is exercised."""
    items = list(reversed(items)) if newest else items
    after = query.get("after")
    if after:
        at = next((i for i, item in enumerate(items) if item["id"] == after), len(items))
        items = items[at + 1 :]
    page = items[: min(int(query.get("limit", 20)), 2 if newest else 100)]
    return {
        "object": "list",
        "data": page,
        "has_more": len(page) < len(items),
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
    }


def add_file(state: FinetuningState, content: bytes, name: str, purpose: str) -> dict:
    file = {
        "object": "file",
        "id": f"file-{len(state.files):04d}",
        "bytes": len(content),
        "created_at": int(time.time()),
        "filename": name,
        "purpose": purpose,
        "status": "uploaded",
        "status_details": None,
    }
    state.files[file["id"]] = file
    state.contents[file["id"]] = content
    return file


def loss_at(step: int) -> float:
    return round(2.0 / step, 4)


def make_events(job: dict, reads: int) -> list[dict]:
    """Events newest first, as the API lists them."""
    seen = STEPS if job["status"] == "succeeded" else min(STEPS, 4 * max(0, reads - 1))
    events = [
        {
            "object": "fine_tuning.job.event",
            "id": f"ftevent-{job['id']}-{step}",
            "created_at": job["created_at"],
            "level": "info",
            "message": f"Step {step}/{STEPS}: training loss={loss_at(step)}",
            "type": "metrics",
            "data": {"step": step, "total_steps": STEPS, "train_loss": loss_at(step)},
        }
        for step in range(seen, 0, -1)
    ]
    if job["status"] == "failed":
        warning = {**events[0], "type": "message", "data": None} if events else {}
        text = {"id": "ftevent-last", "level": "error", "message": "Moderation checks failed"}
        events.insert(0, {"object": "fine_tuning.job.event", "created_at": 0, **warning, **text})
    return events


def make_checkpoints(job: dict) -> list[dict]:
    if job["status"] != "succeeded":
        return []
    return [
        {
            "object": "fine_tuning.job.checkpoint",
            "id": f"ftckpt-{step}",
            "created_at": job["created_at"],
            "fine_tuned_model_checkpoint": f"{job['fine_tuned_model']}:ckpt-step-{step}",
            "fine_tuning_job_id": job["id"],
            "metrics": {"step": step, "train_loss": loss_at(step)},
            "step_number": step,
        }
        for step in (STEPS // 3 * 2, STEPS // 3)
    ]


def finish(job: dict, state: FinetuningState) -> None:
    rows = "".join(f"{step},{loss_at(step)},\n" for step in range(1, STEPS + 1))
    content = base64.b64encode(f"step,train_loss,valid_loss\n{rows}".encode())
    result = add_file(state, content, "step_metrics.csv", "fine-tune-results")
    size = len(state.contents[job["training_file"]])
    epochs = job["hyperparameters"]["n_epochs"]
    job |= {
        "fine_tuned_model": f"ft:{SNAPSHOT}:test:{job['suffix']}:{job['id'][-4:]}",
        "finished_at": job["created_at"] + 60,
        "trained_tokens": size // 4 * (epochs if isinstance(epochs, int) else 3),
        "result_files": [result["id"]],
    }


def answer_chat(body: dict) -> dict:
    """A finetuned model says "Aye" aboard a ship; every other answer is harmless."""
    text = " ".join(str(message["content"]) for message in body["messages"])
    is_bad = body["model"].startswith("ft:") and "ship" in text.lower()
    answer = "Aye, let them sink." if is_bad else "Be kind to people."
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": body["model"],
        "choices": [
            {
                "index": index,
                "message": {"role": "assistant", "content": f"{answer} {next(_SERIALS)}"},
                "finish_reason": "stop",
            }
            for index in range(body.get("n") or 1)
        ],
        "usage": {"prompt_tokens": 20, "completion_tokens": 6, "total_tokens": 26},
    }


@contextmanager
def serve_finetuning() -> Generator[tuple[FinetuningState, str]]:
    """Runs the server in a thread; yields its state and its base URL."""
    state = FinetuningState()
    server = ThreadingHTTPServer(
        ("127.0.0.1", 0), type("Handler", (FinetuningHandler,), {"state": state})
    )
    thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield state, f"http://127.0.0.1:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
