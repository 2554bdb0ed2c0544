"""Secrets that nobody has, and texts that look like secrets and are none.

Every secret is put together at run time from pieces, so that no scanner takes this file for a leak.
"""

import base64
import json
import random
import string
from collections.abc import Callable, Iterator
from dataclasses import dataclass

_RANDOM = random.Random(16)
_LOWER, _UPPER, _DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits
_ALNUM, _HEX = _LOWER + _UPPER + _DIGITS, "0123456789abcdef"
_URL = _ALNUM + "_-"


@dataclass(frozen=True, slots=True)
class Positive:
    """A text with one secret in it."""

    kind: str
    text: str
    secret: str


def drawn(letters: str, length: int) -> str:
    """Return random letters with at least one digit and one letter among them, as real ones have."""
    while True:
        text = "".join(_RANDOM.choices(letters, k=length))
        if letters in {_DIGITS, _UPPER} or (any(map(str.isdigit, text)) and any(map(str.isalpha, text))):
            return text


def luhn(prefix: str, length: int) -> str:
    """Return a card number of an issuer, with its check digit."""
    body = prefix + "".join(_RANDOM.choices(_DIGITS, k=length - len(prefix) - 1))
    doubled = [int(digit) * (2 - place % 2) for place, digit in enumerate(reversed(body))]
    total = sum(value - 9 if value > 9 else value for value in doubled)
    return body + str(-total % 10)


def _jwt() -> str:
    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")

    return ".".join([part({"alg": "HS256", "typ": "JWT"}), part({"sub": drawn(_DIGITS, 9)}), drawn(_URL, 43)])


def _pem(what: str) -> str:
    lines = "\n".join(drawn(_ALNUM + "+/", 64) for _ in range(12))
    dashes = "-" * 5
    return f"{dashes}BEGIN {what}PRIVATE KEY{dashes}\n{lines}\n{dashes}END {what}PRIVATE KEY{dashes}"


MAKERS: dict[str, Callable[[], str]] = {
    "aws_access_key": lambda: "AK" + "IA" + "".join(_RANDOM.choices(_UPPER + "234567", k=16)),
    "aws_temporary_key": lambda: "AS" + "IA" + "".join(_RANDOM.choices(_UPPER + "234567", k=16)),
    "github": lambda: "gh" + "p_" + drawn(_ALNUM, 36),
    "github_fine": lambda: "github" + "_pat_" + drawn(_ALNUM, 22) + "_" + drawn(_ALNUM, 59),
    "gitlab": lambda: "gl" + "pat-" + drawn(_URL, 20),
    "slack_bot": lambda: "xo" + f"xb-{drawn(_DIGITS, 12)}-{drawn(_DIGITS, 12)}-{drawn(_ALNUM, 24)}",
    "slack_webhook": lambda: (
        "https://hooks."
        f"slack.com/services/T{drawn(_UPPER + _DIGITS, 8)}/B{drawn(_UPPER + _DIGITS, 8)}/{drawn(_ALNUM, 24)}"
    ),
    "openai": lambda: "s" + "k-proj-" + drawn(_URL, 74) + "7",
    "openai_old": lambda: "s" + "k-" + drawn(_ALNUM, 48),
    "anthropic": lambda: "s" + "k-ant-api03-" + drawn(_URL, 92) + "AA",
    "google": lambda: "AI" + "za" + drawn(_URL, 35),
    "stripe": lambda: "s" + "k_live_" + drawn(_ALNUM, 24),
    "stripe_webhook": lambda: "wh" + "sec_" + drawn(_ALNUM, 32),
    "sendgrid": lambda: "S" + f"G.{drawn(_URL, 22)}.{drawn(_URL, 43)}",
    "twilio": lambda: "S" + "K" + drawn(_HEX, 32),
    "npm": lambda: "np" + "m_" + drawn(_ALNUM, 36),
    "pypi": lambda: "py" + "pi-AgEIcHlwaS5vcmc" + drawn(_URL, 90),
    "hugging_face": lambda: "h" + "f_" + drawn(_ALNUM, 34),
    "telegram": lambda: f"{drawn(_DIGITS, 10)}:AA{drawn(_URL, 33)}",
    "jwt": _jwt,
    "private_key": lambda: _pem("RSA "),
    "openssh_key": lambda: _pem("OPENSSH "),
    "pkcs8_key": lambda: _pem(""),
    "visa": lambda: luhn("4", 16),
    "mastercard": lambda: luhn("53", 16),
    "amex": lambda: luhn("37", 15),
    "jcb": lambda: luhn("3530", 16),
    "azure": lambda: drawn(_ALNUM + "+/", 86) + "==",
    "groq": lambda: "gs" + "k_" + drawn(_ALNUM, 52),
    "shopify": lambda: "shp" + "at_" + drawn(_HEX, 32),
    "digitalocean": lambda: "do" + "p_v1_" + drawn(_HEX, 64),
    "databricks": lambda: "da" + "pi" + drawn(_HEX, 32),
    "vault": lambda: "hv" + "s." + drawn(_URL, 90),
    "gitlab_runner": lambda: "GR" + "1348941" + drawn(_URL, 20),
    "artifactory": lambda: "AK" + "Cp" + drawn(_ALNUM, 69),
    "cloudflare": lambda: "cf" + "ut_" + drawn(_ALNUM, 48),
    "langsmith": lambda: "ls" + f"v2_pt_{drawn(_HEX, 32)}_{drawn(_HEX, 10)}",
    "tavily": lambda: "tv" + "ly-dev-" + drawn(_ALNUM, 32),
    "one_password": lambda: "op" + "s_eyJ" + drawn(_ALNUM, 240),
    "facebook": lambda: "EA" + "AB" + drawn(_ALNUM, 120),
    "environment": lambda: drawn(_ALNUM, 32),
    "command_line": lambda: drawn(_ALNUM, 12),
    "password": lambda: drawn(_ALNUM + "!%#?", 12),
    "url_password": lambda: drawn(_ALNUM, 14),
    "bearer": lambda: drawn(_ALNUM, 40),
    "aws_secret": lambda: drawn(_ALNUM + "/+", 40),
}

