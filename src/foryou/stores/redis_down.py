"""Which servers are not worth asking now? Those that failed; a thread tries them until they answer again."""

import threading
from collections.abc import Callable

LOOK_S = 0.1


class Down:
    """The servers that are down, by name. The thread runs only while there are any, so a request never tries them."""

    def __init__(self, answers: Callable[[str], bool], look_around: Callable[[], None]) -> None:
        self._answers, self._look_around = answers, look_around
        self._why: dict[str, Exception | None] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._closing = threading.Event()

    def __contains__(self, name: str) -> bool:
        """Say whether this server is down."""
        return name in self._why

    def __bool__(self) -> bool:
        """Say whether any server is down."""
        return bool(self._why)

    def add(self, name: str, why: Exception | None) -> None:
        """Take a server for down until it answers."""
        with self._lock:
            self._why[name] = why
            if self._thread is None and not self._closing.is_set():
                self._thread = threading.Thread(target=self._watch, name="redis-down", daemon=True)
                self._thread.start()

    def why(self) -> list[tuple[str, Exception | None]]:
        """Give the servers that are down, each with what it failed with."""
        with self._lock:
            return list(self._why.items())

    def close(self) -> None:
        """End the thread."""
        self._closing.set()
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join()

    def _watch(self) -> None:
        while not self._closing.wait(LOOK_S):
            try:
                self._look_around()
            except Exception:  # noqa: BLE001 - nobody answers; whatever it was, the next look may find somebody
                continue
            back = [name for name in list(self._why) if self._answers(name)]
            with self._lock:
                for name in back:
                    self._why.pop(name, None)
                if not self._why:
                    self._thread = None
                    return
