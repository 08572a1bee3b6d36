"""A zoo as a dataset among others: a card for people and Hugging Face, Croissant for programs.

The card is a README.md with front matter (https://huggingface.co/docs/hub/datasets-cards);
Croissant 1.0 is JSON-LD (https://docs.mlcommons.org/croissant/docs/croissant-spec.html).
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from nca_zoo.errors import ZooError
from nca_zoo.exchange.exporting import metadata_csv
from nca_zoo.store.beside import find_columns
from nca_zoo.store.columns import Column
from nca_zoo.store.parts import BLOCK_BYTES, find_shards
from nca_zoo.store.zoofile import Zoo

SIZES = (1_000, 10_000, 100_000, 1_000_000)  # Hugging Face's classes of rows
LICENCES = {  # as a zoo names them: Hugging Face's name, and where the text is
    "CC BY-SA 3.0": ("cc-by-sa-3.0", "https://creativecommons.org/licenses/by-sa/3.0/"),
    "CC BY-SA 4.0": ("cc-by-sa-4.0", "https://creativecommons.org/licenses/by-sa/4.0/"),
    "CC0": ("cc0-1.0", "https://creativecommons.org/publicdomain/zero/1.0/"),
    "MIT": ("mit", "https://opensource.org/license/mit"),
}
MNIST = (
    "The digits of MNIST are by Yann LeCun, Corinna Cortes and Christopher Burges, made from "
    "handwriting that NIST collected (Special Databases 1 and 3). Yann LeCun and Corinna Cortes "
    "hold the copyright and license them under CC BY-SA 3.0: share alike, and name them."
)
SEEN = {  # what is visible of an NCA, in words
    "rgba": "RGBA, the first four",
    "grey": "alpha alone, the fourth, as white ink (grey); the first three are hidden",
}
LISTED = 100  # classes
TYPES = {
    "f": "sc:Float", "i": "sc:Integer", "u": "sc:Integer", "b": "sc:Boolean",
    "S": "sc:Text", "O": "sc:Text",
}  # fmt: skip


def checksum(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            found.update(block)
    return found.hexdigest()


def _whole(zoo: Zoo) -> Path:
    """The one file that a dataset is; raises ZooError while a build is unfinished."""
    if columns := find_columns(zoo.path):
        raise ZooError(
            f"{zoo.path}: columns that were added lie beside it ({columns[0].parent.name}); "
            "zoo.consolidate() brings them into the file"
        )
    if find_shards(zoo.path):
        raise ZooError(
            f"{zoo.path}: its build is not finished, so part of it lies in other files; run the "
            "same build to its end, or merge it into a new file"
        )
    return zoo.path


def _title(zoo: Zoo) -> str:
    return f"{len(zoo)} neural cellular automata: {zoo.path.stem}"


def _about(zoo: Zoo) -> str:
    height, width = zoo.grid
    return (
        f"The weights of {len(zoo)} neural cellular automata on a grid of {height} x {width} "
        "cells, one trained for each picture, with the pictures, what was grown, and how well. "
        f"Visible channels: {SEEN[zoo.visible]}. Pictures: {zoo.attrs['source']}."
    )


def card(zoo: Zoo) -> str:
    """README.md of a dataset that holds the zoo's file: front matter, then what people ask."""
    path, attrs = _whole(zoo), zoo.attrs
    licence, link = LICENCES.get(attrs["licence"], ("other", ""))
    head = {
        "license": licence,
        **(
            {} if link else {"license_name": re.sub(r"[^a-z0-9.-]+", "-", attrs["licence"].lower())}
        ),
        "pretty_name": _title(zoo),
        "tags": ["neural-cellular-automata", "weight-space-learning", "model-zoo"],
        "task_categories": ["other"],
        "size_categories": [_size(len(zoo))],
        "configs": [
            {
                "config_name": "default",
                "data_files": [{"split": "train", "path": path.name}],
            }
        ],
    }
    origin = [MNIST, ""] if _is_mnist(zoo) else []
    return "\n".join(
        [
            # JSON is YAML, and quotes whatever a file's name or its source may hold.
            "---",
            *(f"{name}: {json.dumps(value, ensure_ascii=False)}" for name, value in head.items()),
            "---",
            "",
            f"# {_title(zoo)}",
            "",
            _about(zoo),
            "",
            *origin,
            "## Load it",
            "",
            "```python",
            "from datasets import load_dataset",
            "",
            f'zoo = load_dataset("hdf5", data_files={json.dumps(path.name)}, split="train")',
            'good = zoo.filter(lambda row: row["status"] == "ok")',
            "```",
            "",
            "or with h5py, or with `nca_zoo.open`. Everything is Hugging Face's split `train`; "
            "the column `split` tells training from test pictures.",
            "",
            "## What it holds",
            "",
            "| | |",
            "|---|---|",
            *(f"| {name} | {_cell(text)} |" for name, text in _facts(zoo).items()),
            "",
            "| column | type | units | |",
            "|---|---|---|---|",
            *(
                f"| `{c.name}` | {_type(c, zoo)} | {_cell(c.units)} | {_cell(_told(c))} |"
                for c in zoo.described
            ),
            "",
            "Weights of NCAs whose `status` is not `ok` did not pass the quality gate: leave them "
            "out unless failures are what you study.",
            "",
        ]
    )


