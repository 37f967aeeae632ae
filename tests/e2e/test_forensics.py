"""The forensics find what is planted: else an image in which they find nothing would prove nothing."""

import base64
import io
import random
import sqlite3
import zlib
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote

import cv2
import numpy as np
import pytest
from PIL import Image

from device.pictures import Unreadable, luma_of
from device.reader.symbol import layout, version_of
from sim import paper, photo
from sim.paper.symbol import modules_of
from tests.e2e.card_image import CardImage, why_not
from tests.e2e.forensics import Secrets, readable

IMAGE_BYTES = 2**18


class Sample:
    """A payload, a photograph of its sheet, and the secrets that these are."""

    def __init__(self) -> None:
        chance = random.Random(5)
        self.payload = paper.random_payload(chance)
        sheet = paper.draw(self.payload)
        self.picture = photo.photograph(sheet, seed=5, size=(1536, 864), dpmm=11.5 / 3).jpeg()
        luma = luma_of(self.picture)
        assert not isinstance(luma, Unreadable)
        self.luma = luma
        self.mesa = self.payload.partition("!")[0]
        self.place = "Liceo Andrés Bello"
        self.secrets = Secrets([self.payload], [self.mesa, self.place], [self.picture])

    def saved(self, kind: str, scale: float = 1) -> bytes:
        """The picture as another kind of file, in another size."""
        file, image = io.BytesIO(), Image.fromarray(self.luma)
        image.resize((round(image.width * scale), round(image.height * scale))).save(file, kind)
        return file.getvalue()


@pytest.fixture(scope="module")
def sample() -> Sample:
    return Sample()


def rubbish(count: int) -> bytes:
    return np.random.default_rng(7).bytes(count)


def planted_in(content: bytes, at: int = 12_345) -> bytes:
    image = rubbish(IMAGE_BYTES)
    return image[:at] + content + image[at + len(content) :]


def _codewords(payload: str) -> bytes:
    modules = modules_of(payload)
    return np.packbits(modules.reshape(-1)[layout(version_of(len(modules))).order], axis=1).tobytes()


def _thumbnail(sample: Sample) -> bytes:
    return Image.fromarray(sample.luma).resize((200, 113), Image.Resampling.LANCZOS).tobytes()


PLANTED: dict[str, Callable[[Sample], bytes]] = {
    "a payload": lambda sample: sample.payload.encode(),
    "a payload in UTF-16": lambda sample: sample.payload.encode("utf-16"),
    "a payload in base64": lambda sample: base64.b64encode(b"?" + sample.payload.encode()),
    "a payload in base64 of lines": lambda sample: base64.encodebytes(b"??" + sample.payload.encode()),
    "a payload in base64 for URLs": lambda sample: base64.urlsafe_b64encode(sample.payload.encode()),
    "a payload in hexadecimal": lambda sample: b"a" + sample.payload.encode().hex().encode(),
    "a payload escaped for URLs": lambda sample: quote(sample.payload, safe="").encode(),
    "a payload all escaped": lambda sample: b"".join(b"%%%02X" % byte for byte in sample.payload.encode()),
    "a payload escaped for JSON": lambda sample: b"".join(b"\\u00%02x" % byte for byte in sample.payload.encode()),
    "a payload compressed": lambda sample: zlib.compress(sample.payload.encode()),
    "a payload compressed, in base64": lambda sample: base64.b64encode(zlib.compress(sample.payload.encode())),
    "a piece of a payload": lambda sample: sample.payload[40:55].encode(),
    "a mesa": lambda sample: sample.mesa.encode(),
    "a place": lambda sample: sample.place.encode(),
    "a place in UTF-16": lambda sample: sample.place.encode("utf-16-be"),
    "content of a QR code": lambda sample: (int.from_bytes(sample.payload.encode()) << 4).to_bytes(200)[-90:-60],
    "codewords of a QR code": lambda sample: _codewords(sample.payload)[20:40],
    "modules of a QR code": lambda sample: modules_of(sample.payload).tobytes(),
    "modules of a QR code, light on dark": lambda sample: (255 - 255 * modules_of(sample.payload)).tobytes(),
    "modules of a QR code, in bits": lambda sample: np.packbits(modules_of(sample.payload)).tobytes()[30:60],
    "a picture": lambda sample: sample.picture,
    "a picture's beginning": lambda sample: sample.picture[:4096],
    "a piece of a picture": lambda sample: sample.picture[50_001:50_017],
    "a picture in base64": lambda sample: base64.b64encode(sample.picture[:10_000]),
    "a picture as PNG": lambda sample: sample.saved("PNG"),
    "a picture as WebP": lambda sample: sample.saved("WEBP"),
    "a picture as PDF": lambda sample: sample.saved("PDF"),
    "a small picture as JPEG": lambda sample: sample.saved("JPEG", 1 / 9),
    "an archive": lambda sample: b"PK\3\4" + zlib.compress(sample.picture)[2:],
    "luma": lambda sample: sample.luma.tobytes()[300_000:301_000],
    "luma compressed": lambda sample: zlib.compress(sample.luma.tobytes())[:60_000],
    "luma a quarter as large": lambda sample: cv2.resize(
        sample.luma, (384, 216), interpolation=cv2.INTER_AREA
    ).tobytes()[40_000:40_100],
    "luma made smaller in a way of its own": _thumbnail,
}


