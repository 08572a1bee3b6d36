"""How an NCA learns its target: regimes, starts, a training step of many NCAs at once, the gate
that says when one is done, and the meta-learning of a shared start. No file is written here but
start files."""

__all__ = [
    "adam",
    "cohort",
    "diary",
    "fronts",
    "gate",
    "init",
    "lessons",
    "metastart",
    "regime",
    "rooms",
    "trainer",
    "writer",
]  # modules that others may import from
