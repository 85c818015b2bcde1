"""Torch7 files, written as Torch7 does."""

import io
import struct

import torch

from engine.torch7 import TorchObject


class T7Writer:
    """Writes objects as Torch7 does: tables from dicts, modules from TorchObject, tensors from torch's."""

    def __init__(self):
        self.out = io.BytesIO()
        self.indices = {}
        self.kept = []

    def int(self, value):
        self.out.write(struct.pack("<i", value))

    def longs(self, *values):
        self.out.write(struct.pack(f"<{len(values)}q", *values))

    def text(self, text):
        self.int(len(text))
        self.out.write(text.encode())

    def known(self, kind, thing, key):
        """Begin an object that can come again; True if it has come before."""
        self.kept.append(thing)  # so that its id stays its own
        self.int(kind)
        before = key in self.indices
        self.int(self.indices.setdefault(key, len(self.indices) + 1))
        return before

    def write(self, thing):
        if thing is None:
            self.int(0)
        elif isinstance(thing, bool):
            self.int(5)
            self.int(int(thing))
        elif isinstance(thing, int | float):
            self.int(1)
            self.out.write(struct.pack("<d", thing))
        elif isinstance(thing, str):
            self.int(2)
            self.text(thing)
        elif isinstance(thing, dict):
            if not self.known(3, thing, id(thing)):
                self.int(len(thing))
                for key, value in thing.items():
                    self.write(key)
                    self.write(value)
        elif isinstance(thing, TorchObject):
            if not self.known(4, thing, id(thing)):
                self.text("V 1")
                self.text(thing.name)
                self.write(dict(thing.fields))
        elif isinstance(thing, torch.Tensor):
            self.tensor(thing)
        else:
            raise TypeError(thing)
        return self.out.getvalue()

    def tensor(self, tensor):
        name = {torch.float32: "Float", torch.float64: "Double", torch.int64: "Long", torch.uint8: "Byte"}[tensor.dtype]
        if self.known(4, tensor, id(tensor)):
            return
        self.text("V 1")
        self.text(f"torch.{name}Tensor")
        self.int(tensor.ndim)
        self.longs(*tensor.shape)
        self.longs(*tensor.stride())
        self.longs(tensor.storage_offset() + 1)
        storage = tensor.untyped_storage()
        if self.known(4, storage, storage.data_ptr()):
            return
        self.text("V 1")
        self.text(f"torch.{name}Storage")
        self.longs(storage.nbytes() // tensor.element_size())
        self.out.write(bytes(storage))


def t7(thing):
    return T7Writer().write(thing)
