"""A wish to forget whose rows others see one after the other."""

from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError
from support.chunks import ITEM, TIME, forget
from support.local_aws import Tables

from pipeline.errors import StoreUnavailableError
from pipeline.lab.dynamodb import MemoryDynamoDb
from pipeline.stores.ledger.names import EPOCH_SHARDS, wish_key


class CutShort(MemoryDynamoDb):
    """Fails where a wish is written down as done; of its transaction, what stands behind the epochs is seen late."""

    def __init__(self) -> None:
        super().__init__(lambda number: number >= EPOCH_SHARDS)

    def put_item(self, **request: Any) -> Any:
        if request["Item"]["pk"] == wish_key("acme", "r1")["pk"]:
            raise EndpointConnectionError(endpoint_url="here")
        return super().put_item(**request)


def test_whoever_sees_the_epoch_moved_sees_the_marker() -> None:
    store = Tables(CutShort(), vectors="vectors", ledger="ledger").store()
    store.read("acme", [ITEM])  # which writes down the space: any write shows all that went before
    with pytest.raises(StoreUnavailableError):
        forget(store, user_id="mika")
    assert store.read("acme", [ITEM])[ITEM].epoch == 1
    assert store.markers("acme", {"mika"}, set()).times == {("user", "mika"): TIME}
