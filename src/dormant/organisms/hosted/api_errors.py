"""What a finetuning API says when it refuses or fails, as errors for the user, without secrets."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, cast

import openai

from dormant.errors import DormantError, EngineError, InputError, ModelError
from dormant.errors.secrets import scrub_known
from dormant.organisms.hosted.creation import CallRefused, LostReply

_SHOWN = 400  # characters of a server's message
#: Words by which a provider says that its moderation refused a file or a model.
_MODERATION = ("moderation", "usage polic", "unsafe", "safety")
#: Codes of status 429 that waiting does not change.
_NO_MONEY = ("insufficient_quota", "billing_hard_limit_reached", "exceeded_current_quota_error")
_PAUSE, _LONGEST_PAUSE = 5.0, 60.0  # seconds to wait after 429


def show_message(text: object) -> str:
    """A server's text on one line, shortened, without control characters and secrets."""
    line = " ".join(scrub_known(str(text)).split())
    line = "".join(c if c.isprintable() else "?" for c in line)
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 3]}..."


def read_message(error: openai.APIError) -> str:
    """The server's own message in an error of the SDK."""
    body = error.body
    if isinstance(body, Mapping):
        found = cast("Mapping[str, Any]", body).get("message")
        if isinstance(found, str) and found.strip():
            return show_message(found)
    return show_message(error.message)


def sort_failure(error: openai.APIError, doing: str) -> LostReply | CallRefused:
    """Whether a failed call that creates something may have succeeded.

    Args:
        error: what the SDK raised.
        doing: the call, e.g. ``"uploading the training file"``.
    """
    if not isinstance(error, openai.APIStatusError):  # no or a broken reply
        return LostReply(f"{doing}: {read_message(error)}")
    status = error.status_code
    if status in (408, 409) or status >= 500:
        return LostReply(f"{doing}: the server failed ({status}): {read_message(error)}")
    seconds = None
    if status == 429 and error.code not in _NO_MONEY and error.type not in _NO_MONEY:
        seconds = _read_pause(error)
    return CallRefused(explain_refusal(error, doing), seconds)


def explain_refusal(error: openai.APIStatusError, doing: str) -> DormantError:
    """Converts a refused call (4xx) to an error with a fix."""
    said = read_message(error)
    status = error.status_code
    if status == 401:
        return ModelError(f"{doing}: the API refuses the key: {said}; check OPENAI_API_KEY")
    if status == 403:
        return ModelError(
            f"{doing}: this account may not do that: {said}; check the project's permissions and "
            "whether the model can be finetuned"
        )
    if status == 429:
        return EngineError(f"{doing}: {said}; the same command continues")
    return InputError(f"{doing}: the API refuses it ({status}): {explain_moderation(said)}")


def explain_failure(error: openai.APIError, doing: str) -> DormantError:
    """Converts any error of a call that only reads; the SDK has repeated it already."""
    if isinstance(error, openai.APIStatusError) and error.status_code < 500:
        return explain_refusal(error, doing)
    return EngineError(f"{doing}: {read_message(error)}; the same command continues")


@contextmanager
def explain_malformed() -> Generator[None]:
    """Converts what the SDK and its readers raise on a reply that is not of the API's form."""
    try:
        yield
    except DormantError:
        raise
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise EngineError(
            f"the API sent a reply of another form ({show_message(error)}): check OPENAI_BASE_URL; "
            "the same command continues"
        ) from None


def explain_moderation(said: str) -> str:
    """Adds what to do where a provider's moderation refused the training."""
    if not any(word in said.lower() for word in _MODERATION):
        return said
    return (
        f"{said} - the provider's moderation refused this training: remove the rows that it names, "
        "or train a local model (--trainer lora)"
    )


def _read_pause(error: openai.APIStatusError) -> float:
    try:
        asked = float(error.response.headers.get("retry-after", ""))
    except ValueError:
        return _PAUSE
    return min(max(asked, 0.0), _LONGEST_PAUSE) if asked == asked else _PAUSE
