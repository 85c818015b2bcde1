"""The end of another process, waited for: that of the program which has started this one."""

import os
import sys
import threading
import time
from collections.abc import Callable

SECONDS_BETWEEN = 1

if sys.platform == "win32":
    import ctypes

    SYNCHRONIZE, INFINITE = 0x00100000, 0xFFFFFFFF
    """The right to wait for a process, and no limit."""

    def runs(number: int) -> bool:
        """True if there is a process with this number."""
        return bool(ctypes.windll.kernel32.OpenProcess(SYNCHRONIZE, False, number))

    def wait_for(number: int) -> None:
        """Return once a process has ended."""
        process = ctypes.windll.kernel32.OpenProcess(SYNCHRONIZE, False, number)
        ctypes.windll.kernel32.WaitForSingleObject(process, INFINITE)

else:

    def runs(number: int) -> bool:
        """True if there is a process with this number."""
        try:
            os.kill(number, 0)
        except PermissionError:  # it is someone else's
            return True
        except (ProcessLookupError, OverflowError):
            return False
        return True

    def wait_for(number: int) -> None:
        """Return once a process has ended."""
        while runs(number):
            time.sleep(SECONDS_BETWEEN)


def end_with(number: int, end: Callable[[], None]) -> None:
    """Call `end`, on a thread of its own, once the process with this number has ended. ValueError if there is none."""
    if number < 1 or not runs(number):
        raise ValueError(f"--end-with is {number}, and no process has this number; give that of one that runs")

    def wait() -> None:
        wait_for(number)
        end()

    threading.Thread(target=wait, name="end-with", daemon=True).start()
