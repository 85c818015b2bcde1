"""Keeps the stack that signal handlers run on.

OpenVINO gives the thread that compiles a model a signal stack of its own, and takes it back with the plugin. Two
plugins that go in the order in which they came leave the thread with the first one's stack, which is no longer mapped:
the next signal that Python handles, such as Ctrl-C, is then a segmentation fault (seen with OpenVINO 2026.4.1).
"""

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager


class _StackT(ctypes.Structure):
    """The C library's `stack_t`."""

    _fields_ = (("pointer", ctypes.c_void_p), ("flags", ctypes.c_int), ("size", ctypes.c_size_t))


@contextmanager
def signal_stack_kept() -> Iterator[None]:
    """Whatever alternate signal stack this thread has, or has not, it has again afterwards. Nothing but on Linux."""
    if sys.platform != "linux":
        yield
        return
    libc = ctypes.CDLL(None, use_errno=True)
    before = _StackT()
    libc.sigaltstack(None, ctypes.byref(before))
    try:
        yield
    finally:
        libc.sigaltstack(ctypes.byref(before), None)
