"""What a person types: ``import nca_zoo as nz``, then ``nz.fit``, ``nz.build``, ``nz.open``, and
what these give. It stands on all rooms, and says and does nothing that they could not."""

from nca_zoo.automaton.seeds import Seed
from nca_zoo.automaton.wounds import Wound
from nca_zoo.errors import ZooError, ZooWarning
from nca_zoo.face.nca import NCA, Film
from nca_zoo.face.verbs import build, fit, open
from nca_zoo.face.zoo import Zoo

__all__ = ["NCA", "Film", "Seed", "Wound", "Zoo", "ZooError", "ZooWarning", "build", "fit", "open"]