def _told(column: Column) -> str:
    made = ", ".join(filter(None, (column.made_by, column.made_with)))
    return f"{column.description} ({made})" if made else column.description


def _cell(text: object) -> str:
    return str(text).replace("|", "\\|").replace("<", "&lt;")


def _type(column: Column, zoo: Zoo) -> str:
    sizes = dict(zip("HW", zoo.grid, strict=True))
    sides = [str(sizes.get(str(side), side)) for side in column.shape]
    kind = "text" if column.is_text else np.dtype(column.dtype).name
    return f"{kind} ({', '.join(sides)})" if sides else kind


def _facts(zoo: Zoo) -> dict[str, object]:
    statuses, counts = np.unique(zoo.status, return_counts=True)
    return {
        "NCAs": ", ".join(f"{n} {s}" for s, n in zip(statuses, counts, strict=True)),
        "classes": _classes(zoo),
        "source": zoo.attrs["source"],
        "licence of the pictures": zoo.attrs["licence"],
        "visible channels": SEEN[zoo.visible],
        "regime": zoo.settings.regime,
        "start": zoo.settings.init,
        "trained by": zoo.attrs["engine"],
        "made with": ", ".join(f"{k} {v}" for k, v in zoo.attrs["versions"].items()),
        "created": zoo.attrs["created"],
        "file": f"{zoo.path.name}, {zoo.path.stat().st_size} bytes",
        "SHA-256": checksum(zoo.path),
    }


def _classes(zoo: Zoo) -> str:
    """The classes that occur, by label and name."""
    names = {label: zoo.classes.name(label) for label in np.unique(zoo.label[zoo.label >= 0])}
    told = [f"{n} {name}" if name != str(n) else name for n, name in names.items()]
    more = f" and {len(told) - LISTED} more" if len(told) > LISTED else ""
    return ", ".join(told[:LISTED]) + more or "none"


def _size(rows: int) -> str:
    names = ("n<1K", "1K<n<10K", "10K<n<100K", "100K<n<1M", "n>1M")
    return names[sum(rows >= size for size in SIZES)]


def _is_mnist(zoo: Zoo) -> bool:
    return "of MNIST" in zoo.attrs["source"] or zoo.attrs["source"].startswith("mnist:")


def croissant(zoo: Zoo, url: str | None = None) -> dict[str, Any]:
    """Croissant metadata of the zoo's file, as a JSON value.

    url: where the dataset will be found; a page of its own is something that only its publisher
    knows. The record set has the columns of one value an NCA, by way of a file of
    ``metadata_csv`` beside the zoo: Croissant 1.0 has no way into HDF5.
    """
    path, attrs = _whole(zoo), zoo.attrs
    _, licence = LICENCES.get(attrs["licence"], ("", ""))
    table = metadata_csv(zoo).encode()
    columns = [column for column in zoo.described if not column.shape]
    return {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.0",
        "name": re.sub(r"[^A-Za-z0-9_-]+", "-", path.stem) or "zoo",
        "description": _about(zoo),
        "version": "1.0.0",
        "license": licence or attrs["licence"],
        "creator": {"@type": "sc:Organization", "name": "nca-zoo"},
        "citeAs": MNIST if _is_mnist(zoo) else attrs["source"],
        "datePublished": attrs["created"],
        "url": url or path.name,
        "distribution": [
            {
                "@type": "cr:FileObject",
                "@id": path.name,
                "name": path.name,
                "description": "The zoo: every column, weights and pictures among them.",
                "contentUrl": path.name,
                "contentSize": f"{path.stat().st_size} B",
                "encodingFormat": "application/x-hdf5",
                "sha256": checksum(path),
            },
            {
                "@type": "cr:FileObject",
                "@id": f"{path.stem}.csv",
                "name": f"{path.stem}.csv",
                "description": "What is one value for each NCA.",
                "contentUrl": f"{path.stem}.csv",
                "contentSize": f"{len(table)} B",
                "encodingFormat": "text/csv",
                "sha256": hashlib.sha256(table).hexdigest(),
            },
        ],
        "recordSet": [
            {
                "@type": "cr:RecordSet",
                "@id": "ncas",
                "name": "ncas",
                "description": "One record for each NCA, in the order of the rows of the zoo.",
                "key": {"@id": "ncas/id"},
                "field": [_field(column, f"{path.stem}.csv") for column in columns],
            }
        ],
    }


def _field(column: Column, file: str) -> dict[str, Any]:
    about = _told(column) or column.name
    return {
        "@type": "cr:Field",
        "@id": f"ncas/{column.name}",
        "name": column.name,
        "description": f"{about} [{column.units}]" if column.units else about,
        "dataType": TYPES[np.dtype(column.dtype).kind],
        "source": {"fileObject": {"@id": file}, "extract": {"column": column.name}},
    }


CONTEXT = {  # as the specification has it
    "@language": "en",
    "@vocab": "https://schema.org/",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
