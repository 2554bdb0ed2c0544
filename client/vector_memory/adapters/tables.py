"""The chat app's table of conversations, as adapters write it. Needs the extra ``aws``.

An item is ``tenant_id``, ``session_key``, ``user_id``, ``messages`` (a JSON array), ``created_at``, ``updated_at``, and what an adapter
adds. An item of another user is never read or changed.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from vector_memory.errors import InvalidRequestError, MemoryUnavailableError

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ATTEMPTS = 8
"""At a conversation that others write at the same time."""
MAX_KEY_BYTES = 1_024
"""Of a sort key, DynamoDB's limit."""
_SURROGATE = re.compile("[\ud800-\udfff]")
"""One without the other half: DynamoDB refuses it as it is, and takes it escaped."""
_TAKEN = "ConditionalCheckFailedException"
_OURS = frozenset({"ValidationException", "AccessDeniedException", "ResourceNotFoundException"})

Message = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class ConversationTable:
    """One user's conversations.

    Every method raises MemoryUnavailableError (DynamoDB is away) or InvalidRequestError (it refuses: the item is too
    large, the table's name or permissions are wrong, or the item is another user's).

    Args:
        client: a boto3 DynamoDB client.
        name: the table's: the stack's output ``SessionsTableName``.
    """

    client: "DynamoDBClient"
    name: str
    tenant_id: str
    user_id: str
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def get(self, session_key: str) -> dict[str, str] | None:
        """Return the item's strings, consistently; ``None`` if there is none, or it is another user's."""
        answer = self._ask(
            lambda: self.client.get_item(TableName=self.name, Key=self._key(session_key), ConsistentRead=True)
        )
        item = answer.get("Item")
        return _strings(item) if item and self._is_ours(item) else None

    def messages(self, session_key: str) -> list[Any]:
        """Return what a conversation says; nothing if there is none."""
        return _messages(self.get(session_key))

    def append(self, session_key: str, messages: Sequence[Message]) -> datetime:
        """Add to a conversation, whoever else does; return its ``updated_at``."""
        for _ in range(ATTEMPTS):
            before = self.get(session_key)
            text = json_text([*_messages(before), *messages], default=_binary)
            if at := self._write(session_key, {"messages": text}, before):
                return at
            if before is None and self.get(session_key) is None:
                raise _of_another()
        raise MemoryUnavailableError("others write this conversation all the time")

    def put(self, session_key: str, messages: Sequence[Message], **more: str) -> datetime:
        """Make an item say this and nothing else; return its ``updated_at``.

        Args:
            more: further attributes.
        """
        text = json_text(list(messages), default=_binary)
        at = self._write(session_key, {"messages": text, **more}, None, anyhow=True)
        if at is None:
            raise _of_another()
        return at

    def delete(self, session_key: str) -> None:
        """Delete an item; one that is not there is deleted already."""
        condition = f"attribute_not_exists(tenant_id) OR {self._ours}"
        try:
            self._ask(
                lambda: self.client.delete_item(
                    TableName=self.name,
                    Key=self._key(session_key),
                    ConditionExpression=condition,
                    ExpressionAttributeNames={"#user_id": "user_id"},
                    ExpressionAttributeValues={":user_id": {"S": self.user_id}},
                )
            )
        except _TakenError:
            raise _of_another() from None

    def starting_with(self, prefix: str) -> Iterator[dict[str, str]]:
        """Yield the user's items whose keys begin so, consistently."""
        start: dict[str, Any] = {}
        while True:
            answer = self._ask(partial(self._page, prefix, start))
            for item in answer["Items"]:
                if self._is_ours(item):
                    yield _strings(item)
            if "LastEvaluatedKey" not in answer:
                return
            start = {"ExclusiveStartKey": answer["LastEvaluatedKey"]}

    def _page(self, prefix: str, start: Mapping[str, Any]) -> Any:  # noqa: ANN401  # boto3's answer
        return self.client.query(
            TableName=self.name,
            ConsistentRead=True,
            KeyConditionExpression="tenant_id = :tenant AND begins_with(session_key, :prefix)",
            ExpressionAttributeValues={":tenant": {"S": self.tenant_id}, ":prefix": {"S": prefix}},
            **start,
        )

    def _write(
        self,
        session_key: str,
        given: Mapping[str, str],
        before: Mapping[str, str] | None,
        *,
        anyhow: bool = False,
    ) -> datetime | None:
        """Write attributes over ``before``; return when, or ``None`` if something else is there by now."""
        at = self.now()
        values = {**given, "user_id": self.user_id, "updated_at": at.isoformat()}
        names = {f"#{name}": name for name in (*values, "created_at")}
        sets = [f"#{name} = :{name}" for name in values]
        condition, more = _condition(before, self._ours, anyhow=anyhow)
        typed: Any = {f":{name}": {"S": value} for name, value in {**values, **more}.items()}
        try:
            self._ask(
                lambda: self.client.update_item(
                    TableName=self.name,
                    Key=self._key(session_key),
                    UpdateExpression=f"SET {', '.join(sets)}, #created_at = if_not_exists(#created_at, :updated_at)",
                    ConditionExpression=condition,
                    ExpressionAttributeNames=names,
                    ExpressionAttributeValues=typed,
                )
            )
        except _TakenError:
            return None
        return at

    @property
    def _ours(self) -> str:
        """The condition that an item is this user's; one that names nobody is the tenant's own."""
        nobodys = " OR attribute_not_exists(#user_id)" if self.user_id == self.tenant_id else ""
        return f"#user_id = :user_id{nobodys}"

    def _key(self, session_key: str) -> Any:  # noqa: ANN401  # as boto3 takes it
        if not session_key or len(session_key.encode("utf-8", "replace")) > MAX_KEY_BYTES:
            raise InvalidRequestError(f"a key has 1 to {MAX_KEY_BYTES} bytes", hint="take a shorter one")
        return {"tenant_id": {"S": self.tenant_id}, "session_key": {"S": session_key}}

    def _is_ours(self, item: Mapping[str, Any]) -> bool:
        return bool(item.get("user_id", {}).get("S", self.tenant_id) == self.user_id)

    @staticmethod
    def _ask(call: Callable[[], Any]) -> Any:  # noqa: ANN401  # boto3's answer
        try:
            return call()
        except ClientError as error:
            raise _of(error) from None
        except BotoCoreError as error:
            raise MemoryUnavailableError(f"DynamoDB was not reached: {type(error).__name__}") from None


