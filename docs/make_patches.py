"""The patches of the control ``patches``: python docs/make_patches.py

Learnt without labels from the 800 digits from which the shared start was learnt, none of which is
in a zoo of up to 400 digits a class; seconds.
"""

from pathlib import Path

import numpy as np

import nca_zoo.features
from nca_zoo.features.descriptors import LEARNT, PatchBank
from nca_zoo.ground.files import published
from nca_zoo.pictures.sources import meta_pictures


def main() -> None:
    """Learn them and put them into the package."""
    pictures = meta_pictures()
    ink = np.stack([picture.pixels for picture in pictures]).astype(np.float32) / np.float32(255)
    bank = PatchBank.learn(ink)
    out = Path(nca_zoo.features.__file__).parent / LEARNT
    with published(out) as part, part.open("wb") as file:
        np.savez(file, centres=bank.centres.astype(np.float32))
    print(f"{out}: {len(bank.centres)} patches of {len(pictures)} pictures")


if __name__ == "__main__":
    main()
