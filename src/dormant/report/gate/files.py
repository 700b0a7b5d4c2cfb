"""The files of a gate's result, written for every result and never over what it was made of."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from dormant.errors import ConfigError, name_output
from dormant.errors.secrets import scrub_known
from dormant.records import GateResult
from dormant.report.gate.comment import write_comment
from dormant.report.gate.junit import write_junit
from dormant.report.gate.sarif import write_sarif

_WRITERS: Mapping[str, Callable[[GateResult], str]] = {
    "junit": write_junit,
    "sarif": write_sarif,
    "markdown": write_comment,
}
#: Files of a run that nothing else may replace.
_OWN = frozenset(
    {"run.sqlite", "run.sqlite-wal", "run.sqlite-shm", "plan.lock.json", "verdict.json"}
    | {"labels.csv", "calibration.json", "report.html", "report.md", "report.json", ".lock"}
)


def write_files(
    result: GateResult, outputs: Mapping[str, Path | None], *, policy: Path | None, run: Path
) -> list[Path]:
    """Writes the result in the formats that have a path; all are made before the first is written.

    Args:
        result: of the gate.
        outputs: format (``junit``, ``sarif``, ``markdown``) -> the file, or None.
        policy: the policy's file, which must not be replaced.
        run: the run directory, whose own files must not be replaced.

    Returns:
        The files.

    Raises:
        ConfigError: a file cannot be written, or would replace the policy or a file of the run.
    """
    paths = {kind: path for kind, path in outputs.items() if path is not None}
    for kind, path in paths.items():
        _check_path(kind, path, policy, run)
    if len({path.resolve() for path in paths.values()}) < len(paths):
        raise ConfigError("two formats have the same file: give each its own")
    texts = [(path, _WRITERS[kind](result)) for kind, path in paths.items()]
    for path, text in texts:
        with name_output(path):
            path.write_text(scrub_known(text), encoding="utf-8", newline="\n")
    return [path for path, _ in texts]


def _check_path(kind: str, path: Path, policy: Path | None, run: Path) -> None:
    is_policy = policy is not None and path.resolve() == policy.resolve()
    if is_policy or (path.name in _OWN and path.parent.resolve() == run.resolve()):
        what = "the policy" if is_policy else "a file of the run"
        raise ConfigError(f"would be replaced by --{kind}: it is {what}", file=path)
