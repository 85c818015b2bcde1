"""Image completion after "Globally and Locally Consistent Image Completion" (Iizuka et al., SIGGRAPH 2017)."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from engine.inference.completer import Completer

__version__ = "0.1.0"
__all__ = ["Completer", "__version__"]


def __getattr__(name: str) -> Any:
    """Completer, imported when it is asked for: it brings much that commands do without for their help."""
    if name == "Completer":
        from engine.inference.completer import Completer

        return Completer
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
