"""nca-zoo: a population of neural cellular automata, one per picture, and their weights as data.

>>> import nca_zoo as nz
>>> nca = nz.fit("emoji.png", size=40)
>>> zoo = nz.open("data/zoo.h5")
>>> X, y = zoo.xy()

docs/python.md tells what there is. Nothing is loaded before it is asked for.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nca_zoo.face import NCA, Film, Wound, Zoo, ZooError, ZooWarning, build, fit, open

    __version__: str

__all__ = [
    "NCA", "Film", "Wound", "Zoo", "ZooError", "ZooWarning", "__version__", "build", "fit", "open",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("nca-zoo")
    if name in __all__:
        from nca_zoo import face

        return getattr(face, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
