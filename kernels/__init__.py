"""Fused kernels: one pass over memory where plain PyTorch takes many, each beside its plain reference."""
