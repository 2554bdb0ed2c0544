"""The chat app's tables in a mocked AWS, as the page sees them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import boto3
from moto import mock_aws

from pipeline.local.page.tables import Tables

KEYS = {"s": ("tenant_id", "session_key"), "n": ("tenant_id", "sk"), "c": ("pk", "sk")}


@contextmanager
def chat_tables() -> Iterator[Tables]:
    with mock_aws():
        client: Any = boto3.client("dynamodb", region_name="us-east-1")
        for name, keys in KEYS.items():
            client.create_table(
                TableName=name,
                BillingMode="PAY_PER_REQUEST",
                AttributeDefinitions=[{"AttributeName": key, "AttributeType": "S"} for key in keys],
                KeySchema=[
                    {"AttributeName": key, "KeyType": kind}
                    for key, kind in zip(keys, ("HASH", "RANGE"), strict=True)
                ],
            )
        yield Tables(client, *KEYS)
