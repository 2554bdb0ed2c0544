"""Puts a short word in place of what is no language: encoded pictures, keys, dumps of data. Pure.

A picture pasted as base64 would become hundreds of chunks that mean nothing and cost as much as a novel. What stands in its
place says what it was and how large: ``[image/png, 75 kB]``, ``[base64, 4 kB]``, ``[JSON, 12 kB]``.
"""

import json
import re
from collections.abc import Iterator

MIN_ENCODED = 160
"""Shortest run of base64 or hexadecimal that is replaced, in characters: a hash of 512 bits (128) stays."""
MIN_JSON = 600
"""Shortest JSON on one line that is replaced, in characters."""
MAX_PROSE_SHARE = 0.3
"""JSON of which more than this is sentences is somebody's text."""
MAX_JSON_TRIES = 50
MAX_JSON_READ = 10
"""How often a text may be read over by tries that fail, before the rest is left as it is."""

_DATA_URI = re.compile(
    r"data:([\w.+-]{1,40}/[\w.+-]{1,60})?((?:;[\w.+-]{1,40}(?:=[\w.+-]{1,60})?)*),((?:[A-Za-z0-9+/=_%-]|\\[nr]|[!$&'*.:;?@~(])*)"
)
# A group is not repeated possessively: Python before 3.11.5 matches that wrongly (python/cpython#106052).
_PEM = re.compile(
    r"-----BEGIN ([A-Z0-9 ]{1,40})-----(?:[A-Za-z0-9+/=\s:,.()\\]|-(?!----(?:BEGIN|END) ))*-----END \1-----"
)
_ENCODED = re.compile(
    rf"(?<![A-Za-z0-9+/=_-])[A-Za-z0-9+/_-]{{{MIN_ENCODED},}}={{0,2}}"
    r"|(?<![A-Za-z0-9+/=_-])(?:[A-Za-z0-9+/]{44,128}(?:\r?\n|\\n)[ \t]*){2,}[A-Za-z0-9+/]{1,128}={0,2}"
)
_HEX = re.compile(
    rf"(?<![A-Za-z0-9])(?:0x)?(?:[0-9a-fA-F]{{2}}){{{MIN_ENCODED // 2},}}(?![A-Za-z0-9])"
    rf"|(?<![A-Za-z0-9])(?:(?:\\x|0x)?[0-9a-fA-F]{{2}}[ :,\t\r\n]*){{{MIN_ENCODED // 2},}}(?![A-Za-z0-9])"
)
_JSON_START = re.compile(r'\{\s*"|\[\s*(?:[\[{"\d-])')
_SENTENCE = re.compile(r"[^\x00-\x7f]|\S \S++ \S")
_KILO = 1_000


def without_opaque(text: str) -> str:
    """Return ``text`` with a placeholder for each stretch that is no language."""
    if len(text) < MIN_ENCODED // 2:
        return text
    if "data:" in text:
        text = _DATA_URI.sub(_data_uri, text)
    if "-----BEGIN" in text:
        text = _PEM.sub(lambda match: f"[{match[1].lower()} (PEM), {size(len(match[0]))}]", text)
    if len(text) >= MIN_JSON:
        text = "".join(_without_json(text))
    if len(text) >= MIN_ENCODED:
        text = _HEX.sub(_hex, text)
        text = _ENCODED.sub(_base64, text)
    return text


def size(count: int) -> str:
    """Return a number of bytes for people: ``640 bytes``, ``75 kB``, ``1.4 MB``."""
    if count < _KILO:
        return f"{count} bytes"
    value, unit = (count / _KILO, "kB") if count < _KILO**2 else (count / _KILO**2, "MB")
    return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"  # noqa: PLR2004  # two digits


def _data_uri(match: re.Match[str]) -> str:
    if len(match[3]) < MIN_ENCODED // 4:
        return match[0]
    length = len(match[3]) * 3 // 4 if ";base64" in match[2] else len(match[3])
    return f"[{match[1] or 'text/plain'}, {size(length)}]"


def _base64(match: re.Match[str]) -> str:
    run = match[0]
    if not (any(map(str.isdigit, run)) and any(map(str.isalpha, run))):  # a long laugh, a line of dashes
        return run
    return f"[base64, {size(len(run) * 3 // 4)}]"


def _hex(match: re.Match[str]) -> str:
    run = match[0]
    digits = sum(letter in "0123456789abcdefABCDEF" for letter in run)
    if run.isdigit() or not any(letter in "abcdefABCDEF" for letter in run):
        return run
    return f"[hexadecimal, {size(digits // 2)}]{run[len(run.rstrip()) :]}"


def _without_json(text: str) -> Iterator[str]:
    decoder, done, seen, tries, in_vain = json.JSONDecoder(), 0, 0, 0, 0
    for match in _JSON_START.finditer(text):
        start = match.start()
        if start < seen:
            continue
        if tries >= MAX_JSON_TRIES or in_vain > MAX_JSON_READ * len(text):
            break
        try:
            value, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError) as error:
            tries += 1
            in_vain += getattr(error, "pos", start) - start
            continue
        seen = end
        if _is_dump(text[start:end], value):
            yield text[done:start]
            yield f"[JSON, {size(len(text[start:end].encode('utf-8', 'replace')))}]"
            done = end
    yield text[done:]


def _is_dump(written: str, value: object) -> bool:
    """Tell whether JSON is data on one line, not somebody's text and not laid out to be read."""
    minified = written.count("\n") * 200 < len(written)
    return len(written) >= MIN_JSON and minified and _prose(value) < MAX_PROSE_SHARE * len(written)


def _prose(value: object) -> int:
    """Return how many characters of the strings in ``value`` are sentences."""
    left, total = [value], 0
    while left:
        each = left.pop()
        if isinstance(each, str):
            total += len(each) if _SENTENCE.search(each) else 0
        elif isinstance(each, dict):
            left.extend(each.values())
        elif isinstance(each, list):
            left.extend(each)
    return total
