"""The digest of a zoo: what it hangs on, by what h5py reads, and what it does not."""

import hashlib

import h5py
import numpy as np
from click.testing import CliRunner
from rows import header, record

from nca_zoo.automaton.rule import N_PARAMS
from nca_zoo.store.zoofile import open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo_cli.main import group


def written(path, rows):
    with ZooWriter(path, header()) as writer:
        writer.add(rows)
    return open_zoo(path)


def by_hand(path):
    """As docs/zoo-file.md defines it, with h5py alone."""
    with h5py.File(path) as file:
        rows = {
            name.decode(): hashlib.sha256(weights.astype("<f4").tobytes()).hexdigest()
            for name, weights in zip(file["id"][:], file["weights"][:], strict=True)
        }
    text = "".join(f"{rows[name]}  {name}\n" for name in sorted(rows))
    return hashlib.sha256(text.encode()).hexdigest()


def test_the_digest_is_that_of_h5py_and_of_the_command(whole):
    zoo = open_zoo(whole)
    assert zoo.digest == by_hand(whole)
    result = CliRunner().invoke(group, ["info", "--digest", "--zoo", str(whole)])
    assert result.output == f"{zoo.digest}\n"
    both = CliRunner().invoke(group, ["info", "--digest", "--json", "--zoo", str(whole)])
    assert both.exit_code == 2


def test_order_and_other_columns_do_not_matter(tmp_path):
    zoo = written(tmp_path / "a.h5", [record(number) for number in range(5)])
    others = {"psnr_96": np.float32(7), "label": 9, "wall_s": np.float32(0), "rng_seed": 1}
    other = written(tmp_path / "b.h5", [record(number, **others) for number in (3, 1, 4, 0, 2)])
    assert zoo.id.tolist() != other.id.tolist()
    assert zoo.digest == other.digest == zoo.subset([4, 0, 2, 1, 3]).digest
    zoo.add("mine", np.arange(5.0))
    assert open_zoo(tmp_path / "a.h5").digest == other.digest


def test_every_weight_and_id_matters(tmp_path):
    rows = [record(number) for number in range(3)]
    zoo = written(tmp_path / "a.h5", rows)
    weights = rows[1]["weights"].copy()
    weights[-1] = np.nextafter(weights[-1], np.float32(9))
    changed = [
        [rows[0], record(1, weights=weights), rows[2]],
        [rows[0], record(1, id="another"), rows[2]],
        [rows[0], record(1, weights=rows[2]["weights"]), record(2, weights=rows[1]["weights"])],
    ]
    found = {written(tmp_path / f"{n}.h5", some).digest for n, some in enumerate(changed)}
    assert len({*found, zoo.digest, zoo.subset([0, 1]).digest, zoo.subset([]).digest}) == 6


def test_which_nan_it_is_does_not_matter(tmp_path):
    """x86 and Arm have different ones for the same fault."""
    zoos = []
    for name, bits in (("a.h5", 0x7FC00000), ("b.h5", 0xFFC00000)):
        broken = np.full(N_PARAMS, bits, np.uint32).view(np.float32)
        zoos.append(written(tmp_path / name, [record(0, weights=broken, status="diverged")]))
    assert zoos[0].weights_sha256[0] != zoos[1].weights_sha256[0]
    assert zoos[0].digest == zoos[1].digest
