"""An option that is on, off, or decided by the machine, on the command line."""

from typing import Literal

from tyro.constructors import PrimitiveConstructorSpec

OFF_ON_AUTO: dict[str, bool | Literal["auto"]] = {"off": False, "on": True, "auto": "auto"}

ON_OFF_OR_AUTO = PrimitiveConstructorSpec[bool | Literal["auto"]](
    nargs=(0, 1),
    metavar="[on|off|auto]",
    instance_from_str=lambda words: OFF_ON_AUTO[words[0] if words else "on"],
    is_instance=lambda value: value in OFF_ON_AUTO.values(),
    str_from_instance=lambda value: [next(word for word, meant in OFF_ON_AUTO.items() if meant == value)],
    choices=tuple(OFF_ON_AUTO),
)
"""An option that may be given without a value, as those that are on or off."""
