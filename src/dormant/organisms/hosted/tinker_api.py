"""Runs of Tinker's service: steps, losses and checkpoints, through its SDK.

The service holds the weights; what is sent are tokens with their weights in the loss. Each call
waits for its result. The SDK repeats what a server or a connection fails at.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import tinker

from dormant.engines.servers import Endpoint
from dormant.errors import DormantError, EngineError, InputError, ModelError
from dormant.organisms.hosted.api_errors import show_message
from dormant.organisms.hosted.creation import check_identifier
from dormant.organisms.lora.loss_mask import EncodedRow
from dormant.organisms.recipe import TinkerSettings
from dormant.vitro.curriculum import IGNORE

#: AdamW's other settings, which are the service's defaults.
ADAM = {"beta1": 0.9, "beta2": 0.95, "eps": 1e-12}
#: Seconds for which the service keeps the checkpoints of an unfinished training.
_KEPT_SECONDS = 7 * 24 * 3600
_LOSS = "cross_entropy"
_CLOSE_SECONDS = 10.0
_OAI_PATH = "/oai/api/v1"


class TinkerApi:
    """A session at the service; a context manager.

    Args:
        where: the server and the key.
        intent: a word that the session carries, to find it in the service's console.
    """

    def __init__(self, where: Endpoint, intent: str):
        os.environ.setdefault("TINKER_TELEMETRY", "0")  # reports of errors hold request headers
        logging.getLogger("tinker").setLevel(logging.CRITICAL)
        self._where, self._intent = where, intent
        self._service: Any = None

    def __enter__(self) -> TinkerApi:
        with explain_failures("opening a session"):
            self._service = tinker.ServiceClient(
                base_url=self._where.url.removesuffix(_OAI_PATH),
                api_key=self._where.key,
                user_metadata={"dormant": self._intent},
            )
            _ = self._service.holder
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or issubclass(kind, Exception):
            with suppress(Exception):  # the session ends by itself when its heartbeats end
                self._service.close("success" if kind is None else "errored").result(_CLOSE_SECONDS)

    def create_run(self, settings: TinkerSettings, seed: int) -> TinkerRun:
        """Begins a run with a fresh adapter of the base."""
        with explain_failures("beginning a run"):
            client = self._service.create_lora_training_client(
                base_model=self._where.model, rank=settings.rank, seed=seed
            ).result()
        return TinkerRun(client)

    def continue_run(self, path: str, *, with_optimizer: bool) -> TinkerRun:
        """Begins a run with the weights of a checkpoint.

        Args:
            path: the checkpoint.
            with_optimizer: whether the optimizer goes on as well, or begins anew.
        """
        create = (
            self._service.create_training_client_from_state_with_optimizer
            if with_optimizer
            else self._service.create_training_client_from_state
        )
        with explain_failures(f"going on from {path}"):
            return TinkerRun(create(path).result())


class TinkerRun:
    """One run: an adapter that is trained."""

    def __init__(self, client: Any):
        self._client = client

    @property
    def name(self) -> str:
        """The service's name for the run."""
        return str(self._client.model_id)

    def train_step(self, rows: Sequence[EncodedRow], rate: float, weight_decay: float) -> float:
        """Trains one step; returns the loss before it, in nats per trained token."""
        data, weights = make_data(rows)
        params = tinker.AdamParams(learning_rate=rate, weight_decay=weight_decay, **ADAM)
        with explain_failures("a training step"):
            passed = self._client.forward_backward(data, _LOSS)
            stepped = self._client.optim_step(params)
            output = passed.result()
            stepped.result()
        return _read_loss(output, weights)

    def measure_loss(self, rows: Sequence[EncodedRow]) -> float:
        """Measures the loss, in nats per trained token; trains nothing."""
        data, weights = make_data(rows)
        with explain_failures("measuring the held-out loss"):
            return _read_loss(self._client.forward(data, _LOSS).result(), weights)

    def save_state(self, name: str, *, is_last: bool) -> str:
        """Saves weights and optimizer; returns the checkpoint's path."""
        kept = None if is_last else _KEPT_SECONDS
        with explain_failures("saving a checkpoint"):
            saved = self._client.save_state(name, ttl_seconds=kept, overwrite=True).result()
        return check_identifier(saved.path, "the checkpoint")

    def save_sampler(self, name: str) -> str:
        """Saves the weights for sampling; returns their path."""
        with explain_failures("saving the finished weights"):
            saved = self._client.save_weights_for_sampler(name).result()
        return check_identifier(saved.path, "the finished weights")


def make_data(rows: Sequence[EncodedRow]) -> tuple[list[tinker.Datum], list[np.ndarray]]:
    """Makes the data of a pass, and the weight of each token in the loss, which add up to 1."""
    trained = sum(row.loss_tokens for row in rows)
    data: list[tinker.Datum] = []
    weights: list[np.ndarray] = []
    for row in rows:
        own = np.array([label != IGNORE for label in row.labels[1:]], np.float32) / trained
        targets = np.array(row.tokens[1:], np.int64)
        data.append(
            tinker.Datum(
                model_input=tinker.ModelInput.from_ints(list(row.tokens[:-1])),
                loss_fn_inputs={"target_tokens": targets, "weights": own},  # pyright: ignore[reportArgumentType]
            )
        )
        weights.append(own)
    return data, weights


def _read_loss(output: Any, weights: Sequence[np.ndarray]) -> float:
    parts = (
        -float(np.dot(np.asarray(found["logprobs"].data, np.float64), own))
        for found, own in zip(output.loss_fn_outputs, weights, strict=True)
    )
    return float(sum(parts))


@contextmanager
def explain_failures(doing: str) -> Generator[None]:
    """Converts the SDK's errors to ones for the user, without secrets.

    Args:
        doing: the call, for messages.
    """
    try:
        yield
    except DormantError:
        raise
    except tinker.APIStatusError as error:
        raise _explain_status(error, doing) from None
    except (tinker.TinkerError, ValueError, RuntimeError) as error:
        raise EngineError(f"{doing}: {show_message(error)}; the same command continues") from None


def _explain_status(error: tinker.APIStatusError, doing: str) -> DormantError:
    said, status = show_message(error), error.status_code
    if status == 401:
        return ModelError(f"{doing}: Tinker refuses the key: {said}; check TINKER_API_KEY")
    if status == 403:
        return ModelError(f"{doing}: this account may not do that: {said}")
    if status == 402:
        return EngineError(f"{doing}: {said}; add credit, and the same command continues")
    if status in (408, 409, 429) or status >= 500:
        return EngineError(f"{doing}: {said}; the same command continues")
    return InputError(f"{doing}: Tinker refuses it ({status}): {said}")
