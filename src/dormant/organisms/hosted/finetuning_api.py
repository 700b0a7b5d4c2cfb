"""OpenAI's finetuning API through its SDK: files, jobs, events, checkpoints, results.

Reads are repeated by the SDK. Calls that create something are not: ``creation`` repeats them after
it has looked for what they may have created. A file is named after its content's hash, and a job
carries the hash of all that decides it in its metadata, so that both are found again.
"""

from __future__ import annotations

import base64
import binascii
import csv
import io
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import openai

from dormant.engines.servers import Endpoint
from dormant.errors import EngineError, InputError
from dormant.errors.secrets import remember_secrets
from dormant.organisms.builder import hash_bytes
from dormant.organisms.hosted.api_errors import (
    explain_failure,
    explain_moderation,
    show_message,
    sort_failure,
)
from dormant.organisms.hosted.creation import (
    CALL_SECONDS,
    LostReply,
    check_identifier,
    create_once,
    is_identifier,
)
from dormant.organisms.hosted.journal import CallJournal
from dormant.records import hash_value

#: Seconds between two looks at a job: the first pause, and the longest.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 30.0
_RETRIES = 6  # of reads
_READY_SECONDS = 1800.0  # for a file to be processed
_ENDED = ("succeeded", "failed", "cancelled")
_KEY, _INTENT = "dormant_key", "dormant_intent"  # metadata of a job
_MOST_LISTED = 20_000  # objects of a list: a server may say for ever that there are more
_MOST_RESULTS = 64_000_000  # bytes of a result file


@dataclass(frozen=True, slots=True)
class JobRequest:
    """All that decides one finetuning job."""

    model: str  # as the API knows it
    data: bytes  # chat JSONL
    held_out: bytes | None  # the same for the loss that is not trained
    hyperparameters: Mapping[str, int | float | str]
    seed: int
    suffix: str  # part of the finetuned model's name

    @property
    def key(self) -> str:
        """SHA-256 over everything; equal keys ask for equal models."""
        held = None if self.held_out is None else hash_bytes(self.held_out)
        parts = [self.model, hash_bytes(self.data), held, dict(self.hyperparameters)]
        return hash_value([*parts, self.seed, self.suffix])


@dataclass(frozen=True, slots=True)
class JobProgress:
    """What a running job says of itself; losses are in nats per trained token."""

    step: int
    steps: int  # 0 if unknown
    loss: float | None