def json_text(value: Any, default: Callable[[Any], Any] | None = None) -> str:  # noqa: ANN401  # JSON
    """Return ``value`` as JSON that DynamoDB takes.

    Args:
        default: returns something in place of what JSON cannot hold.

    Raises:
        InvalidRequestError: JSON cannot hold it.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, default=default)
        return text if text.isascii() or not _SURROGATE.search(text) else json.dumps(value, default=default)
    except (TypeError, ValueError, RecursionError) as error:
        raise InvalidRequestError(
            f"JSON cannot hold what is to be written: {type(error).__name__}",
            hint="give text, numbers, lists and objects with text as keys",
        ) from None


def _binary(value: object) -> None:
    """Return what stands for an image or a file in a message: nothing of it is memory."""
    if not isinstance(value, bytes | bytearray | memoryview):
        raise TypeError


def _of_another() -> InvalidRequestError:
    return InvalidRequestError("the item belongs to another user", hint="take another key")


class _TakenError(Exception):
    """The condition does not hold."""


def _condition(before: Mapping[str, str] | None, ours: str, *, anyhow: bool) -> tuple[str, dict[str, str]]:
    """Return what must hold for a write.

    Args:
        ours: the condition that an item is this user's.
    """
    if anyhow:
        return f"attribute_not_exists(tenant_id) OR {ours}", {}
    if before is None:
        return "attribute_not_exists(tenant_id)", {}
    if "messages" not in before:
        return f"attribute_not_exists(#messages) AND ({ours})", {}
    return f"#messages = :before AND ({ours})", {"before": before["messages"]}


def _of(error: ClientError) -> Exception:
    code = str(error.response.get("Error", {}).get("Code", "unknown"))
    if code == _TAKEN:
        return _TakenError()
    if code in _OURS:
        return InvalidRequestError(
            f"DynamoDB answered {code}",
            hint="check the table's name and permissions; an item has at most 400 KB",
        )
    return MemoryUnavailableError(f"DynamoDB answered {code}")


def _strings(item: Mapping[str, Any]) -> dict[str, str]:
    return {name: str(value["S"]) for name, value in item.items() if "S" in value}


def _messages(item: Mapping[str, str] | None) -> list[Any]:
    try:
        held = json.loads((item or {}).get("messages") or "[]")
    except ValueError:
        held = None
    if not isinstance(held, list):
        raise InvalidRequestError(
            "the conversation is no JSON array of messages", hint="let its own app write it"
        )
    return held
