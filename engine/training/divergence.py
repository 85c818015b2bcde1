"""A run whose losses are no longer finite: found, and told with the samples that it happened at."""

import json
from pathlib import Path

from data.files import write_atomically
from engine.training.meter import Meter
from engine.training.state import RunState


def divergence(state: RunState, meter: Meter, report: Path) -> str | None:
    """The error message if a loss since the last report is not finite; the samples to blame are in the file
    `report`."""
    for learner, name in ((state.completion, "completion network"), (state.discriminator, "discriminator")):
        if learner.scaler.is_enabled() and learner.scaler.get_scale() < 1:
            return (
                f"the loss scale of the {name} fell below 1 by iteration {state.iteration}: its gradients "
                "overflow float16; train without --amp or at a lower --learning-rate"
            )
    broken = meter.first_not_finite()
    if broken is None:
        return None
    iteration, ids, losses = broken
    row = {"iteration": iteration, "samples": ids, "losses": {k: str(v.item()) for k, v in losses.items()}}
    write_atomically(report, json.dumps(row).encode())
    return (
        f"the losses of iteration {iteration} are not finite: {row['losses']}; its samples are in {report}, "
        "and the last checkpoint is from before. Try a lower --learning-rate, or look at these photos"
    )