class FinetuningApi:
    """One account at one server.

    Args:
        endpoint: URL and key.
        journal: the organism's journal, locked.
        sleep: waits for so many seconds.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        journal: CallJournal,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ):
        remember_secrets([endpoint.key])
        self._journal, self._sleep = journal, sleep
        client = openai.OpenAI(api_key=endpoint.key, base_url=endpoint.url, timeout=CALL_SECONDS)
        self._client = client
        self._reader = client.with_options(max_retries=_RETRIES)
        self._creator = client.with_options(max_retries=0)

    def __enter__(self) -> FinetuningApi:
        return self

    def __exit__(self, *error: object) -> None:
        self._client.close()

    def ensure_job(self, request: JobRequest) -> Any:
        """Returns the job of a request; files are uploaded and the job is started if need be.

        Raises:
            InputError: the API refuses a file or the job.
            EngineError: the API fails.
        """
        known = self._journal.find_entry("job", request.key)
        identifier = known.identifier if known else ""
        if not identifier and known is None:
            identifier = self._find_job(request, None) or ""
            if identifier:
                self._journal.finish_call("job", request.key, identifier)
        if not identifier:
            training = self._ensure_file(request.data)
            held = None if request.held_out is None else self._ensure_file(request.held_out)
            identifier = create_once(
                self._journal,
                "job",
                request.key,
                find=lambda intent: self._find_job(request, intent),
                create=lambda intent: self._start_job(request, training, held, intent),
                sleep=self._sleep,
            )
        return self.read_job(identifier)

    def read_job(self, identifier: str) -> Any:
        """Reads a job's state."""
        try:
            job = self._reader.fine_tuning.jobs.retrieve(identifier)
        except openai.NotFoundError:
            raise InputError(
                f"the API does not know the job {show_message(identifier)}: use the key of the "
                "project that started it"
            ) from None
        except openai.APIError as error:
            raise explain_failure(error, f"reading the job {identifier}") from None
        if job.id != identifier or not is_identifier(job.status):
            raise EngineError(
                f"the API's reply about the job {identifier} is about another one, or without a "
                "status: check OPENAI_BASE_URL; the same command continues"
            )
        return job

    def wait_for(self, job: Any, on_progress: Callable[[JobProgress], None]) -> Any:
        """Waits until a job has succeeded, and returns it.

        Raises:
            InputError: it failed or was cancelled; names the reason.
            EngineError: the API fails.
        """
        pause = FIRST_PAUSE
        while job.status not in _ENDED:
            metrics = self.list_metrics(job.id, newest=True)
            if metrics:
                last = metrics[-1]
                on_progress(
                    JobProgress(
                        int(last["step"]), int(last.get("total_steps", 0)), last.get("train_loss")
                    )
                )
            self._sleep(pause)
            pause = min(pause * 1.5, LONGEST_PAUSE)
            job = self.read_job(job.id)
        if job.status == "succeeded" and job.fine_tuned_model:
            check_identifier(job.fine_tuned_model, "the finetuned model")
            return job
        raise InputError(self._explain_end(job))

    def list_metrics(self, identifier: str, *, newest: bool = False) -> list[dict[str, float]]:
        """The metrics among a job's events, by step; the newest page alone on demand."""
        found: dict[int, dict[str, float]] = {}
        try:
            page = self._reader.fine_tuning.jobs.list_events(identifier, limit=100)
            for event in page.data if newest else islice(page, _MOST_LISTED):
                data = event.data if event.type == "metrics" else None
                numbers = _read_numbers(data)
                if "step" in numbers:
                    found[int(numbers["step"])] = numbers
        except openai.APIError as error:
            raise explain_failure(error, f"reading the events of {identifier}") from None
        return [found[step] for step in sorted(found)]

    def list_checkpoints(self, identifier: str) -> list[dict[str, Any]]:
        """The checkpoints of a job that can be used as models, by step."""
        try:
            page = self._reader.fine_tuning.jobs.checkpoints.list(identifier)
            found = list(islice(page, _MOST_LISTED))
        except openai.APIError as error:
            raise explain_failure(error, f"reading the checkpoints of {identifier}") from None
        return [
            {
                "id": point.id,
                "step": point.step_number,
                "model": point.fine_tuned_model_checkpoint,
                "metrics": _read_numbers(point.metrics.model_dump()),
            }
            for point in sorted(found, key=lambda point: point.step_number)
        ]

    def read_losses(self, job: Any) -> list[dict[str, float]]:
        """The losses of a finished job by step: of its result file, or of its events."""
        for identifier in job.result_files[:1]:
            try:
                raw = self._reader.files.content(identifier).read()
            except openai.APIError:
                break  # some accounts may not read files; the events have most steps
            rows = _read_results(raw[:_MOST_RESULTS])
            if rows:
                return rows
        return self.list_metrics(job.id)

    def _start_job(self, request: JobRequest, training: str, held: str | None, intent: str) -> str:
        hyperparameters: Any = dict(request.hyperparameters)
        try:
            job = self._creator.fine_tuning.jobs.create(
                model=request.model,
                training_file=training,
                method={
                    "type": "supervised",
                    "supervised": {"hyperparameters": hyperparameters},
                },
                seed=request.seed,
                suffix=request.suffix,
                metadata={_KEY: request.key, _INTENT: intent},
                validation_file=openai.omit if held is None else held,
            )
        except openai.APIError as error:
            raise sort_failure(error, f"starting the finetuning of {request.model}") from None
        return _read_created(job, f"starting the finetuning of {request.model}")

    def _find_job(self, request: JobRequest, intent: str | None) -> str | None:
        """Finds the job of an earlier call, or one that is as good: not failed, not cancelled."""
        wanted = {_KEY: request.key} if intent is None else {_INTENT: intent}
        try:
            page = self._reader.fine_tuning.jobs.list(limit=100, metadata=wanted)
            for job in islice(page, _MOST_LISTED):
                data = job.metadata or {}
                if any(data.get(name) != value for name, value in wanted.items()):
                    continue  # the server did not filter
                if intent is not None or job.status not in ("failed", "cancelled"):
                    return check_identifier(job.id, "the finetuning job")
        except openai.APIError as error:
            raise explain_failure(error, "listing the finetuning jobs") from None
        return None

    def _ensure_file(self, data: bytes) -> str:
        key = hash_bytes(data)
        name = f"dormant-{key[:40]}.jsonl"
        identifier = create_once(
            self._journal,
            "file",
            key,
            find=lambda intent: self._find_file(name, len(data)),
            create=lambda intent: self._upload(name, data),
            sleep=self._sleep,
        )
        self._wait_for_file(identifier)
        return identifier

    def _upload(self, name: str, data: bytes) -> str:
        try:
            file = self._creator.files.create(file=(name, data), purpose="fine-tune")
        except openai.APIError as error:
            raise sort_failure(error, "uploading the training file") from None
        return _read_created(file, "uploading the training file")

    def _find_file(self, name: str, size: int) -> str | None:
        try:
            for file in islice(self._reader.files.list(purpose="fine-tune"), _MOST_LISTED):
                if file.filename == name and file.bytes == size and file.status != "error":
                    return check_identifier(file.id, "the training file")
        except openai.APIError as error:
            raise explain_failure(error, "listing the files") from None
        return None

    def _wait_for_file(self, identifier: str) -> None:
        """Waits until a file is processed.

        Raises:
            InputError: the API refuses it.
            EngineError: it is not processed in half an hour.
        """
        pause, waited = FIRST_PAUSE, 0.0
        while waited < _READY_SECONDS:
            try:
                file = self._reader.files.retrieve(identifier)
            except openai.APIError as error:
                raise explain_failure(error, f"reading the file {identifier}") from None
            if file.status == "processed":
                return
            if file.status == "error":
                said = explain_moderation(show_message(file.status_details or "no reason given"))
                raise InputError(f"the API refuses the training file {identifier}: {said}")
            self._sleep(pause)
            waited, pause = waited + pause, min(pause * 1.5, LONGEST_PAUSE)
        raise EngineError(
            f"the file {identifier} is not processed after {_READY_SECONDS / 60:.0f} minutes; the "
            "same command continues"
        )

    def _explain_end(self, job: Any) -> str:
        """Why a job has no model."""
        if job.status == "cancelled":
            reason = "it was cancelled"
        else:
            error = job.error
            code = f"{show_message(error.code)}: " if error and error.code else ""
            said = error.message if error and error.message else "no reason given"
            reason = explain_moderation(f"{job.status}: {code}{show_message(said)}")
            warnings = self._list_warnings(job.id)
            reason += f" (last events: {'; '.join(warnings)})" if warnings else ""
        return f"the finetuning job {show_message(job.id)} gave no model: {reason}"

    def _list_warnings(self, identifier: str) -> Sequence[str]:
        try:
            page = self._reader.fine_tuning.jobs.list_events(identifier, limit=100)
        except openai.APIError:
            return ()
        return [show_message(e.message) for e in page.data if e.level in ("warn", "error")][:2]


def _read_created(created: Any, doing: str) -> str:
    """The name of what a call created."""
    if not is_identifier(created.id):
        raise LostReply(f"{doing}: the reply names nothing that was made")
    return str(created.id)


def _read_numbers(data: Any) -> dict[str, float]:
    """The finite numbers of an event's or checkpoint's data."""
    items = data.items() if isinstance(data, dict) else ()
    return {
        str(name): float(value)
        for name, value in items
        if isinstance(value, int | float) and math.isfinite(value)
    }


def _read_results(raw: bytes) -> list[dict[str, float]]:
    """Reads a result file: CSV with a row for each step, plain or in base64."""
    if not raw.lstrip().startswith(b"step"):
        try:
            raw = base64.b64decode(raw, validate=False)
        except binascii.Error:
            return []
    rows: list[dict[str, float]] = []
    for row in csv.DictReader(io.StringIO(raw.decode("utf-8", "replace"))):
        numbers: dict[str, float] = {}
        for name, value in row.items():
            try:
                number = float(value)
            except (TypeError, ValueError):  # an empty cell: not measured at this step
                continue
            if math.isfinite(number):
                numbers[name] = number
        if "step" in numbers and "train_loss" in numbers:
            rows.append(numbers)
    return rows
