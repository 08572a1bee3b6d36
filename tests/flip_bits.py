"""Single bits of a zoo file flipped at random: does ``verify`` find each?

    python tests/flip_bits.py --zoo data/zoo.h5 --flips 500 --seed 0

Half of the places are in the data of a column, half anywhere in the file. What is not found must
have changed nothing: bytes that nothing in the file uses.
"""

import argparse
import shutil
import sys
import tempfile
from pathlib import Path

import h5py
import numpy as np
from rows import datasets, same

from nca_zoo.store.verify import verify


def data_places(path: Path) -> np.ndarray:
    """Every byte of the file that is part of a column: ``(n,)``."""
    places = []
    with h5py.File(path) as file:
        for dataset in file.values():
            for number in range(dataset.id.get_num_chunks()):
                chunk = dataset.id.get_chunk_info(number)
                first = dataset.shape[0] - chunk.chunk_offset[0]  # rows; the rest is padding
                size = min(first, dataset.chunks[0]) * dataset.nbytes // dataset.shape[0]
                places.append(np.arange(chunk.byte_offset, chunk.byte_offset + size))
    return np.concatenate(places)


def flip(path: Path, place: int, bit: int) -> None:
    with path.open("r+b") as file:
        file.seek(place)
        byte = file.read(1)[0]
        file.seek(place)
        file.write(bytes([byte ^ 1 << bit]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--zoo", type=Path, required=True)
    parser.add_argument("--flips", type=int, default=500)
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    rng = np.random.default_rng(options.seed)
    harm = 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copy(options.zoo, Path(folder, "zoo.h5")))
        assert verify(path) == []
        before = datasets(path)
        data = data_places(path)
        for where, places in (("the data", data), ("the file", None)):
            found = 0
            for _ in range(options.flips // 2):
                size = path.stat().st_size
                place = int(rng.integers(size) if places is None else rng.choice(places))
                bit = int(rng.integers(8))
                flip(path, place, bit)
                told = bool(verify(path))
                found += told
                harm += not told and not same(before, datasets(path))
                flip(path, place, bit)
            print(f"flipped in {where}: {options.flips // 2}, found {found}")
    print(f"not found, and not harmless: {harm}")
    sys.exit(bool(harm))


if __name__ == "__main__":
    main()
