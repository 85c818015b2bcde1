"""Standard output and standard error that nobody may see any more, which is no reason to end the work."""

import io
import os
import stat
import sys
from errno import EIO


def outlive_readers() -> None:
    """Drop what this process prints once its reader has gone (`| head`) or its terminal was closed.

    Other errors stay errors, such as a full disk's. What the output's encoding does not have, such as the bytes of a
    file's name that is no text, is printed with backslashes.
    """
    # None where who started this had them closed.
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if not isinstance(stream, io.TextIOWrapper):
            continue
        stream.reconfigure(errors="backslashreplace")
        if stream is getattr(sys, f"__{name}__"):  # else it is a file of this program's own, or is done already
            setattr(sys, name, _outliving(stream))


class _Outliving(io.FileIO):
    """A file descriptor that leads nowhere from the first write on that nobody can read."""

    def write(self, content: "bytes | memoryview") -> int | None:  # type: ignore[override]
        try:
            return super().write(content)
        except OSError as error:
            if not self._is_nobodys(error):
                raise
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, self.fileno())  # for what the libraries print by themselves, too
        os.close(nowhere)
        return super().write(content)

    def _is_nobodys(self, error: OSError) -> bool:
        """True if an error tells of a reader that has gone. Of a disk, EIO tells that it is broken."""
        is_terminal = stat.S_ISCHR(os.fstat(self.fileno()).st_mode)
        return isinstance(error, ConnectionError) or (error.errno == EIO and is_terminal)


def _outliving(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    """The same stream, which writes by way of `_Outliving`."""
    raw = _Outliving(stream.fileno(), "wb", closefd=False)
    is_unbuffered = isinstance(stream.buffer, io.RawIOBase)  # by `python -u`
    return io.TextIOWrapper(
        raw if is_unbuffered else io.BufferedWriter(raw),  # type: ignore[type-var]
        encoding=stream.encoding,
        errors=stream.errors,
        line_buffering=stream.line_buffering,
        write_through=stream.write_through,
    )
