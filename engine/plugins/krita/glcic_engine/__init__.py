"""Krita's plug-in: Tools > Scripts > Remove what is selected."""

from krita import Krita

from .extension import Remover

Krita.instance().addExtension(Remover(Krita.instance()))
