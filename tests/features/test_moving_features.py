"""What stills of a film give away, what the film does, and what is heard."""

import h5py
import numpy as np
import pytest
from moving_zoo import PERIOD, moving_zoo

from nca_zoo.errors import ZooError
from nca_zoo.features.catalogue import (
    FEATURES,
    FILM_CONTROLS,
    PICTURE_CONTROLS,
    STILL_CONTROLS,
    find_feature,
    with_controls,
)
from nca_zoo.store.zoofile import open_zoo


@pytest.fixture(scope="module")
def zoo(tmp_path_factory):
    ink = np.zeros((16, 9, 8), np.uint8)
    ink[:, 2:7, 3:5] = 10 * np.arange(16)[:, None, None] + 100
    return moving_zoo(tmp_path_factory.mktemp("moving") / "zoo.h5", ink)


def test_stills_and_films_are_those_of_the_file(zoo):
    with h5py.File(zoo.path) as file:
        film, weights, clock = (file[name][:] for name in ("film", "weights", "clock"))
    ink = film[..., 3].astype(float) / 255
    every = ink.reshape(16, -1)
    for name, expected in {
        "pixels": ink[:, 0],
        "later": ink[:, PERIOD // 8],
        "mean": ink.mean(axis=1),
        "film": every,
        "changes": (ink - ink.mean(axis=1, keepdims=True)).reshape(16, -1),
        "clock": clock,
        "clocked": np.concatenate([weights, clock.reshape(16, -1)], axis=1),
    }.items():
        found = find_feature(name).vectors(zoo)
        assert found.dtype == np.float32, name
        np.testing.assert_allclose(found, expected.reshape(16, -1), atol=1e-6, err_msg=name)
    later = find_feature("later").vectors(zoo)
    assert (np.abs(later - ink[:, 0].reshape(16, -1)).max(axis=1) > 0.1).all()  # all have moved


def test_who_sees_a_still_sees_no_other_frame(zoo, tmp_path):
    """A control of stills must not know the direction from frames that it is not about."""
    other = tmp_path / "other.h5"
    other.write_bytes(zoo.path.read_bytes())
    with h5py.File(other, "r+") as file:
        film = file["film"][:]
        film[:, 1 : PERIOD // 8] = film[:, PERIOD // 8 + 1 :][:, : PERIOD // 8 - 1]
        film[:, PERIOD // 8 + 1 :] = film[:, PERIOD // 8 + 1 :][:, ::-1]
        file["film"][:] = film
    for name in STILL_CONTROLS:
        if name != "mean":
            pair = (find_feature(name).vectors(z) for z in (zoo, open_zoo(other)))
            np.testing.assert_array_equal(*pair, err_msg=name)
    assert not np.array_equal(*(find_feature("film").vectors(z) for z in (zoo, open_zoo(other))))


def test_controls_of_films_are_read_where_there_are_films(zoo, tmp_path):
    names = [feature.name for feature in with_controls(zoo, ["clock"])]
    assert names == [
        "clock", *PICTURE_CONTROLS, "later", "mean", *FILM_CONTROLS, "seed", "gradient"
    ]  # fmt: skip
    still = tmp_path / "still.h5"
    still.write_bytes(zoo.path.read_bytes())
    with h5py.File(still, "r+") as file:
        told = bytes(file.attrs["settings"]).replace(b'"motion"', b'"was_motion"')
        file.attrs["settings"] = np.bytes_(told)
    with_stills = [feature.name for feature in with_controls(open_zoo(still), ["b1"])]
    assert not {f.name for f in FEATURES.values() if f.moving} & {*with_stills}
    for asked in ("clock", "clocked", "film"):
        with pytest.raises(ZooError, match=f"{asked} is for targets that move"):
            with_controls(open_zoo(still), [asked])
        with pytest.raises(ZooError, match="these stand still"):
            find_feature(asked).vectors(open_zoo(still))


def test_a_clock_that_nobody_hears_is_said_in_a_line(zoo, tmp_path):
    deaf = tmp_path / "deaf.h5"
    deaf.write_bytes(zoo.path.read_bytes())
    with h5py.File(deaf, "r+") as file:
        file.attrs["settings"] = np.bytes_(
            bytes(file.attrs["settings"]).replace(b'"phase"', b'"none"')
        )
    with pytest.raises(ZooError, match="hear no clock"):
        find_feature("clock").vectors(open_zoo(deaf))
    assert find_feature("film").vectors(open_zoo(deaf)).shape == (16, PERIOD * 9 * 8)
