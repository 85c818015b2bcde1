"""The network as a file: exported, calibrated for int8, built for TensorRT, and kept."""
