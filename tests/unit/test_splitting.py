"""Splitting takes time in proportion to the text, and what is appended changes nothing before the last block."""

import base64
import json
import random
import time
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.ingest import splitting
from pipeline.ingest.splitting import BLOCK_TOKENS, MIN_BLOCK_CHARACTERS, blocks, split_markdown

JAPANESE = "明日の会議の資料を送ってください。アームの出荷は金曜日の予定ですが、部品の到着が遅れています。"


def shuffled(parts: Sequence[str], size: int, joint: str = "") -> str:
    """Return ``size`` parts in an order that does not repeat: a block that repeats is split once."""
    return joint.join(random.Random(1).choices(parts, k=size // 3))


KINDS: dict[str, Callable[[int], str]] = {
    "prose": lambda size: shuffled(
        [
            "The",
            "arm",
            "ships",
            "on",
            "Friday,",
            "but",
            "the",
            "parts",
            "are",
            "late.",
            "And",
            "who",
            "told",
            "her",
            "so?",
        ],
        size,
        " ",
    ),
    "Japanese prose": lambda size: shuffled(
        JAPANESE.replace("、", "、|").replace("。", "。|").split("|"), size
    ),
    "CSV": lambda size: ",".join(str(number) for number in range(size // 4)),
    "JSON": lambda size: json.dumps(
        [{"id": n, "v": f"x{n}"} for n in range(size // 15)], separators=(",", ":")
    ),
    "hex": lambda size: random.Random(1).randbytes(size // 2 + 1).hex(),
    "base64": lambda size: base64.b64encode(random.Random(1).randbytes(size)).decode(),
    "one kanji repeated": lambda size: "漢" * size,
    "URLs": lambda size: " ".join(f"https://example.com/a/{n}?x={n}&y=%E3%81%82" for n in range(size // 25)),
    "Thai": lambda size: shuffled(["ฉัน", "ต้องการ", "ไป", "ตลาด", "วันนี้", "พรุ่งนี้"], size),
    "emoji": lambda size: shuffled(["👨\u200d👩\u200d👧\u200d👦", "👍🏽", "🇯🇵", "🎉", "❤️"], size),
    "no spaces": lambda size: shuffled(["lorem", "ipsum", "dolor", "sit", "amet", "consectetur"], size),
    "code": lambda size: "\n".join(
        f"def f{n}(x):\n    return [x * {n} for _ in range({n})]\n" for n in range(size // 30)
    ),
    "dates": lambda size: " ".join(
        f"2026-{n % 12 + 1:02}-{n % 28 + 1:02}T{n % 24:02}:00:00Z" for n in range(size // 20)
    ),
}


def text_of(kind: str, kilobytes: int) -> str:
    return KINDS[kind](kilobytes * 1000).encode()[: kilobytes * 1000].decode("utf-8", "ignore")


@pytest.mark.parametrize("kind", KINDS)
def test_the_splitter_is_given_every_character_once_in_blocks_of_bounded_length(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The library's time is quadratic in what it is given at once: with a bound on that, time is linear."""
    given_: list[int] = []
    real = splitting._splitter(256)

    class Counting:
        def chunks(self, text: str) -> list[str]:
            given_.append(len(text))
            return list(real.chunks(text))

    monkeypatch.setattr(splitting, "_splitter", lambda _: Counting())
    seconds, counts = [], []
    for kilobytes in (100, 390):
        text = text_of(kind, kilobytes)
        splitting._pieces.cache_clear()
        given_.clear()
        started = time.process_time()
        assert "".join(split_markdown(text, 256)) == text
        seconds.append(time.process_time() - started)
        assert sum(given_) <= len(text)  # less where a block repeats word for word
        assert max(given_) <= MIN_BLOCK_CHARACTERS
        counts.append(sum(1 for _ in blocks(text, 256)))
    print(f"\n{kind}: 100 KB {seconds[0]:.2f} s, 390 KB {seconds[1]:.2f} s of processor time")
    assert counts[1] <= 4.5 * counts[0]


@pytest.mark.parametrize("tokens", [64, 256, 2048])
def test_a_block_has_room_for_several_pieces(tokens: int) -> None:
    longest = max(len(block) for block in blocks(text_of("prose", 100), tokens))
    assert longest <= max(MIN_BLOCK_CHARACTERS, BLOCK_TOKENS * tokens)
    assert longest >= 4 * tokens


PARTS = st.sampled_from(
    [
        "word ",
        "a",
        "山",
        "。",
        "\n",
        "\n\n",
        "1,",
        "か\u3099",
        "🇯🇵",
        "👨\u200d👩",
        "👍🏽",
        "```\n",
        "- item\n",
    ]
)
LONG = st.lists(PARTS, min_size=1, max_size=40).map(
    lambda parts: "".join(parts) * (12_000 // len("".join(parts)))
)


@given(LONG, LONG)
def test_appended_text_changes_only_the_last_block(text: str, more: str) -> None:
    before, after = list(blocks(text, 64)), list(blocks(text + more, 64))
    assert "".join(after) == text + more
    assert after[: len(before) - 1] == before[:-1]


@given(LONG)
def test_no_block_begins_inside_a_character(text: str) -> None:
    for block in blocks(text, 64):
        assert block[0] not in "\u200d\u3099🏽"
        flags = len(block) - len(block.lstrip("🇯🇵"))
        assert flags % 2 == 0 or block[0] == "🇯"


def test_a_block_ends_at_the_best_place_of_its_last_half() -> None:
    paragraphs = ("word " * 300 + "\n\n") * 8
    assert all(block.endswith("\n\n") for block in blocks(paragraphs, 64))
    lines = ("word " * 300 + "\n") * 8
    assert all(block.endswith("\n") for block in blocks(lines, 64))
    assert all(block.endswith("。") for block in blocks(JAPANESE * 400, 64))


def test_marks_without_end_are_cut_all_the_same() -> None:
    text = "e" + "\u0301" * 20_000
    assert "".join(blocks(text, 64)) == text
    assert max(map(len, blocks(text, 64))) <= MIN_BLOCK_CHARACTERS
