"""The price list, in US dollars: every price with its source and date. Pure.

Where ``verified`` is false nobody has looked the price up: it is recalled, and marked so wherever it is used. Look all of
them up again before you rely on them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

LIST_DATE = "2026-11-25"
READ_DATE = LIST_DATE
"""The date of a price whose source does not say when it was so: when it was read."""
Region = Literal["us-east-1", "ap-northeast-1"]


@dataclass(frozen=True, slots=True)
class Price:
    """Dollars for one unit."""

    dollars: float
    source: str
    date: str
    verified: bool = True


def _recalled(dollars: float) -> Price:
    return Price(dollars, "recalled", LIST_DATE, verified=False)


@dataclass(frozen=True, slots=True)
class ChatPrice:
    """Dollars for what a chat model reads, and for what it writes."""

    read: Price
    written: Price


_OPENAI = "developers.openai.com/api/docs/models, through tokenprice.fyi and embeddingcost.com"
_LAMBDA = "cloudchipr.com/blog/aws-lambda-pricing"
_DYNAMODB = "airbyte.com/data-engineering-resources/dynamodb-pricing"
_OCU = "awsnegotiations.com/opensearch-serverless-cost; teamaws.com/?p=1428"
_AURORA_TOKYO = "kenzo0107.github.io/en/2025/12/01/aws-aurora-rds-cluster-instance-vs-serverless-v2"

EMBEDDING: Mapping[str, Price] = {
    "text-embedding-3-small": Price(0.02, _OPENAI, "2026-07-03"),
    "text-embedding-3-large": Price(0.13, _OPENAI, "2026-05"),
    "text-embedding-ada-002": Price(0.10, _OPENAI, "2026-05"),
    "amazon.titan-embed-text-v2:0": _recalled(0.02),
    "cohere.embed-multilingual-v3": _recalled(0.10),
    "cohere.embed-english-v3": _recalled(0.10),
    "wordllama-256": Price(0.0, "runs on the function itself", LIST_DATE),
}
"""For a million tokens."""

EMBEDDING_DOLLARS_PER_MILLION_TOKENS: Mapping[str, float] = {
    model: price.dollars for model, price in EMBEDDING.items()
}

_CHAT = "developers.openai.com/api/docs/models/{model}"
_CHAT_LIST = "morphllm.com/openai-api-pricing"


def _chat(read: float, written: float, source: str, date: str) -> ChatPrice:
    return ChatPrice(Price(read, source, date), Price(written, source, date))


CHAT: Mapping[str, ChatPrice] = {
    "gpt-5-nano": _chat(0.05, 0.40, _CHAT.format(model="gpt-5-nano"), READ_DATE),
    "gpt-5.4-nano": _chat(0.20, 1.25, _CHAT.format(model="gpt-5.4-nano"), READ_DATE),
    "gpt-5.4-mini": _chat(0.75, 4.50, _CHAT_LIST, "2026-06"),
    "gpt-5.4": _chat(2.50, 15.00, _CHAT_LIST, "2026-06"),
}
"""For a million tokens of a chat model that writes daily summaries."""

AWS: Mapping[str, Mapping[Region, Price]] = {
    "lambda GB-second (arm64)": {
        "us-east-1": Price(0.0000133334, _LAMBDA, "2024"),
        "ap-northeast-1": _recalled(0.0000133334),
    },
    "lambda million requests": {"us-east-1": _recalled(0.20), "ap-northeast-1": _recalled(0.20)},
    "sqs million requests": {"us-east-1": _recalled(0.40), "ap-northeast-1": _recalled(0.40)},
    "dynamodb million read units": {
        "us-east-1": Price(0.125, _DYNAMODB, "2025-07-21"),
        "ap-northeast-1": _recalled(0.1425),
    },
    "dynamodb million write units": {
        "us-east-1": Price(0.625, _DYNAMODB, "2025-07-21"),
        "ap-northeast-1": _recalled(0.7135),
    },
    "dynamodb GB-month": {"us-east-1": _recalled(0.25), "ap-northeast-1": _recalled(0.285)},
    "opensearch OCU-hour": {
        "us-east-1": Price(0.24, _OCU, "2026-02"),
        "ap-northeast-1": _recalled(0.334),
    },
    "opensearch GB-month": {"us-east-1": _recalled(0.024), "ap-northeast-1": _recalled(0.026)},
    "aurora ACU-hour": {
        "us-east-1": _recalled(0.12),
        "ap-northeast-1": Price(0.15, _AURORA_TOKYO, "2025-12-01"),
    },
    "aurora GB-month": {"us-east-1": _recalled(0.10), "ap-northeast-1": _recalled(0.12)},
    "nat hour": {"us-east-1": _recalled(0.045), "ap-northeast-1": _recalled(0.062)},
    "nat GB": {"us-east-1": _recalled(0.045), "ap-northeast-1": _recalled(0.062)},
}


def embedding_dollars(model: str, tokens: int) -> float | None:
    """Return what ``tokens`` cost; ``None`` for a model that the list does not know."""
    price = EMBEDDING.get(model)
    return None if price is None else price.dollars * tokens / 1_000_000


def price_of(item: str, region: Region) -> Price:
    """Return an AWS price.

    Raises:
        KeyError: the list has none.
    """
    return AWS[item][region]
