"""The bar that people see while a command works through many photos."""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def progress(what: str, total: int | None, shown: bool = True) -> Iterator[Callable[[int], None]]:
    """A bar with the time left on standard error, if that is a terminal; a function to advance it by a count.

    `total` is None where it is not known. While there is a bar, rich sends all that is printed to the bar's console:
    who prints results meanwhile has it `shown` only where standard output is a terminal too, or no file or pipe would
    get them.
    """
    if not (shown and sys.stderr.isatty()):
        yield lambda count: None
        return
    from rich.console import Console  # 70 modules, for which no --help needs to wait
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeRemainingColumn(elapsed_when_finished=True), console=Console(stderr=True)) as bar:
        task = bar.add_task(what, total=total)
        yield lambda count: bar.advance(task, count)
