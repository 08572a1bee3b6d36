"""A zoo of real digits that costs no training: ones and sevens, as the writer that ships writes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
from rows import header, record

from nca_zoo.life.engines import make_engine
from nca_zoo.life.quality import GROWN, measure
from nca_zoo.pictures.sources import load_pictures
from nca_zoo.pictures.targets import make_target, stored
from nca_zoo.store.zoofile import Zoo, open_zoo
from nca_zoo.store.zoowriter import ZooWriter
from nca_zoo.training.init import make_init, shipped_writer


def written_zoo(path: Path, data: Path, each: int = 30, classes: str = "1,7") -> Zoo:
    """``each`` NCAs of every class; all count as good."""
    pictures = load_pictures(classes=classes, per_class=100 + each, data_dir=data)[1]
    chosen = [picture for picture in pictures if picture.source_index % 500 >= 100]
    writer, start = shipped_writer(), make_init("meta", "persistent").shared
    rows = []
    for number, picture in enumerate(chosen):
        target = make_target(picture.pixels)
        rows.append(
            record(
                number,
                (28, 28),
                id=picture.id,
                label=picture.label,
                weights=writer.weights(target),
                target=stored(target.rgba),
                seed_row=target.seed_row,
                seed_col=target.seed_col,
            )
        )
    with ZooWriter(path, replace(header(source="letters"), init_weights=start)) as to:
        to.add(rows)
    zoo = open_zoo(path)
    looks = measure(make_engine(threads=1), zoo.ncas(), zoo.target / np.float32(255), [GROWN])
    grown = stored(looks[GROWN.name].pictures)
    by_id = dict(zip(zoo.id.tolist(), grown, strict=True))
    path.unlink()
    with ZooWriter(path, replace(header(source="letters"), init_weights=start)) as to:
        to.add([row | {"grown": by_id[row["id"]]} for row in rows])
    return open_zoo(path)
