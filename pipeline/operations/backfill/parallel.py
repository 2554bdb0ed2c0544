"""Reads several parts side by side, and hands what they yield over one by one, holding only a little."""

import queue
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from typing import Generic, TypeVar

Found = TypeVar("Found")
STOP_POLL_SECONDS = 0.2


def side_by_side(
    read: Callable[[str], Iterator[Found]], parts: Sequence[str], workers: int
) -> Generator[Found, None, None]:
    """Yield what ``read`` yields for every part, ``workers`` parts at a time; within a part in its order.

    At most two things a worker wait to be taken. Closing the generator ends the workers.

    Raises:
        Exception: what a worker raised, after which the others end.
    """
    crew = _Crew(read, parts, workers)
    try:
        yield from crew.run(min(workers, len(parts)))
    finally:
        crew.stop.set()


class _Ended:
    """A worker found nothing more to do."""


class _Crew(Generic[Found]):
    def __init__(self, read: Callable[[str], Iterator[Found]], parts: Sequence[str], workers: int) -> None:
        self.stop = threading.Event()
        self._read = read
        self._todo = list(reversed(parts))
        self._found: queue.Queue[Found | _Ended | BaseException] = queue.Queue(maxsize=2 * workers)

    def run(self, workers: int) -> Iterator[Found]:
        for _ in range(workers):
            threading.Thread(target=self._work, daemon=True).start()
        while workers:
            thing = self._found.get()
            if isinstance(thing, BaseException):
                raise thing
            if isinstance(thing, _Ended):
                workers -= 1
            else:
                yield thing

    def _work(self) -> None:
        try:
            for thing in self._things():
                self._put(thing)
                if self.stop.is_set():
                    return
            self._put(_Ended())
        except BaseException as error:  # noqa: BLE001  # it is raised again where the results are taken
            self._put(error)

    def _things(self) -> Iterator[Found]:
        while True:
            try:
                part = self._todo.pop()
            except IndexError:
                return
            yield from self._read(part)

    def _put(self, thing: Found | _Ended | BaseException) -> None:
        while not self.stop.is_set():
            try:
                self._found.put(thing, timeout=STOP_POLL_SECONDS)
            except queue.Full:
                continue
            return
