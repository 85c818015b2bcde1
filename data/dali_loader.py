"""Batches of crops decoded by NVIDIA DALI: on the GPU (hardware JPEG decoder, resize), or on the CPU.

DALI is given the encoded photos, and the square to decode of each, in our order; it is a decoder and a resizer here,
so that its batches are those of the CPU loader. Pipeline mode, since on two cores (32 crops of 256 from 320x256 JPEGs
a batch, two threads) it made 810-870 crops/s where the dynamic mode made 720-780, and it is not experimental. Of the
1.03 ms of CPU time that such a crop takes, 0.75 are DALI's resize; cubic resizing and its warp take longer.
"""

import logging
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from data.catalog import Catalog
from data.cpu_loader import decode_batch
from data.decode import check, decode
from data.headers import Unusable
from data.loading import INSTALL_DALI, Loader, Skipped, use_or_replace
from data.orientation import TURNS, stored_corner
from data.sampler import Crop, CropSampler

log = logging.getLogger(__name__)

_AHEAD = 3  # batches that DALI works on at a time; 3 made 820-860 crops/s where 2 made 810-850, on two cores


class _Square(NamedTuple):
    """The work of DALI on one photo."""

    inputs: tuple[NDArray[Any], ...]
    """Encoded photo; (y, x) and (height, width) of the square to decode; mirror left to right, upside down."""
    transpose: bool
    """Exchange rows and columns then: left to torch, since DALI does it to whole batches only."""


Prepared = deque[tuple[list[_Square], list[Skipped]]]


