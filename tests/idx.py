"""Tiny sets of pictures in IDX files, laid out as torchvision does it."""

from pathlib import Path

import numpy as np

from nca_zoo.pictures.image_sets import IDX_SETS

BY_NAME = {idx_set.name: idx_set for idx_set in IDX_SETS}
LABELS = (4, 0, 1, 0, 4, 0, 1, 1, 0, 4)


def write_idx(path: Path, array: np.ndarray) -> None:
    sides = np.array(array.shape, ">u4").tobytes()
    path.write_bytes(bytes([0, 0, 8, array.ndim]) + sides + array.astype(np.uint8).tobytes())


def write_set(
    data_dir: Path,
    name: str,
    height: int = 5,
    width: int = 4,
    labels: tuple[int, ...] = LABELS,
    train: int = 7,
) -> tuple[Path, np.ndarray, np.ndarray]:
    """A set of random pictures, the first ``train`` of them for training.

    Returns its folder, images ``(N, height, width)`` and labels ``(N,)``.
    """
    idx_set = BY_NAME[name]
    raw = data_dir / idx_set.dataset / "raw"
    raw.mkdir(parents=True)
    images = np.random.default_rng(7).integers(0, 256, (len(labels), height, width))
    parts = ((idx_set.train, slice(0, train)), (idx_set.test, slice(train, None)))
    for prefix, part in parts:
        write_idx(raw / f"{prefix}-images-idx3-ubyte", images[part])
        write_idx(raw / f"{prefix}-labels-idx1-ubyte", np.array(labels)[part])
    return raw, images, np.array(labels)
