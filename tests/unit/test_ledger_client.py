"""What DynamoDB answers when it cannot, and what becomes of that."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from pipeline.errors import MalformedItemError, SettingsError, StoreUnavailableError, VectorMemoryError
from pipeline.stores.ledger.client import PAUSES_SECONDS, Cancelled, Client

SECRET = "the text of a conversation"


def refusal(code: str, *reasons: str, message: str = SECRET) -> ClientError:
    response: dict[str, Any] = {"Error": {"Code": code, "Message": message}}
    if reasons:
        response["CancellationReasons"] = [{"Code": reason, "Message": SECRET} for reason in reasons]
    return ClientError(response, "AnyOperation")  # type: ignore[arg-type]


class Scripted:
    """Answers as it is told to, one answer a call, the last one for ever."""

    def __init__(self, *answers: Any) -> None:
        self.answers, self.requests = list(answers), []

    def __getattr__(self, _: str) -> Callable[..., Any]:
        return self._call

    def _call(self, **request: Any) -> Any:
        self.requests.append(request)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


def client(*answers: Any) -> tuple[Client, Scripted, list[float]]:
    naps: list[float] = []
    scripted = Scripted(*answers)
    return Client(scripted, naps.append, lambda: 0.5), scripted, naps


CODES: dict[str, type[VectorMemoryError]] = {
    "ProvisionedThroughputExceededException": StoreUnavailableError,
    "ThrottlingException": StoreUnavailableError,
    "RequestLimitExceeded": StoreUnavailableError,
    "InternalServerError": StoreUnavailableError,
    "ResourceNotFoundException": StoreUnavailableError,
    "AccessDeniedException": StoreUnavailableError,
    "ValidationException": SettingsError,
}


@pytest.mark.parametrize("code", CODES)
def test_every_refusal_becomes_ours_and_quotes_nothing(code: str) -> None:
    calls, _, _ = client(refusal(code))
    with pytest.raises(CODES[code]) as caught:
        calls.get("table-1", {})
    assert SECRET not in f"{caught.value!r} {caught.value.__cause__!r}"
    assert caught.value.__suppress_context__


def test_a_network_that_is_gone_is_a_store_that_is_away() -> None:
    calls, _, _ = client(ConnectTimeoutError(endpoint_url="http://secret"))
    with pytest.raises(StoreUnavailableError, match="was not reached"):
        calls.get("table-1", {})


@pytest.mark.parametrize(
    "reason", ["TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"]
)
def test_a_transaction_that_met_another_is_tried_again_with_growing_pauses(reason: str) -> None:
    calls, scripted, naps = client(refusal("TransactionCanceledException", "None", reason), {})
    calls.transact("table-1", [{}])
    assert (len(scripted.requests), naps) == (2, [PAUSES_SECONDS[0]])

    calls, scripted, naps = client(refusal("TransactionCanceledException", reason))
    with pytest.raises(StoreUnavailableError) as caught:
        calls.transact("table-1", [{}])
    assert caught.value.retry_after_seconds == 1.0
    assert naps == list(PAUSES_SECONDS)


def test_a_delete_that_met_a_transaction_is_tried_again() -> None:
    calls, scripted, naps = client(refusal("TransactionConflictException"), {})
    calls.delete("table-1", {})
    assert (len(scripted.requests), naps) == (2, [PAUSES_SECONDS[0]])

    calls, _, _ = client(refusal("TransactionConflictException"))
    with pytest.raises(StoreUnavailableError):
        calls.delete("table-1", {})


def test_a_condition_that_does_not_hold_is_told_by_its_place() -> None:
    calls, scripted, _ = client(
        refusal("TransactionCanceledException", "None", "ConditionalCheckFailed", "TransactionConflict")
    )
    with pytest.raises(Cancelled) as caught:
        calls.transact("table-1", [{}])
    assert caught.value.failed == {1}
    assert len(scripted.requests) == 1


@pytest.mark.parametrize(
    "error",
    [
        refusal("ValidationException", message="Item size has exceeded the maximum allowed size"),
        refusal("TransactionCanceledException", "None", "ValidationError"),
        refusal("TransactionCanceledException", "ItemCollectionSizeLimitExceeded"),
    ],
)
def test_an_item_that_does_not_fit_is_malformed(error: ClientError) -> None:
    calls, _, _ = client(error)
    with pytest.raises(MalformedItemError, match="MAX_CHUNK_TOKENS"):
        calls.transact("table-1", [{}])


def test_a_conditional_write_says_whether_it_happened() -> None:
    assert client({})[0].update("table-1")
    assert not client(refusal("ConditionalCheckFailedException"))[0].update("table-1")
    calls, scripted, _ = client(refusal("TransactionConflictException"), {})
    assert calls.put("table-1")
    assert len(scripted.requests) == 2


def test_rows_that_were_not_processed_are_asked_for_again() -> None:
    keys = [{"pk": {"S": str(number)}} for number in range(150)]
    rest = {"Responses": {"table-1": keys[:60]}, "UnprocessedKeys": {"table-1": {"Keys": keys[60:100]}}}
    answers = [rest, {"Responses": {"table-1": keys[60:100]}}, {"Responses": {"table-1": keys[100:]}}]
    calls, scripted, naps = client(*answers)
    assert calls.get_all("table-1", keys) == keys
    assert [len(request["RequestItems"]["table-1"]["Keys"]) for request in scripted.requests] == [100, 40, 50]
    assert all(request["RequestItems"]["table-1"]["ConsistentRead"] for request in scripted.requests)
    assert len(naps) == 1

    calls, _, _ = client({"Responses": {}, "UnprocessedKeys": {"table-1": {"Keys": keys[:1]}}})
    with pytest.raises(StoreUnavailableError, match="too much to do"):
        calls.get_all("table-1", keys[:1])


def test_pages_are_read_to_the_end_and_consistently() -> None:
    calls, scripted, _ = client(
        {"Items": [1, 2], "LastEvaluatedKey": {"pk": 2}},
        {"Items": [], "LastEvaluatedKey": {"pk": 3}},
        {"Items": [3]},
    )
    assert list(calls.query("table-1", "pk = :pk", {})) == [1, 2, 3]
    assert [request.get("ExclusiveStartKey") for request in scripted.requests] == [None, {"pk": 2}, {"pk": 3}]
    assert all(request["ConsistentRead"] for request in scripted.requests)
