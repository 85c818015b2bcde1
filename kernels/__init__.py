"""Fused kernels: one pass over memory where plain PyTorch takes many, each beside its plain reference.

Each op is imported from its own module (`from kernels.fill_holes import fill_holes`) and picks the implementation by
itself (see `kernels.launch`). Importing the package alone imports nothing else.
"""
