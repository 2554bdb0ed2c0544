import base64
import json
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.source.opaque import size, without_opaque

DRAW = random.Random(4)
BYTES = DRAW.randbytes(75_000)
BASE64 = base64.b64encode(BYTES).decode()
WRAPPED = base64.encodebytes(BYTES[:2_000]).decode()
PEM = f"-----BEGIN CERTIFICATE-----\n{WRAPPED}-----END CERTIFICATE-----"
ROWS = json.dumps(
    [{"id": number, "ok": True, "score": number / 7} for number in range(60)], separators=(",", ":")
)
VECTOR = json.dumps([DRAW.random() for _ in range(200)])


@pytest.mark.parametrize(
    ("data", "placeholder"),
    [
        (f"data:image/png;base64,{BASE64}", "[image/png, 75 kB]"),
        (f"data:image/svg+xml;utf8,%3Csvg{'%20x' * 100}", "[image/svg+xml, 406 bytes]"),
        (f"data:;base64,{BASE64[:400]}", "[text/plain, 300 bytes]"),
        (BASE64[:1_000], "[base64, 750 bytes]"),
        (base64.urlsafe_b64encode(BYTES[:999]).decode(), "[base64, 999 bytes]"),
        (WRAPPED.strip(), "[base64, 2.0 kB]"),
        (BYTES[:500].hex(), "[hexadecimal, 500 bytes]"),
        (BYTES[:500].hex(" "), "[hexadecimal, 500 bytes]"),
        (BYTES[:500].hex(":").upper(), "[hexadecimal, 500 bytes]"),
        (PEM, "[certificate (PEM), 2.8 kB]"),
        (ROWS, f"[JSON, {size(len(ROWS))}]"),
        (VECTOR, f"[JSON, {size(len(VECTOR))}]"),
    ],
)  # fmt: skip
def test_data_becomes_a_placeholder_and_what_stands_around_it_stays(data: str, placeholder: str) -> None:
    assert without_opaque(f"Here is the scan: {data} .") == f"Here is the scan: {placeholder} ."
    assert without_opaque(f"見て：\n\n{data}\n\nどう？") == f"見て：\n\n{placeholder}\n\nどう？"


@pytest.mark.parametrize(
    "text",
    [
        "hahaha" * 100, "w" * 500, "－" * 300, "-" * 400, "a/b " * 200, "1234567890" * 50, "10 20 30 " * 100,
        "sha512 " + "9f86d081884c7d65" * 8, "https://example.net/" + "a/very/long/path/" * 30, "東京都" * 200,
        json.dumps({"note": "Mika likes soba and walks by the river. " * 30}, separators=(",", ":")),
        json.dumps({"日記": "今日は川沿いを歩いて、蕎麦を食べた。" * 50}, ensure_ascii=False, separators=(",", ":")),
        json.dumps({"rows": [{"name": "Mika", "age": 7}] * 40}, indent=2), '{"small": [1, 2, 3]}', "data:text/plain,hi", "the data: see below",
    ],
)  # fmt: skip
def test_language_stays(text: str) -> None:
    assert without_opaque(text) == text


@given(st.text(st.sampled_from('ab1 +/={}[]":,-\n0xfF'), max_size=1_000))
def test_a_placeholder_is_not_replaced_again(text: str) -> None:
    once = without_opaque(text)
    assert without_opaque(once) == once


@pytest.mark.parametrize("text", ["a1" * 200_000, '{"' * 200_000, "[[" * 200_000, "data:" * 80_000, "0x" * 200_000, "ab " * 130_000, ("A" * 64 + "\n") * 6_000])  # fmt: skip
def test_a_text_of_dynamodbs_full_size_is_read_in_time(text: str) -> None:
    assert len(without_opaque(text)) <= len(text)
