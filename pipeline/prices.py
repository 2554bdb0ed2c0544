"""The price list, in US dollars: every price with its source and date. Pure.

Where ``verified`` is false nobody has looked the price up: it is recalled, and marked so wherever it is used. AWS's own pages
fill their tables in by script, so its prices come from those who read its machine-readable lists. Look all of them up
again before you rely on them.
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


_OPENAI = "developers.openai.com/api/docs/models/text-embedding-3-large"
_OPENAI_OLD = "tokenprice.fyi and embeddingcost.com"
_BEDROCK = "an example of AWS's own blog for Virginia, as quoted in a public repository"
_LISTS = "pricing.us-east-1.amazonaws.com/offers/v1.0/aws"
_VIRGINIA = f"{_LISTS} as quoted in github.com/ocelhq/ocel (research for its issue 1014)"
_TOKYO = f"{_LISTS} ({{}}) as quoted in a public repository"
_OCU = "awsnegotiations.com/opensearch-serverless-cost; teamaws.com/?p=1428"
_AURORA = "factualminds.com/blog/amazon-aurora-pricing-io-optimized-serverless-v2-global"
_AURORA_STORAGE = "awsnegotiations.com/blog/aurora-serverless-v2-pricing.html"
_AURORA_TOKYO = "kenzo0107.github.io/en/2025/12/01/aws-aurora-rds-cluster-instance-vs-serverless-v2"
_SUPABASE = "skills.sh/jeremylongshore/claude-code-plugins-plus-skills/supabase-cost-tuning"


def _tokyo(dollars: float, usage: str, date: str) -> Price:
    return Price(dollars, _TOKYO.format(usage), date)


EMBEDDING: Mapping[str, Price] = {
    "text-embedding-3-small": Price(0.02, _OPENAI, READ_DATE),
    "text-embedding-3-large": Price(0.13, _OPENAI, READ_DATE),
    "text-embedding-ada-002": Price(0.10, _OPENAI_OLD, "2026-05"),
    "amazon.titan-embed-text-v2:0": Price(
        0.02, _BEDROCK, READ_DATE
    ),  # in Tokyo 0.029, by its list of 2026-09-15
    "cohere.embed-multilingual-v3": Price(0.10, _BEDROCK, READ_DATE),
    "cohere.embed-english-v3": Price(0.10, _BEDROCK, READ_DATE),
    "universal-sentence-encoder-multilingual-3": Price(0.0, "runs on the function itself", LIST_DATE),
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
        "us-east-1": Price(0.0000133334, _VIRGINIA, "2026-09-06"),
        "ap-northeast-1": _tokyo(0.0000133334, "APN1-Lambda-GB-Second-ARM", READ_DATE),
    },
    "lambda million requests": {
        "us-east-1": Price(0.20, _VIRGINIA, "2026-09-06"),
        "ap-northeast-1": _tokyo(0.20, "APN1-Request", "2026-09-23"),
    },
    "sqs million requests": {
        "us-east-1": Price(0.40, "cloudburn.io/blog/amazon-sqs-pricing", "2026-03-14"),
        "ap-northeast-1": _tokyo(0.40, "APN1-Requests-Tier1", "2026-09-23"),
    },
    "dynamodb million read units": {
        "us-east-1": Price(0.125, _VIRGINIA, "2026-09-06"),
        "ap-northeast-1": _tokyo(0.1425, "APN1-ReadRequestUnits", "2026-09-23"),
    },
    "dynamodb million write units": {
        "us-east-1": Price(0.625, _VIRGINIA, "2026-09-06"),
        "ap-northeast-1": _tokyo(0.715, "APN1-WriteRequestUnits", "2026-09-23"),
    },
    "dynamodb GB-month": {
        "us-east-1": Price(0.25, _VIRGINIA, "2026-09-06"),
        "ap-northeast-1": _tokyo(0.285, "APN1-TimedStorage-ByteHrs", READ_DATE),
    },
    "opensearch OCU-hour": {
        "us-east-1": Price(0.24, _OCU, "2026-02"),
        "ap-northeast-1": _tokyo(0.334, "APN1-IndexingOCU, APN1-SearchOCU", "2026-10-10"),
    },
    "opensearch GB-month": {
        "us-east-1": _recalled(0.024),
        "ap-northeast-1": _tokyo(0.026, "AmazonES", "2026-10-10"),
    },
    "aurora ACU-hour": {
        "us-east-1": Price(0.12, _AURORA, "2026-06"),
        "ap-northeast-1": Price(0.15, _AURORA_TOKYO, "2025-12-01"),
    },
    "aurora GB-month": {
        "us-east-1": Price(0.10, _AURORA_STORAGE, "2026-05"),
        "ap-northeast-1": _recalled(0.12),
    },
    "rds GB-hour": {
        "us-east-1": Price(0.016, "infratally.com/articles/aws-rds-pricing-explained-2026.html", "2026"),
        "ap-northeast-1": _tokyo(0.025, "db.t4g.micro", "2026-10-10"),
    },
    "rds GB-month": {
        "us-east-1": Price(0.115, "usage.ai/blogs/aws/reserved-instances/rds/pricing-calculator", "2026-06"),
        "ap-northeast-1": _tokyo(0.138, "gp3", "2026-10-10"),
    },
    "nat hour": {
        "us-east-1": Price(0.045, _VIRGINIA, "2026-09-06"),
        "ap-northeast-1": _tokyo(0.062, "APN1-NatGateway-Hours", "2026-09-25"),
    },
    "nat GB": {
        "us-east-1": Price(0.045, _VIRGINIA, "2026-09-06"),
        "ap-northeast-1": _tokyo(0.062, "APN1-NatGateway-Bytes", "2026-09-25"),
    },
}
"""An RDS GB is one of memory: of db.t4g.micro, which has one; the sizes above cost twice as much for twice the memory."""

SUPABASE: Mapping[str, Price] = {
    "plan month": Price(25.0, "supabase.com/docs/guides/platform/manage-your-usage/compute", READ_DATE),
    "GB-month": Price(0.125, _SUPABASE, "2026-01-24"),
    "compute credit": Price(10.0, "supabase.com/docs/guides/platform/manage-your-usage/compute", READ_DATE),
}
"""The Pro plan, the same everywhere: 8 GB of disk are in it, and a credit for compute."""

SUPABASE_COMPUTE: Mapping[int, Price] = {
    memory: Price(dollars, "supabase.com/docs/guides/platform/compute-add-ons", READ_DATE)
    for memory, dollars in {
        1: 10.0,
        2: 15.0,
        4: 60.0,
        8: 110.0,
        16: 210.0,
        32: 410.0,
        64: 960.0,
        128: 1_870.0,
        256: 3_730.0,
    }.items()
}
"""GB of memory → dollars a month."""


def price_of(item: str, region: Region) -> Price:
    """Return an AWS price.

    Raises:
        KeyError: the list has none.
    """
    return AWS[item][region]
