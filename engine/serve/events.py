"""The server-sent events of a completion: its progress, and at the end what it was or what went wrong."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

from fastapi import HTTPException

from engine.inference.report import Report
from engine.serve.album import Completed
from engine.serve.work import Step


def completed_event(completed: Completed, number: int, report: Report) -> dict[str, Any]:
    """A completion as its last event tells it."""
    rows, columns = completed.where
    return {
        "completion": number,
        "replaces": completed.alpha_HW is not None,
        "box": [columns.start, rows.start, columns.stop - columns.start, rows.stop - rows.start],
        "widened": sorted(report.widened),
        "seconds": report.seconds,
        "warnings": report.warnings,
    }


async def events(
    step: Step | None, steps: asyncio.Queue[Step | None], task: asyncio.Task[dict[str, Any]]
) -> AsyncIterator[str]:
    """The events of a completion that runs, beginning with its first step; None in `steps` is its end."""
    try:
        while step is not None:
            yield event("progress", step._asdict())
            step = await steps.get()
        yield event("completed", task.result())
    except HTTPException as error:
        yield event("error", {"status": error.status_code, "detail": error.detail})
    finally:
        task.cancel()


def event(kind: str, data: dict[str, Any]) -> str:
    """A server-sent event."""
    return f"event: {kind}\ndata: {json.dumps(data)}\n\n"
