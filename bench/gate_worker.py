"""One commit's side of the gate: python -m bench.gate_worker CASES, in the commit's tree; see `bench.gate`.

Reads one JSON list a line from standard input and answers each with a JSON object on a line of standard output:
["list"], ["prepare", case] (which also warms up), ["time", case, calls] (the fastest call's seconds), ["count", case].
"""

import importlib
import json
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

prepared: dict[str, Callable[[], object]] = {}


def answer(module: str, verb: str, case: str = "", calls: int = 1) -> dict[str, Any]:
    """What `verb` gives for a case of `module`, which is imported here so that failing to is an answer as well."""
    cases = importlib.import_module(module)
    match verb:
        case "list":
            return {"timed": list(cases.TIMED), "counted": list(cases.COUNTED)}
        case "prepare":
            prepared[case] = cases.TIMED[case]()
            return {"warm_up": seconds_of(prepared[case])}
        case "time":
            with on_one_core():
                return {"seconds": min(seconds_of(prepared[case]) for _ in range(calls))}
        case _:
            return {"counts": cases.COUNTED[case]()}


def seconds_of(call: Callable[[], object]) -> float:
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


@contextmanager
def on_one_core() -> Iterator[None]:
    """Both sides compute on the same core: of two, one can be slower for as long as another machine is on its twin."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, allowed)


def main() -> None:
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever else is printed goes to standard error
    for line in sys.stdin:
        try:
            reply = answer(sys.argv[1], *json.loads(line))
        except Exception as error:  # whatever a commit lacks: what that means is for the gate to say
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=answers, flush=True)


if __name__ == "__main__":
    main()
