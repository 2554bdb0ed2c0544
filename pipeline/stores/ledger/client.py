"""Calls to DynamoDB: all of what was asked for, or an error that says what to do and quotes nothing.

DynamoDB's messages can quote keys and conditions, so only its codes are passed on.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from pipeline.errors import MalformedItemError, SettingsError, StoreUnavailableError, VectorMemoryError
from pipeline.stores.ledger.records import Item

MAX_GETS = 100
"""Of one BatchGetItem."""
PAUSES_SECONDS = (0.02, 0.05, 0.1, 0.2, 0.4, 0.8)
"""Before another try where writers met; a little chance is added."""

_REFUSED = frozenset({"AccessDeniedException", "UnrecognizedClientException", "ExpiredTokenException"})
_BUSY_REASONS = frozenset(
    {"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded", "DuplicateItem"}
)
_TOO_LARGE = "size"


class Cancelled(Exception):  # noqa: N818  # an outcome, not an error
    """A transaction was not carried out; ``failed`` are the places of the members whose condition did not hold."""

    def __init__(self, failed: frozenset[int]) -> None:
        super().__init__("a transaction was cancelled")
        self.failed = failed


class Client:
    """DynamoDB as stores use it.

    Args:
        client: boto3's.
        sleep: waits, in seconds.
        chance: a number from 0 to 1, anew at every call.
    """

    def __init__(self, client: Any, sleep: Callable[[float], None], chance: Callable[[], float]) -> None:  # noqa: ANN401  # boto3's, or what watches it
        self._client, self._sleep, self._chance = client, sleep, chance

    def get(self, table: str, key: Mapping[str, Any]) -> Item | None:
        """Return a row as it is now, if there is one."""
        with translated(table):
            found: Item | None = self._client.get_item(TableName=table, Key=key, ConsistentRead=True).get(
                "Item"
            )
        return found

    def get_all(self, table: str, keys: Sequence[Mapping[str, Any]], only: Sequence[str] = ()) -> list[Item]:
        """Return those of the rows that are there, as they are now, in no order; ``only`` these attributes."""
        found: list[Item] = []
        shape = _projection(only)
        for start in range(0, len(keys), MAX_GETS):
            todo: list[Any] = list(keys[start : start + MAX_GETS])
            for pause in self._pauses():
                wanted = {table: {"Keys": todo, "ConsistentRead": True, **shape}}
                with translated(table):
                    answer = self._client.batch_get_item(RequestItems=wanted)
                found += answer["Responses"].get(table, [])
                todo = answer.get("UnprocessedKeys", {}).get(table, {}).get("Keys", [])
                if not todo:
                    break
                self._sleep(pause)
            else:
                raise _busy(table)
        return found

    def query(self, table: str, condition: str, values: Mapping[str, Any], **options: Any) -> Iterator[Item]:  # noqa: ANN401  # the API's own
        """Yield all rows of a partition that meet the key condition, as they are now, over as many pages as it takes."""
        start: dict[str, Any] = {}
        while True:
            with translated(table):
                page = self._client.query(
                    TableName=table,
                    KeyConditionExpression=condition,
                    ExpressionAttributeValues=values,
                    ConsistentRead=True,
                    **options,
                    **start,
                )
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def scan(self, table: str, **options: Any) -> Iterator[Item]:  # noqa: ANN401  # the API's own
        """Yield all rows of the table."""
        start: dict[str, Any] = {}
        while True:
            with translated(table):
                page = self._client.scan(TableName=table, ConsistentRead=True, **options, **start)
            yield from page["Items"]
            if "LastEvaluatedKey" not in page:
                return
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}

    def update(self, table: str, **request: Any) -> bool:  # noqa: ANN401  # the API's own
        """Update a row; tell whether its condition held."""
        return self._conditional(table, lambda: self._client.update_item(TableName=table, **request))

    def put(self, table: str, **request: Any) -> bool:  # noqa: ANN401  # the API's own
        """Put a row; tell whether its condition held."""
        return self._conditional(table, lambda: self._client.put_item(TableName=table, **request))

    def delete(self, table: str, key: Mapping[str, Any]) -> None:
        """Delete a row, if it is there."""
        self._conditional(table, lambda: self._client.delete_item(TableName=table, Key=key))

    def transact(self, table: str, ops: Sequence[Mapping[str, Any]]) -> None:
        """Carry out all of ``ops``, or none.

        Raises:
            Cancelled: a condition did not hold.
            StoreUnavailableError: throttled, or other writers were in the way all the time.
        """
        for pause in self._pauses():
            try:
                with translated(table):
                    self._client.transact_write_items(TransactItems=list(ops))
            except _Busy:
                self._sleep(pause)
                continue
            return
        raise _busy(table)

    def _conditional(self, table: str, call: Callable[[], Any]) -> bool:
        for pause in self._pauses():
            try:
                with translated(table):
                    call()
            except Cancelled:
                return False
            except _Busy:
                self._sleep(pause)
                continue
            return True
        raise _busy(table)

    def _pauses(self) -> Iterator[float]:
        return (pause * (0.5 + self._chance()) for pause in PAUSES_SECONDS)


class _Busy(Exception):  # noqa: N818  # an outcome
    """Another transaction was at the same row."""


@contextmanager
def translated(table: str) -> Iterator[None]:
    """Turn DynamoDB's errors into ours, and outcomes into :class:`Cancelled`."""
    try:
        yield
    except ClientError as error:
        raise _ours(error, table) from None
    except BotoCoreError as error:
        raise StoreUnavailableError(f"DynamoDB was not reached: {type(error).__name__}") from None


