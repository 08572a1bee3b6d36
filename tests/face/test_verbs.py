"""``nca_zoo.fit`` and ``build``: what the commands give, from Python."""

import signal
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image
from rows import datasets
from small_builds import arguments, draw

import nca_zoo as nz
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.training import cohort
from nca_zoo_cli.main import group

QUICK = {"steps": 3, "extra_steps": 0, "attempts": 1}
TYPED = ["--steps", "3", "--extra-steps", "0", "--attempts", "1"]


def pixels(size=9):
    """A disc of straight RGBA: its edge half transparent."""
    rows, cols = np.ogrid[:size, :size]
    away = np.hypot(rows - size // 2, cols - size // 2)
    rgba = np.zeros((size, size, 4), np.uint8)
    rgba[away < 3] = (200, 80, 40, 255)
    rgba[(away >= 3) & (away < 4)] = (200, 80, 40, 128)
    return rgba


@pytest.fixture
def emoji(tmp_path):
    Image.fromarray(pixels()).save(tmp_path / "emoji.png")
    return tmp_path / "emoji.png"


def test_a_fit_is_that_of_the_command(emoji, tmp_path):
    with pytest.warns(nz.ZooWarning, match=r"emoji is \w+: PSNR .* dB at step 96"):
        nca = nz.fit(emoji, **QUICK)
    out = tmp_path / "emoji-command.h5"
    call = ["fit", str(emoji), "--film", "none", "--out", str(out), *TYPED]
    assert CliRunner().invoke(group, call).exit_code == 0
    commanded = open_zoo(out)
    assert nca.id == "emoji"
    for name in set(commanded.columns) - {"wall_s"}:
        np.testing.assert_array_equal(nca.zoo.column(name), commanded.column(name))
    assert nca.zoo.attrs["settings"] == commanded.attrs["settings"]


@pytest.mark.wide
@pytest.mark.filterwarnings("ignore::nca_zoo.errors.ZooWarning")
def test_a_picture_in_any_form(emoji):
    want = nz.fit(emoji, **QUICK)
    same = (
        str(emoji),
        Image.open(emoji),
        pixels(),
        pixels() / 255,
        pixels().tolist(),
    )
    for picture in same:
        nca = nz.fit(picture, name="emoji", **QUICK)
        np.testing.assert_array_equal(nca.weights, want.weights)
        np.testing.assert_array_equal(nca.target, want.target)
    ink = pixels()[..., 3]
    grey = nz.fit(ink, **QUICK)
    assert grey.id == "picture"
    np.testing.assert_array_equal(grey.target, np.repeat(ink[..., None], 4, axis=-1))
    np.testing.assert_array_equal(
        nz.fit(ink[..., None] > 0, **QUICK).target[..., 0], 255 * (ink > 0)
    )
    opaque = nz.fit(pixels()[..., :3], **QUICK)
    assert (opaque.target[..., 3] == 255).all()
    assert nz.fit(pixels(), 12, **QUICK).target.shape == (12, 12, 4)
    assert nz.fit(np.zeros((70, 70)) + np.eye(70), **QUICK).target.shape == (40, 40, 4)


def test_straight_alpha_is_premultiplied():
    with pytest.warns(nz.ZooWarning):
        nca = nz.fit(pixels(), **QUICK)
    half = pixels()[..., 3] == 128
    assert half.any()
    np.testing.assert_allclose(nca.target[half][:, 0], 200 * 128 / 255, atol=1)


@pytest.mark.parametrize(
    ("picture", "choices", "words"),
    [
        (np.zeros(5), {}, r"an array of shape \(5,\) is no picture"),
        (np.zeros((5, 5, 2)), {}, "is no picture"),
        (np.eye(5) * 7, {}, "the picture holds floats from 0 to 7, beyond 1; .* scale="),
        (np.eye(5, dtype=int) * 300, {}, "holds integers from 0 to 300, beyond 255; .* scale="),
        (np.eye(5) * 7, {"scale": 6}, "floats from 0 to 7, beyond 6"),
        (np.eye(5) - 0.5, {"scale": 6}, r"floats from -0\.5 to 0\.5; a picture begins at 0"),
        (np.full((5, 5), np.nan), {}, "numbers that are not finite"),
        (np.eye(5), {"scale": 0}, "scale 0: it must be a number above 0"),
        (np.eye(5).astype(str), {}, "an array of <U32 is no picture"),
        (np.zeros((0, 5)), {}, r"an array of shape \(0, 5\) is no picture"),
        ("nowhere.png", {}, r"nowhere\.png: no such file"),
        (Image.fromarray(np.eye(5, dtype=np.int32)), {}, "from 0 to 1, of unknown scale"),
        (np.ones((5, 5)), {"stepps": 3}, "there is no setting 'stepps'; there are regime"),
        (np.ones((5, 5)), {"regime": "fast"}, "there is no regime 'fast'"),
        (np.ones((5, 5)), {"init": "best"}, "no start is called 'best'"),
        (np.ones((5, 5)), {"steps": 0}, "steps"),
        (np.ones((5, 5)), {"size": 2}, "size 2"),
    ],
)
def test_what_will_not_do_is_one_line(picture, choices, words):
    with pytest.raises(nz.ZooError, match=words) as error:
        nz.fit(picture, **choices)
    assert len(str(error.value).splitlines()) == 1


def test_ctrl_c_gives_the_nca_as_it_is_then(monkeypatch):
    """A notebook's stop ends the training and not the call."""
    step = cohort.Cohort.step

    def stopped_at_the_fourth(self):
        step(self)
        if self.members[0].step == 4:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(cohort.Cohort, "step", stopped_at_the_fourth)
    with pytest.warns(nz.ZooWarning, match="disc is .*, stopped after 4 training steps: PSNR"):
        nca = nz.fit(pixels(), name="disc", steps=100_000)
    assert nca.train_steps == 4
    assert nca.status in ("below_gate", "dead")
    assert nca.psnr_96 > 0
    monkeypatch.undo()
    with pytest.warns(nz.ZooWarning):
        four = nz.fit(pixels(), name="disc", steps=4, extra_steps=0, attempts=1)
    np.testing.assert_array_equal(nca.weights, four.weights)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


@pytest.fixture(scope="module")
def nca():
    with pytest.warns(nz.ZooWarning):
        return nz.fit(pixels(), name="disc", **QUICK)


def test_what_an_nca_knows_of_itself(nca):
    assert nca.status in ("below_gate", "dead")
    assert isinstance(nca.psnr_96, float)
    assert nca.weights.shape == (8336,)
    assert {name: t.shape for name, t in nca.tensors.items()} == {
        "W1": (128, 48), "b1": (128,), "W2": (16, 128), "b2": (16,),
    }  # fmt: skip
    assert nca.seed.shape == (9, 9, 16)
    assert nca.seed[..., 3].sum() == 1
    assert nca.target.dtype == np.uint8
    shown = nca.live()._repr_mimebundle_()
    assert set(shown) == {"text/html", "image/png"}


def test_save_makes_a_zoo_of_one(nca, tmp_path):
    path = nca.save(tmp_path / "new" / "disc.h5")
    again = nz.open(path, failed=True)["disc"]
    for name in nca.zoo.columns:
        np.testing.assert_array_equal(again.zoo.column(name), nca.zoo.column(name))
    assert CliRunner().invoke(group, ["verify", "--zoo", str(path)]).exit_code == 0
    with pytest.raises(nz.ZooError, match=r"disc\.h5 exists already; replace=True"):
        nca.save(path)
    nca.save(path, replace=True)
    assert [p.name for p in path.parent.iterdir()] == ["disc.h5"]
    with pytest.raises(nz.ZooError, match=r"must end in \.h5"):
        nca.save(tmp_path / "disc.txt")
    with pytest.raises(nz.ZooError, match="in no file yet; save them"):
        nca.zoo.add("lean", [1.0])
    again.zoo.add("lean", [1.0])
    assert nz.open(path, failed=True)[0].lean == 1


def test_films_show_themselves_and_save(nca, tmp_path):
    film = nca.film(24, damage=[nz.Wound(12)])
    assert repr(film) == "<Film of disc: 24 steps, 1 wounds; .save(...) writes it>"
    html = film._repr_html_()
    assert html.startswith('<img src="data:image/gif;base64,')
    for ending in ("mp4", "gif", "png"):
        path = film.save(tmp_path / f"disc.{ending}")
        assert path.stat().st_size > 500
    with Image.open(tmp_path / "disc.gif") as gif:
        assert gif.n_frames == 7
    with pytest.raises(nz.ZooError, match=r"a film's name must end in \.mp4"):
        film.save(tmp_path / "disc.avi")
    with pytest.raises(nz.ZooError, match="would never be seen to heal"):
        nca.film(24, damage=[nz.Wound(30)])


def test_a_build_is_that_of_the_command_and_goes_on(tmp_path):
    pictures = draw(tmp_path / "pictures", 2, 3)
    called, typed = tmp_path / "called.h5", tmp_path / "typed.h5"
    choices = QUICK | {"init": "shared", "regime": "persistent", "cohort": 1, "jobs": 1}
    part = nz.build(pictures, "0", "all", out=called, failed=True, **choices)
    assert len(part) == 3
    zoo = nz.build(pictures, per_class="all", out=called, failed=True, **choices)
    assert len(zoo) == 6
    assert CliRunner().invoke(group, arguments(pictures, typed)).exit_code == 0
    mine, theirs = datasets(called), datasets(typed)
    for name in mine.keys() - {"wall_s"}:
        assert mine[name].tobytes() == theirs[name].tobytes(), name
    assert CliRunner().invoke(group, arguments(pictures, called)).exit_code == 0
    assert len(nz.build(pictures, [1], 2, out=called, **choices)) <= 6
    with pytest.raises(nz.ZooError, match="per_class is 0"):
        nz.build(pictures, per_class=0, out=called)


def test_the_package_loads_nothing_until_it_is_asked():
    code = (
        "import sys, nca_zoo as nz; names = dir(nz); nz.__version__; from nca_zoo import fit\n"
        "assert {'fit', 'build', 'open', 'NCA', 'Zoo', 'Wound'} <= set(names)\n"
        "assert 'torch' not in sys.modules and 'matplotlib' not in sys.modules\n"
        "assert nz.Wound(3).step == 3\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    code = "import sys, nca_zoo as nz; nz.__version__; assert 'numpy' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
    with pytest.raises(AttributeError, match="no attribute 'fitt'"):
        _ = nz.fitt
