"""The phase of the paper's three that an iteration belongs to (Algorithm 1): a function of the iteration alone."""

from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """COMPLETION trains C with the squared error, DISCRIMINATOR trains D against the fixed C, JOINT trains both."""

    COMPLETION = "completion"
    DISCRIMINATOR = "discriminator"
    JOINT = "joint"


@dataclass(frozen=True, slots=True)
class Schedule:
    """T_C, T_D and T_train of the paper, in iterations; what T_C and T_D leave of T_train is the joint phase."""

    completion: int
    discriminator: int
    total: int

    def __post_init__(self) -> None:
        if self.completion + self.discriminator > self.total:
            raise ValueError(
                f"phases 1 and 2 take {self.completion} + {self.discriminator} iterations, "
                f"more than the {self.total} of the run; raise --iterations or set --split"
            )

    def phase(self, iteration: int) -> Phase:
        """The phase of iteration 0, 1, ... total - 1."""
        if iteration < self.completion:
            return Phase.COMPLETION
        return Phase.DISCRIMINATOR if iteration < self.completion + self.discriminator else Phase.JOINT