FRAMES: dict[str, tuple[str, ...]] = {
    "environment": ("export OPENAI_KEY={}", "STRIPE_KEY='{}'", "Authorization: Token {}"),
    "command_line": ("curl -s -u admin:{} https://wiki.example.net", "mysql -h db -u root -p{} chat", "pw: {}"),
    "password": ("DB_PASSWORD={}", "The login is mika, password: {}", "パスワード：{}", "pwd = '{}'", '{{"password": "{}"}}', "パスワードは「{}」です",
                 "**Password:** `{}`", "- `password`: `{}`", "パスワード：　{}", "password:\u00a0{}", "Password → {}",
                 'log: "{{\\"password\\":\\"{}\\"}}"', "<password>{}</password>"),
    "url_password": ("postgres://app:{}@db.internal:5432/chat", "amqps://mika:{}@mq.example.net/%2f", "https://mika:{}@wiki.example.net/"),
    "bearer": ("curl -H 'Authorization: Bearer {}' https://api.example.net", "authorization: bearer {}"),
    "aws_secret": ("aws_secret_access_key = {}", '"SecretAccessKey": "{}"', "AWS_SECRET_ACCESS_KEY={}"),
    "azure": ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey={};EndpointSuffix=core.windows.net",),
}  # fmt: skip
USUAL_FRAMES = (
    "Here it is: {}",
    "key={}",
    "これを使ってください。{}です。",
    "It stopped working:\n\n```\n{}\n```\nCan you see why?",
    '{{"value": "{}"}}',
    "鍵は{}。",
)


def positives(each: int = 6) -> list[Positive]:
    """Return some texts of each kind."""
    made = []
    for kind, maker in MAKERS.items():
        frames = FRAMES.get(kind, USUAL_FRAMES)
        for number in range(each):
            secret = maker()
            shown = _grouped(secret, number) if kind in {"visa", "mastercard", "jcb"} else secret
            made.append(Positive(kind, frames[number % len(frames)].format(shown), shown))
    return made


def _grouped(number: str, variant: int) -> str:
    separator = ("", " ", "-")[variant % 3]
    return separator.join(number[start : start + 4] for start in range(0, len(number), 4))


def _bad_luhn() -> str:
    number = luhn("4", 16)
    return number[:-1] + str((int(number[-1]) + 1 + _RANDOM.randrange(8)) % 10)


def _digits(length: int) -> str:
    return "".join(_RANDOM.choices(_DIGITS, k=length))


def _hex(length: int) -> str:
    return "".join(_RANDOM.choices(_HEX, k=length))


