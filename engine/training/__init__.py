"""Training: the three phases of the paper, on one process or many, exactly resumable."""
