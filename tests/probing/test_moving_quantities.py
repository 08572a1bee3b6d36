"""What is asked of targets that move, and whom the answers are compared with."""

import numpy as np
import pytest
from moving_zoo import MOTIONS, PERIOD, moving_zoo

from nca_zoo.features.catalogue import FILM_CONTROLS
from nca_zoo.probing.probe import probe
from nca_zoo.probing.quantities import names, quantity
from nca_zoo_cli.probe import verdict


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    """Bars that hardly differ, of all motions: a film says which, no first frame does."""
    ink = np.zeros((64, 12, 12), np.uint8)
    ink[:, 3:9, 5:7] = 255
    ink[:, 8, 5] = 150 + np.arange(64)
    path = tmp_path_factory.mktemp("moving") / "zoo.h5"
    return moving_zoo(path, ink, seed=(5, 5))


def test_direction_is_a_name_and_speed_a_number(zoo):
    motion, direction, course, speed = (
        quantity(zoo, name) for name in ("motion", "direction", "course", "speed")
    )
    assert motion.classes == ("pulse", "sway", "turn", "walk")
    assert direction.classes == ("-1", "1")
    assert course.classes == tuple(f"{kind} {side}" for kind in motion.classes for side in "+-")
    told = [MOTIONS[number % 16] for number in zoo.source_index]
    for row, expected in enumerate(told):
        side = "+" if expected.direction > 0 else "-"
        assert motion.classes[motion.values[row]] == expected.kind
        assert course.classes[course.values[row]] == f"{expected.kind} {side}"
        assert speed.values[row] == pytest.approx(100 * expected.cycles / PERIOD)
    assert (speed.numeric, speed.units) == (True, "rounds per 100 CA steps")
    assert quantity(zoo, "amplitude").numeric
    assert {"course", "speed", "motion", "direction"} <= {*names(zoo)}


@pytest.mark.wide
def test_the_film_is_the_ceiling_and_no_still(zoo):
    found = probe(zoo, ["clock"], ["knn"], repeats=1, target="course", jobs=1)
    score = {row.feature: row.score for row in found.rows}
    assert score["changes"] > 0.9
    assert score["pixels"] < 0.35
    assert found.best.control not in FILM_CONTROLS
    against = {d.control for d in found.differences}
    assert {"pixels", found.best.control, "gradient", *FILM_CONTROLS} == against
    told = "\n".join(verdict(found))
    assert "films without their means" in told
    assert "the best picture control (films" not in told
