"""The symbol's tables, against symbols that segno draws."""

import numpy as np
import pytest
import segno

from device.reader import symbol


@pytest.mark.parametrize("version", range(1, symbol.VERSION_MAX + 1))
def test_every_version_level_and_mask_is_laid_out_as_segno_draws_it(version: int) -> None:
    said = f"{version:02} says".encode()
    for place, level in enumerate(symbol.LEVELS):
        mask = (version + place) % 8
        made = segno.make_qr(said[: 4 + place], version=version, error=level, mode="byte", mask=mask, boost_error=False)
        modules = np.array([list(row) for row in made.matrix], np.int8)
        layout, blocks = symbol.layout(version), symbol.blocks(version, level)
        assert symbol.version_of(len(modules)) == version
        np.testing.assert_array_equal(modules[layout.fixed >= 0], layout.fixed[layout.fixed >= 0])
        np.testing.assert_array_equal(modules.flat[layout.format_at], np.tile(symbol.FORMATS[8 * place + mask], (2, 1)))
        if version >= 7:
            drawn = np.tile(symbol.VERSIONS[version - 7], (2, 1))
            np.testing.assert_array_equal(modules.flat[layout.version_at], drawn)
        codewords = np.packbits(modules.flat[layout.order] ^ layout.masks[mask], axis=1)[:, 0]
        content = codewords[blocks.places].ravel()[blocks.content]
        begin = 12 if version < 10 else 20
        bits = np.unpackbits(content)[begin : begin + 8 * (4 + place)]
        assert np.packbits(bits).tobytes() == said[: 4 + place]


@pytest.mark.parametrize("version", [1, 2, 7, 8, 14, 40])
def test_each_module_has_one_use(version: int) -> None:
    layout = symbol.layout(version)
    used = np.concatenate([layout.order.ravel(), layout.format_at.ravel(), np.flatnonzero(layout.fixed >= 0)])
    assert len(np.unique(used)) == len(used)
    assert 0 <= layout.dim**2 - len(used) < 8  # the rest bits


@pytest.mark.parametrize("version", [1, 5, 8, 40])
@pytest.mark.parametrize("level", symbol.LEVELS)
def test_the_blocks_share_out_each_codeword_once(version: int, level: str) -> None:
    blocks = symbol.blocks(version, level)
    places = blocks.places[blocks.places >= 0]
    assert sorted(places) == list(range(len(symbol.layout(version).order)))
    assert len(blocks.content) == len(places) - blocks.checks * len(blocks.places)
    assert sorted(blocks.places.ravel()[blocks.content]) == list(range(len(blocks.content)))


@pytest.mark.parametrize("dim", [0, 17, 20, 22, 50, 181])
def test_a_side_that_no_version_has_is_refused(dim: int) -> None:
    with pytest.raises(ValueError, match=rf"expected a side of 21, 25, \.\.\. 177 modules, found {dim};"):
        symbol.version_of(dim)


def test_the_tables_are_shared_and_cannot_be_written_to() -> None:
    with pytest.raises(ValueError, match="read-only"):
        symbol.layout(8).fixed[0, 0] = 0
