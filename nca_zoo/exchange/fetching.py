"""Zoos that lie at an address: fetched once, checked against their digest and verified. Then each
is a file like any other.

Pooch (Uieda et al., 2020) fetches and compares; what does not fit, or is no whole zoo, is not kept.
"""

import hashlib
import os
import re
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from nca_zoo.errors import ZooError, one_line
from nca_zoo.ground.files import make_folder
from nca_zoo.ground.locks import FileLock

if TYPE_CHECKING:
    import requests

HUB = "https://huggingface.co"
HERE = ("127.0.0.1", "localhost", "::1")  # whence http:// is as safe as a file
DIGEST = re.compile(r"[0-9a-f]{64}")
TIMEOUT_S = 30.0  # of silence
KEY = 12  # letters of a digest in a file's name: two zoos of one name are two files


def is_address(text: object) -> bool:
    """Whether this names a zoo elsewhere: ``https://...`` or ``hf://...``, and no file here."""
    return isinstance(text, str) and re.match("(https?|hf)://", text) is not None


def fetched(address: str, folder: Path, bar: Any = None) -> Path:
    """The file of the zoo at an address, in ``folder``/fetched: there already, or from now on.

    address: ``https://HOST/ZOO.h5`` or, on the Hugging Face hub, ``hf://datasets/OWNER/NAME/ZOO.h5``
    (``NAME@REVISION`` for another than main); ``#sha256=...`` behind it is the digest of the file.
    Without that ``ADDRESS.sha256`` must have it. bar: shows how much has come, as tqdm's.

    Raises ZooError, one line, if the zoo cannot be had, has another digest, or fails ``verify``.
    """
    plain, _, mark = address.partition("#")
    digest = mark.removeprefix("sha256=").lower()
    if mark and not (mark.startswith("sha256=") and DIGEST.fullmatch(digest)):
        raise ZooError(f"{address}: behind # belongs sha256= and 64 digits of 0-9, a-f")
    url = _url(plain)
    name = PurePosixPath(urlsplit(url).path)
    if name.suffix.lower() != ".h5":
        raise ZooError(f"{address}: a zoo's name must end in .h5")
    key = (digest or hashlib.sha256(url.encode()).hexdigest())[:KEY]
    place = Path(folder) / "fetched" / f"{name.stem}-{key}.h5"
    if not place.exists():
        make_folder(place.parent)
        lock = FileLock(place.with_suffix(".lock"), f"{place} is being fetched already. By")
        try:
            _fetch(url, digest or _announced(url), place, bar)
        finally:
            lock.release()
    return place


def _url(address: str) -> str:
    """Where a zoo is fetched from; raises ZooError for an address that nobody can vouch for."""
    if address.startswith("http://") and urlsplit(address).hostname not in HERE:
        raise ZooError(f"{address}: anybody on the way could change it; use https://")
    if not address.startswith("hf://"):
        return address
    pieces = address.removeprefix("hf://").split("/")
    kind = f"{pieces.pop(0)}/" if pieces[0] in ("datasets", "spaces") else ""
    if len(pieces) < 3:
        raise ZooError(f"{address}: write hf://datasets/OWNER/NAME/ZOO.h5")
    owner, repository, *path = pieces
    repository, _, revision = repository.partition("@")
    where = f"{kind}{owner}/{repository}/resolve/{revision or 'main'}"
    return f"{HUB}/{where}/{'/'.join(path)}"


def _announced(url: str) -> str:
    """The digest in the file beside a zoo; raises ZooError if there is none."""
    import requests

    try:
        answer = requests.get(f"{url}.sha256", timeout=TIMEOUT_S)
        answer.raise_for_status()
    except requests.HTTPError:
        raise ZooError(
            f"{url}: nothing says what its digest is; write #sha256=... behind the address, or put "
            f"{PurePosixPath(url).name}.sha256 beside the file"
        ) from None
    except requests.RequestException as error:
        raise _unreachable(url, error) from None
    found = DIGEST.match(answer.text.strip().lower())
    if not found:
        raise ZooError(f"{url}.sha256: holds no digest: 64 digits of 0-9, a-f")
    return found[0]


def _fetch(url: str, digest: str, place: Path, bar: Any) -> None:
    import pooch
    import requests

    from nca_zoo.store.verify import verify

    pooch.get_logger().setLevel("WARNING")
    raw = place.with_suffix(".unverified.h5")
    downloader = pooch.HTTPDownloader(progressbar=bar or False, timeout=TIMEOUT_S)
    try:
        pooch.retrieve(url, f"sha256:{digest}", raw.name, raw.parent, downloader=downloader)
        if problems := verify(raw, guarded=True):
            raise ZooError(f"{url}: is no whole zoo, and not kept: {problems[0]}")
        os.replace(raw, place)
    except requests.RequestException as error:
        raise _unreachable(url, error) from None
    except ValueError:  # of pooch, in several sentences
        raise ZooError(
            f"{url}: what came has another digest than {digest[:KEY]}..., and is not kept; fetch "
            "again, or ask who gave you the address"
        ) from None
    except OSError as error:
        raise ZooError(f"{place}: cannot be written: {one_line(error)}") from None
    finally:
        with suppress(OSError):
            raw.unlink(missing_ok=True)


def _unreachable(url: str, error: "requests.RequestException") -> ZooError:
    status = None
    if error.response is not None:
        status = error.response.status_code
        error.response.close()  # pooch leaves it open
    why = f"the server says {status}" if status else type(error).__name__
    return ZooError(f"{url}: cannot be fetched ({why}); is the address right, and the network up?")
