"""Runs invocations one at a time in virtual time, and decides at every external effect what goes wrong.

Each invocation has a thread of its own, but only the one that holds the baton runs. It gives the baton back at every
*point*, which stands before an external effect; between points nothing else happens. So a run is a function of its
seed: the same choices give the same trace.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any, Protocol

EPOCH = 1_790_000_000.0
"""When every run begins, epoch seconds."""


class Crashed(BaseException):
    """The worker's process ends here: nothing that anybody may handle."""


class FaultAction(Enum):
    """What happens at a point."""

    GO = auto()
    CRASH_BEFORE = auto()
    CRASH_INSIDE = auto()
    CRASH_AFTER = auto()
    FAIL_BEFORE = auto()
    FAIL_INSIDE = auto()
    FAIL_AFTER = auto()
    FAIL_IN_PART = auto()


class Faults(Protocol):
    """Decides what goes wrong."""

    def fault_action(self, task: "Task", label: str) -> FaultAction:
        """Return what happens to ``task`` at the effect ``label``."""
        ...

    def delay(self, task: "Task", label: str) -> float:
        """Return how many seconds the effect is held up."""
        ...

    def number(self, low: int, high: int) -> int:
        """Return a number that details of a fault hang on."""
        ...


@dataclass(eq=False, slots=True)
class Task:
    """One invocation.

    Args:
        worker: whose process it runs in.
        fault_exempt: no fault may hit it any more, or its messages would be received too often.
        answer: what the handler returned.
        fault: what ended it instead.
    """

    name: str
    worker: Any
    fault_exempt: bool = False
    wake_at: float = 0.0
    answer: Any = None
    fault: BaseException | None = None
    done: bool = False
    doomed: bool = False
    go: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))


class Scheduler:
    """The baton, the clock and the trace."""

    def __init__(self, faults: Faults) -> None:
        self.now = EPOCH
        self.faults = faults
        self.tasks: list[Task] = []
        self.trace: list[str] = []
        self.effects = 0
        self._local = threading.local()
        self._back = threading.Semaphore(0)

    @property
    def wall_clock(self) -> float:
        """What everybody's clock says: whole milliseconds, which Postgres and Python round alike."""
        return round(self.now, 3)

    def note(self, line: str) -> None:
        """Add a line to the trace."""
        self.trace.append(f"{self.now - EPOCH:10.3f} {line}")

    def start(
        self, name: str, worker: Any, work: Callable[[], Any], *, fault_exempt: bool = False
    ) -> Task:  # whatever the handler answers
        """Add an invocation of ``worker``; it runs when it is resumed."""
        task = Task(name, worker, fault_exempt, wake_at=self.now)
        self.tasks.append(task)
        threading.Thread(target=self._body, args=(task, work), daemon=True).start()
        return task

    def resume(self, task: Task) -> None:
        """Let ``task`` run to its next point, or to its end."""
        task.go.release()
        self._back.acquire()
        if task.done:
            self.tasks.remove(task)

    def abandon(self) -> None:
        """End every invocation where it stands."""
        for task in list(self.tasks):
            task.doomed = True
            while not task.done:
                self.resume(task)

    @property
    def current(self) -> Task:
        """The invocation whose thread asks."""
        task: Task = self._local.task
        return task

    def pause(self, seconds: float = 0.0) -> None:
        """Give the baton back for at least ``seconds``."""
        task = self.current
        task.wake_at = self.now + seconds
        self._back.release()
        task.go.acquire()
        if task.doomed:
            raise Crashed

    def point(self, label: str) -> FaultAction:
        """Stand before the effect ``label``: let others run, then say what happens to it."""
        task = self.current
        self.pause(self.faults.delay(task, label))
        self.effects += 1
        fault_action = self.faults.fault_action(task, label)
        self.note(
            f"{task.name} {label}" + ("" if fault_action is FaultAction.GO else f" !! {fault_action.name}")
        )
        return fault_action

    def effect(
        self, label: str, action: Callable[[], Any], fault: Callable[[], Exception]
    ) -> Any:  # the action's own
        """Do ``action`` at a point; ``fault`` makes the dependency's error."""
        fault_action = self.point(label)
        if fault_action is FaultAction.CRASH_BEFORE:
            raise Crashed
        if fault_action is FaultAction.FAIL_BEFORE:
            raise fault()
        result = action()
        if fault_action in {FaultAction.CRASH_AFTER, FaultAction.CRASH_INSIDE}:
            raise Crashed
        if fault_action in {FaultAction.FAIL_AFTER, FaultAction.FAIL_INSIDE}:
            raise fault()
        return result

    def _body(self, task: Task, work: Callable[[], Any]) -> None:
        self._local.task = task
        task.go.acquire()
        try:
            if not task.doomed:
                task.answer = work()
        except BaseException as error:  # noqa: BLE001  # the end of a simulated process
            task.fault = error
        task.done = True
        self._back.release()
