"""Every picture that a page shows is one that the script takes, in the size that it says."""

import re
import struct
from pathlib import Path

from support.pages import ROOT, pages
from support.screenshots import HEIGHTS, IMAGES, SHOWN, every


def shown() -> set[Path]:
    return {
        ((ROOT / of.name).parent / link).resolve()
        for of in pages()
        for link in of.links()
        if re.search(r"\.(png|jpg)\Z", link) and not link.startswith("http")
    }


def test_pages_show_what_the_script_takes_and_nothing_lies_about() -> None:
    taken = {(IMAGES / name).resolve() for name in SHOWN}
    assert shown() == taken
    assert {path.resolve() for path in IMAGES.iterdir()} == taken


def test_each_picture_is_as_large_as_its_shot() -> None:
    for name, shot in SHOWN.items():
        head = (IMAGES / name).read_bytes()[:24]
        assert head[:8] == b"\x89PNG\r\n\x1a\n"
        assert struct.unpack(">II", head[16:24]) == (shot.width, HEIGHTS[shot.width]), name


def test_every_view_is_taken_in_every_width_theme_and_language() -> None:
    shots = list(every())
    assert len(shots) == len({shot.name for shot in shots}) == 60
    assert {shot.width for shot in shots} == {360, 768, 1440}
    assert set(SHOWN.values()) <= set(shots)
