"""The Triton kernels, one op a file; imported only where they run, since Triton is not a core dependency."""