@pytest.mark.parametrize("name", PLANTED)
def test_what_is_planted_is_found(name: str, sample: Sample) -> None:
    assert sample.secrets.found_in(planted_in(PLANTED[name](sample))), name


def test_nothing_is_found_where_nothing_is(sample: Sample) -> None:
    other = paper.random_payload(random.Random(6))
    for image in (rubbish(4 * IMAGE_BYTES), bytes(IMAGE_BYTES), other.encode()[:20], b""):
        assert sample.secrets.found_in(image) == []


def test_what_can_be_read_and_was_not_expected_is_told() -> None:
    image = planted_in(b"a sentence that nobody has expected here, 0123456789abcdef0123456789abcdef")
    assert readable(image, ["[0-9a-f]{32}"]) == ["a sentence that nobody has expected here, "]
    assert readable(planted_in("a sentence in two bytes a character".encode("utf-16-le")), ["[0-9a-f]{32}"])
    assert readable(rubbish(4 * IMAGE_BYTES), ["[0-9a-f]{32}"]) == []


def _kept(folder: Path, secret: bytes) -> None:
    (folder / "file").write_bytes(secret)


def _deleted(folder: Path, secret: bytes) -> None:
    (folder / "file").write_bytes(rubbish(100) + secret)
    CardImage.sync(folder)
    (folder / "file").unlink()


def _in_a_name(folder: Path, secret: bytes) -> None:
    (folder / secret.decode()).touch()


def _in_free_pages(folder: Path, secret: bytes) -> None:
    database = sqlite3.connect(folder / "index.db")
    database.execute("CREATE TABLE t (x)")
    database.execute("INSERT INTO t VALUES (?)", (secret,))
    database.commit()
    database.execute("DELETE FROM t")
    database.commit()
    database.close()


def _in_a_log_of_writes(folder: Path, secret: bytes) -> None:
    database = sqlite3.connect(folder / "index.db")
    database.execute("PRAGMA journal_mode=WAL")
    database.execute("CREATE TABLE t (x)")
    database.execute("INSERT INTO t VALUES (?)", (secret,))
    database.commit()
    database.execute("DELETE FROM t")
    database.commit()
    assert (folder / "index.db-wal").stat().st_size
    CardImage.sync(folder)
    database.close()


@pytest.mark.skipif(bool(why_not()), reason=why_not())
@pytest.mark.parametrize("plant", [_kept, _deleted, _in_a_name, _in_free_pages, _in_a_log_of_writes])
def test_it_is_found_wherever_on_a_card_it_is(
    plant: Callable[[Path, bytes], None], sample: Sample, tmp_path: Path
) -> None:
    with CardImage(tmp_path / "card") as card:
        plant(card.folder, sample.mesa.encode())
    assert sample.secrets.found_in(card.content())


@pytest.mark.skipif(bool(why_not()), reason=why_not())
def test_it_is_found_behind_the_end_of_a_file(sample: Sample, tmp_path: Path) -> None:
    with CardImage(tmp_path / "card") as card:
        (card.folder / "file").write_bytes(rubbish(5000))
    image = bytearray(card.content())
    end = image.find(rubbish(5000)) + 5000
    assert not any(image[end : end + 1000]), "the kernel writes zeros there"
    image[end + 10 : end + 10 + len(sample.mesa)] = sample.mesa.encode()
    assert sample.secrets.found_in(bytes(image))
