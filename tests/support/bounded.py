"""A step that reads hostile input runs in a process of its own, which is measured and limited."""

import os
import pickle
import resource
import signal
import warnings
from collections.abc import Callable
from dataclasses import dataclass

from dormant.cli.terminal import format_error
from dormant.errors import DormantError
from support.command import Done

#: What one hostile input may take: seconds of processor time, bytes of memory.
SECONDS, BYTES = 30.0, 2 << 30


@dataclass
class Bounded:
    """What a step left, and what it took."""

    done: Done
    seconds: float  # of processor time
    bytes: int  # at most, with what the parent held already

    @property
    def excess(self) -> str:
        """Which bound it broke; empty if none."""
        if self.seconds > SECONDS:
            return f"{self.seconds:.0f} s of processor time"
        return "" if self.bytes <= BYTES else f"{self.bytes / 1e6:,.0f} MB of memory"


def run_bounded(step: Callable[[], Done]) -> Bounded:
    """Runs a step in a forked process; one that breaks a bound is ended by the system."""
    ours, theirs = os.pipe()
    with warnings.catch_warnings():
        # Python 3.12 warns of threads, and so does JAX, which some library may have loaded.
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", RuntimeWarning)
        child = os.fork()
    if child == 0:
        os.close(ours)
        try:
            _set_limits()
            left = step()
        except MemoryError:
            left = Done(4, "", "bug in dormant: out of memory")
        except BaseException as error:
            left = Done(4, "", f"bug in dormant: {type(error).__name__}: {error}"[:500])
        with os.fdopen(theirs, "wb") as pipe:
            pipe.write(pickle.dumps(left))
        os._exit(0)
    os.close(theirs)
    with os.fdopen(ours, "rb") as pipe:
        raw = pipe.read()
    _, status, used = os.wait4(child, 0)
    if raw:
        done = pickle.loads(raw)
    else:
        name = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else "no answer"
        done = Done(4, "", f"bug in dormant: ended by {name}")
    return Bounded(done, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024)


def _set_limits() -> None:
    """Ends the process after its time; memory beyond what it has now and its bytes is refused."""
    most = int(SECONDS) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (most, most))
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[0])
    limit = pages * resource.getpagesize() + BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def run_reader(read: Callable[[], object]) -> Done:
    """What the command would say if it called a reader."""
    try:
        read()
    except DormantError as error:
        return Done(error.exit_code, "", f"{format_error(str(error))}\n")
    return Done(0, "", "")


def run_within(size: int, step: Callable[[], Done]) -> Done:
    """Runs a step in a forked process whose files cannot grow beyond a size: a full disk."""

    def limited() -> Done:
        resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
        return step()

    return run_bounded(limited).done