class DaliLoader(Loader):
    """See Loader. `device_id` is the GPU that decodes and gets the batches; None decodes on `threads` CPU threads."""

    def __init__(
        self,
        catalog: Catalog,
        sampler: CropSampler,
        batch_size: int,
        *,
        rank: int = 0,
        ranks: int = 1,
        threads: int = 2,
        start: int = 0,
        device_id: int | None = None,
    ) -> None:
        super().__init__(catalog, sampler, batch_size, rank=rank, ranks=ranks, start=start)
        try:
            import nvidia.dali  # noqa: F401
        except ImportError as error:
            raise ValueError(f"the dali loader needs DALI ({error}): {INSTALL_DALI}") from error
        self.threads, self.device_id = threads, device_id
        self._unusable: dict[int, str] = {}
        mirrored = sampler.flip or bool((catalog.columns["orientation"] != 1).any())
        self._inputs = 5 if mirrored else 3  # how many of _Square.inputs DALI is given

    def _batches(self, start: int) -> Iterator[tuple[Tensor, list[Skipped]]]:
        prepared: Prepared = deque()
        pipeline = self._pipeline(self._source(start, prepared), _AHEAD)
        while True:
            try:
                yield self._run(pipeline, prepared)
            except RuntimeError as error:  # one photo that DALI cannot decode; the pipeline goes on with the next batch
                yield self._run_without_bad(start, error)
            start += self.batch_size * self.ranks

    def _run(self, pipeline: Any, prepared: Prepared) -> tuple[Tensor, list[Skipped]]:
        """The next batch. RuntimeError if DALI cannot decode it."""
        # Bound to torch's stream: DALI then takes memory back only after what torch has queued there.
        stream = None if self.device_id is None else torch.cuda.current_stream(self.device_id)
        try:
            (output,) = pipeline.run(stream)
        except RuntimeError:
            prepared.popleft()
            raise
        squares, passed = prepared.popleft()
        return self._to_torch(output, squares), passed

    def _run_without_bad(self, start: int, error: RuntimeError) -> tuple[Tensor, list[Skipped]]:
        """A batch that DALI could not decode, without the photos that OpenCV cannot decode either.

        Those are remembered, so that this happens once for each. Where DALI still fails, OpenCV's batch is the result:
        then and always, so that a resumed run gets the same.
        """
        log.warning("DALI could not decode a batch (%s); OpenCV looks which photo it is", _reason(error))
        image_N3HW, passed = decode_batch(self.catalog, self.sampler, self.ids(start))
        self._unusable |= dict(passed)
        if passed:
            prepared: Prepared = deque()
            try:
                return self._run(self._pipeline(self._source(start, prepared), 1), prepared)
            except RuntimeError:
                pass
        return image_N3HW if self.device_id is None else image_N3HW.to(f"cuda:{self.device_id}"), passed

    def _source(self, start: int, prepared: Prepared) -> Iterator[tuple[list[NDArray[Any]], ...]]:
        """The input of DALI, batch after batch; `prepared` gets what is needed when the batch comes out."""
        while True:
            squares, passed = self._squares(self.ids(start))
            prepared.append((squares, passed))
            yield tuple([*field] for field in zip(*(square.inputs[: self._inputs] for square in squares), strict=True))
            start += self.batch_size * self.ranks

    def _squares(self, ids_N: NDArray[np.int64]) -> tuple[list[_Square], list[Skipped]]:
        squares: list[_Square] = []
        passed = use_or_replace(self.catalog, self.sampler, ids_N, lambda n, crop: squares.append(self._square(crop)))
        return squares, passed

    def _square(self, crop: Crop) -> _Square:
        """Read one photo. Unusable if it is damaged, as far as can be told before decoding, or turned out to be."""
        photo = crop.photo
        if photo in self._unusable:
            raise Unusable(self._unusable[photo])
        data, size, orientation = self.catalog.read(photo), self.catalog.size(photo), self.catalog.orientation(photo)
        header = check(data, self.catalog.stored_size(photo))
        x, y = stored_corner(crop.x, crop.y, crop.side, *size, orientation)
        encoded = np.frombuffer(data, np.uint8)
        if header.format != "jpeg":
            # DALI lacks some formats and differs in others (16 bits, palettes): it gets pixels, as a PPM file.
            pixels_HW3 = decode(data)[y : y + crop.side, x : x + crop.side, ::-1]
            ppm = f"P6 {crop.side} {crop.side} 255\n".encode() + pixels_HW3.tobytes()
            encoded, x, y = np.frombuffer(ppm, np.uint8), 0, 0
        turn = TURNS[orientation]
        # Mirroring comes before transposing here, and after it in TURNS and for `crop.flip`.
        flip_x, flip_y = turn.flip_x ^ crop.flip, turn.flip_y
        horizontal, vertical = (flip_y, flip_x) if turn.transpose else (flip_x, flip_y)
        corner, side = np.array([y, x], np.int32), np.array([crop.side] * 2, np.int32)
        return _Square((encoded, corner, side, *np.array([horizontal, vertical], np.int32)), turn.transpose)

    def _pipeline(self, source: Iterator[tuple[list[NDArray[Any]], ...]], ahead: int) -> Any:
        from nvidia.dali import fn, pipeline_def
        from nvidia.dali.types import DALIDataType, DALIImageType, DALIInterpType

        on_gpu = self.device_id is not None
        size = self.sampler.crop_size

        mirror = self._inputs == 5

        @pipeline_def(  # type: ignore[call-overload]
            batch_size=self.batch_size,
            num_threads=self.threads,
            device_id=self.device_id,
            prefetch_queue_depth=ahead,
            exec_dynamic=True,  # each batch has memory of its own, so torch can take it over without a copy
        )
        def crops() -> Any:
            encoded, corner, side, *mirrored = fn.external_source(
                source=source,
                num_outputs=self._inputs,
                dtype=[DALIDataType.UINT8, *[DALIDataType.INT32] * (self._inputs - 1)],
                ndim=[1, 1, 1, 0, 0][: self._inputs],
            )
            image: Any = fn.decoders.image_slice(
                encoded,
                corner,
                side,
                device="mixed" if on_gpu else "cpu",
                axes=[0, 1],
                normalized_anchor=False,
                normalized_shape=False,
                adjust_orientation=False,
                output_type=DALIImageType.RGB,
            )
            image = fn.resize(image, size=(size, size), interp_type=DALIInterpType.INTERP_LINEAR, antialias=True)
            return fn.flip(image, horizontal=mirrored[0], vertical=mirrored[1]) if mirror else image

        pipeline = crops()
        pipeline.build()
        return pipeline

    def _to_torch(self, output: Any, squares: list[_Square]) -> Tensor:
        """DALI's batch as a tensor in the same memory."""
        image_NHW3 = torch.from_dlpack(output.as_tensor())
        for n, square in enumerate(squares):
            if square.transpose:
                image_NHW3[n] = image_NHW3[n].transpose(0, 1).clone()
        return image_NHW3.permute(0, 3, 1, 2)


def _reason(error: RuntimeError) -> str:
    """The line of DALI's long message that says what happened."""
    lines = [line.strip() for line in str(error).splitlines()]
    return next((line for line in lines if "rror" in line and "pipeline" not in line), lines[0])
