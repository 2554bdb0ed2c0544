"""A request to forget whose rows others see one after the other."""

from support.chunks import TIME, held, request
from support.local_aws import Tables

from lab.dynamodb import MemoryDynamoDb
from pipeline.stores.ledger.keys import EPOCH_SHARDS


def test_a_reader_of_the_moved_epoch_sees_the_marker() -> None:
    late = MemoryDynamoDb(lambda number: number >= EPOCH_SHARDS)  # what stands behind the epochs is seen late
    store = Tables(late, vectors="vectors", ledger="ledger").store()
    held(store)  # which writes down the space: any write shows all that went before
    store.mark(request(user_id="mika"))
    assert held(store).epoch == 1
    assert store.markers("acme", {"mika"}, set()).times == {("user", "mika"): (TIME,)}
