"""nca-zoo: a population of neural cellular automata, one per picture, and their weights as data.

>>> import nca_zoo as nz
>>> nca = nz.fit("emoji.png", size=40)
>>> zoo = nz.open("data/zoo.h5")
>>> X, y = zoo.xy()

docs/python.md tells what there is. Nothing is loaded before it is asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nca_zoo.face import NCA as NCA
    from nca_zoo.face import Film as Film
    from nca_zoo.face import Seed as Seed
    from nca_zoo.face import Wound as Wound
    from nca_zoo.face import Zoo as Zoo
    from nca_zoo.face import ZooError as ZooError
    from nca_zoo.face import ZooWarning as ZooWarning
    from nca_zoo.face import build as build
    from nca_zoo.face import fit as fit
    from nca_zoo.face import open as open

    __version__: str

_FACE = ("NCA", "Film", "Seed", "Wound", "Zoo", "ZooError", "ZooWarning", "build", "fit", "open")


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("nca-zoo")
    if name in _FACE:
        from nca_zoo import face

        return getattr(face, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_FACE, "__version__"})