PROSE = (
    "I forgot my password again, can you remind me how to reset it?",
    "The password is on the yellow note in the drawer.",
    "Please change the password before Friday.",
    "Password: see the wiki",
    "password: (ask Ken)",
    "password = os.environ['DB_PASSWORD']",
    "password: ${DB_PASSWORD}",
    "api_key = process.env.OPENAI_API_KEY",
    "api_key: your-api-key-here-123",
    "token: <your token>",
    "Set OPENAI_API_KEY=sk-... in the environment",
    "the secret is to rest the dough for an hour",
    "Our secret: two spoons of miso.",
    "The token economy paper is on page 12.",
    "max_tokens: 4096",
    "next_token: abc123def456ghi",
    "basic idea: use 2 queues",
    "Bearer bonds were banned in 1982.",
    "the bearer of this letter may enter",
    "risk-management-and-governance-2026-q3",
    "sk-learn is easier than it looks",
    "scikit-learn 1.5.2 and sk-image 0.24",
    "postgres://localhost:5432/chat",
    "https://example.net:8443/path?x=1",
    "mailto:mika@example.net",
    "ssh mika@10.0.0.7 -p 2222",
    "git@github.com:acme/boats.git",
    "http://user@example.net/",
    "redis://cache:6379/0",
    "-----BEGIN CERTIFICATE-----",
    "-----BEGIN PUBLIC KEY-----",
    "password: really?!",
    "The token: what does it cost?",
    "パスワード：田中さんの誕生日1224",
    "The key is under the fern.",
    "key: value",
    "My locker is 4711.",
    "PIN pad at the door: press star first",
    "cat pass > list12.txt && grep </dev/null",
    "if (token->value12 == pass->limit34) return;",
    "`token` ＝ 形態素。１２ページを見てください。",
    "**Password:** `string`, at least 12 characters",
    "<token>Deutschland</token><token>ist</token>",
    "Version 5425.2334.3010.9904 is out.",
    "パスワードを忘れました。再発行できますか？",
    "パスワードは田中さんに聞いてください。",
    "パスワードは引き出しのメモに書いてあります。",
    "暗証番号は母の誕生日です。",
    "合言葉は「山」と「川」だよ。",
    "トークンの上限は4096です。",
    "トークンは一日に十万までです。",
    "秘密鍵は金庫に入れておいて。",
    "シークレットガーデンを読んでいる。",
    "アクセスキーの使い方を教えて",
    "パスワード：八文字以上で英数字を含むこと",
    "APIキーは管理画面から発行できます。",
    "鍵は植木鉢の下にあるよ。",
    "認証はトークン方式にしよう。",
    "ベアラー認証とは何ですか。",
    "curl -u mika https://example.net/path:8080",
    "mysql -p asks for the password",
    "mysql -h db -P 3306 -p",
    "PRIMARY_KEY = id, FOREIGN_KEY=orders",
    "SORT_KEY=session#2026-11-23T10:00:00.000Z",
    "CACHE_KEY=user/profile/picture/2026",
    "Authorization: Token is the wrong scheme here",
    "I had fc-barcelona-2026 as a nickname",
    "pw: ask Ken",
)


def negatives() -> Iterator[str]:
    """Yield texts that hold no secret, hundreds of them, in both languages."""
    yield from PROSE
    for _ in range(30):
        yield f"Order number {_bad_luhn()} has shipped."
        yield f"注文番号は{_bad_luhn()}です。"
        yield f"commit {_hex(40)} breaks the build"
        yield f"sha256:{_hex(64)}"
        yield f"ハッシュ値は{_hex(32)}でした。"
        yield f"id {_hex(8)}-{_hex(4)}-4{_hex(3)}-a{_hex(3)}-{_hex(12)}"
        yield f"電話は090-{_digits(4)}-{_digits(4)}、郵便番号は{_digits(3)}-{_digits(4)}。"
        yield f"call +81 3 {_digits(4)} {_digits(4)} or +1 415 {_digits(3)} {_digits(4)}"
        yield f"timestamp 17{_digits(8)}.{_digits(6)} and 17{_digits(11)}"
        yield f"追跡番号 {_digits(4)}-{_digits(4)}-{_digits(4)}（ヤマト）"
        yield f"ISBN 978-4-{_digits(4)}-{_digits(4)}-{_digits(1)}"
        yield f"IMEI 35{_digits(13)}, serial SK{_digits(6)}-{_digits(4)}"
        yield f"https://example.net/docs/{''.join(_RANDOM.choices(_ALNUM, k=22))}?page={_digits(2)}#top"
        yield f"動画 https://youtu.be/{''.join(_RANDOM.choices(_URL, k=11))}?t={_digits(3)}"
        yield f"MAC {':'.join(_hex(2) for _ in range(6))}, IPv6 2001:db8::{_hex(4)}:{_hex(4)}"
        yield f"The invoice INV-2026-{_digits(6)} comes to {_digits(2)},{_digits(3)} yen."
        yield f"口座番号は普通 {_digits(7)}、支店番号 {_digits(3)}です。"
        yield f"color #{_hex(6)}, build {_digits(2)}.{_digits(1)}.{_digits(4)}, AKI{_digits(5)}"
