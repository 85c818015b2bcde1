"""Batches are fetched ahead in a thread, and the loader's processes end well all the same."""

import multiprocessing

import torch

from data.catalog import Catalog
from data.cpu_loader import CpuLoader
from data.sampler import CropSampler
from engine.training.batches import training_batches
from engine.training.distributed import World


def test_the_loaders_processes_end_without_an_error(tiny):
    config = tiny()
    catalog = Catalog.open(config.photos)
    sampler = CropSampler(catalog, config.seed, config.crop_size, config.shorter_edge, config.flip)
    others = multiprocessing.active_children()
    loader = CpuLoader(catalog, sampler, 4, workers=1)
    with loader, training_batches(loader, config.holes, config.seed, World(torch.device("cpu"))) as batches:
        assert [next(batches).ids for _ in range(3)] == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10, 11]]
        workers = [process for process in multiprocessing.active_children() if process not in others]
    assert [worker.exitcode for worker in workers] == [0]
