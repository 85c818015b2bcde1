"""Where the time goes: a torch profiler trace, and a table of the ten costliest operators.

    python -m bench.profile train                     # a joint step of the paper's networks, batch 4 on a CPU
    python -m bench.profile infer --device cuda       # the completion of a hole of 128x128 in 1024x1024

The trace (runs/profile-train.json) opens in https://ui.perfetto.dev or chrome://tracing.
"""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Literal

import torch
from torch.profiler import ProfilerActivity, profile

from bench.setups import detailed_photo, paper_training_step, square_holes, untrained
from engine.inference.completer import Completer
from engine.training.phases import Phase

Device = Literal["cpu", "cuda"]
BATCH: dict[Device, int] = {"cpu": 4, "cuda": 96}
ROWS = 10


def training(device: Device) -> Callable[[], object]:
    return paper_training_step(Phase.JOINT, BATCH[device], device)


def inference(device: Device) -> Callable[[], object]:
    completer = Completer.of(untrained(64), "torch", device=device, memory=1 << 30)
    photo_HW3, mask_HW = detailed_photo(1024, 1024), square_holes((1024, 1024), 128)
    return lambda: completer.complete(photo_HW3, mask_HW, texture="none")


WORK = {"train": training, "infer": inference}


def main() -> None:
    parser = argparse.ArgumentParser(description="A trace, and the ten costliest operators")
    parser.add_argument("what", choices=list(WORK))
    parser.add_argument("--device", choices=list(BATCH), default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--out", type=Path, help="the trace; runs/profile-WHAT.json by default")
    options = parser.parse_args()
    out = options.out or Path("runs") / f"profile-{options.what}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    call = WORK[options.what](options.device)
    call()  # warms up
    activities = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if options.device == "cuda" else [])
    with profile(activities=activities, record_shapes=True, profile_memory=True) as profiled:
        call()
        if options.device == "cuda":
            torch.cuda.synchronize()
    profiled.export_chrome_trace(str(out))
    print(profiled.key_averages().table(sort_by=f"self_{options.device}_time_total", row_limit=ROWS))
    print(f"trace: {out}")


if __name__ == "__main__":
    main()