def _ours(error: ClientError, table: str) -> Exception:
    code = str(error.response.get("Error", {}).get("Code", "unknown"))
    if code == "TransactionCanceledException":
        return _cancelled(error, table)
    if code == "ConditionalCheckFailedException":
        return Cancelled(frozenset({0}))
    if code in {"TransactionConflictException", "TransactionInProgressException"}:
        return _Busy()
    if code == "ValidationException" and _says_too_large(error.response.get("Error", {}).get("Message")):
        return _too_large(table)
    return _refused(code, table)


def _cancelled(error: ClientError, table: str) -> Exception:
    reasons = [str(reason.get("Code")) for reason in error.response.get("CancellationReasons", ())]
    failed = frozenset(place for place, code in enumerate(reasons) if code == "ConditionalCheckFailed")
    if failed:
        return Cancelled(failed)
    if any(code in _BUSY_REASONS for code in reasons):
        return _Busy()
    if {"ItemCollectionSizeLimitExceeded", "ValidationError"} & set(reasons):
        return _too_large(table)
    return StoreUnavailableError(f"DynamoDB cancelled a transaction on table {table}")


def _refused(code: str, table: str) -> VectorMemoryError:
    if code == "ResourceNotFoundException":
        return StoreUnavailableError(f"DynamoDB has no table {table}: deploy the stack, or correct its name")
    if code in _REFUSED:
        return StoreUnavailableError(f"DynamoDB answered {code} for table {table}: check the function's role")
    if code == "ValidationException":
        return SettingsError(f"DynamoDB refused a request to table {table}: does it have the ledger's keys?")
    return StoreUnavailableError(f"DynamoDB answered {code} for table {table}")


def _too_large(table: str) -> MalformedItemError:
    return MalformedItemError(
        f"a chunk does not fit into an item of table {table} (400 KB): lower MAX_CHUNK_TOKENS"
    )


def _says_too_large(message: object) -> bool:
    return isinstance(message, str) and _TOO_LARGE in message.lower()


def _busy(table: str) -> StoreUnavailableError:
    return StoreUnavailableError(f"DynamoDB had too much to do at table {table}", retry_after_seconds=1.0)


def _projection(only: Sequence[str]) -> dict[str, Any]:
    if not only:
        return {}
    return {
        "ProjectionExpression": ", ".join(f"#{name}" for name in only),
        "ExpressionAttributeNames": {f"#{name}": name for name in only},
    }
