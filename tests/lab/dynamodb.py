"""DynamoDB in memory, as far as the stores use it: conditions, updates, transactions, read committed.

What a transaction writes becomes visible row by row: until anybody's next write, or until time passes, a read of several
rows may see one half of it, as DynamoDB's own reads may. ``blur`` decides which.
"""

import copy
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from botocore.exceptions import ClientError

Item = dict[str, Any]
Key = tuple[str, str]
_NAMES = {"tenant_id": "session_key", "pk": "sk"}
_TOKEN = re.compile(r"\s*(attribute_not_exists|attribute_exists|AND|OR|BETWEEN|<=|>=|<|>|=|\(|\)|,|[:#]?\w+)")
_VERBS = re.compile(r"\b(SET|REMOVE|ADD|DELETE)\b")


def refused(code: str, *reasons: str) -> ClientError:
    """Return the error that boto3 raises."""
    answer: Any = {"Error": {"Code": code, "Message": code}}
    if reasons:
        answer["CancellationReasons"] = [{"Code": reason} for reason in reasons]
    return ClientError(answer, "Operation")


class MemoryDynamoDb:
    """Takes the place of boto3's client. Tables come into being when first written to.

    Args:
        blur: told a row's place in a transaction, says whether reads still see it as it was for a while.
        page: rows of a page of a query.
    """

    def __init__(self, blur: Callable[[int], bool] = lambda _: False, page: int = 7) -> None:
        self.tables: dict[str, dict[Key, Item]] = {}
        self._blur, self._page = blur, page
        self._before: dict[tuple[str, Key], Item | None] = {}

    def settle(self) -> None:
        """Let reads see everything that was committed."""
        self._before.clear()

    def get_item(self, *, TableName: str, Key: Item, **_: Any) -> Any:  # noqa: N803  # AWS's names
        """See the API."""
        found = self._seen(TableName, _key(Key))
        return {"Item": copy.deepcopy(found)} if found is not None else {}

    def batch_get_item(self, *, RequestItems: Mapping[str, Any]) -> Any:  # noqa: N803  # the same
        """See the API; half of a large request is left over."""
        [(table, asked)] = RequestItems.items()
        if len(asked["Keys"]) > 100 or len({_key(one) for one in asked["Keys"]}) < len(
            asked["Keys"]
        ):  # its limit
            raise refused("ValidationException")
        now = asked["Keys"][: max(5, len(asked["Keys"]) // 2)]
        rest = asked["Keys"][len(now) :]
        rows = [row for key in now if (row := self._seen(table, _key(key))) is not None]
        left = {table: {**asked, "Keys": rest}} if rest else {}
        return {"Responses": {table: _projected(rows, asked)}, "UnprocessedKeys": left}

    def query(self, *, TableName: str, ExpressionAttributeValues: Item, **request: Any) -> Any:  # noqa: N803  # the same
        """See the API."""
        keys = sorted(key for key in self._keys(TableName) if key > _start(request))
        condition, found = request["KeyConditionExpression"], []
        for key in keys:
            row = self._seen(TableName, key)
            if row is not None and holds(condition, row, ExpressionAttributeValues, {}):
                found.append(row)
        return self._paged(found, request)

    def scan(self, *, TableName: str, **request: Any) -> Any:  # noqa: N803  # the same
        """See the API."""
        keys = sorted(key for key in self._keys(TableName) if key > _start(request))
        return self._paged([row for key in keys if (row := self._seen(TableName, key)) is not None], request)

    def put_item(self, **request: Any) -> Any:
        """See the API."""
        self._single({"Put": request})

    def update_item(self, **request: Any) -> Any:
        """See the API."""
        self._single({"Update": request})

    def delete_item(self, **request: Any) -> Any:
        """See the API."""
        self._single({"Delete": request})

    def transact_write_items(self, *, TransactItems: Sequence[Mapping[str, Any]]) -> Any:  # noqa: N803  # the same
        """See the API."""
        ops = [next(iter(one.items())) for one in TransactItems]
        places = [(op["TableName"], _key(op.get("Item") or op["Key"])) for _, op in ops]
        if len(ops) > 100 or len(set(places)) < len(places):  # its limit
            raise refused("ValidationException")
        self.settle()
        reasons = ["None" if self._may(op) else "ConditionalCheckFailed" for _, op in ops]
        if set(reasons) != {"None"}:
            raise refused("TransactionCanceledException", *reasons)
        for number, (verb, op) in enumerate(ops):
            if self._blur(number):
                self._before[places[number]] = copy.deepcopy(self._row(*places[number]))
            self._do(verb, op)

    def _single(self, one: Mapping[str, Any]) -> None:
        [(verb, op)] = one.items()
        self.settle()
        if not self._may(op):
            raise refused("ConditionalCheckFailedException")
        self._do(verb, op)

    def _may(self, op: Mapping[str, Any]) -> bool:
        row = self._row(op["TableName"], _key(op.get("Item") or op["Key"]))
        condition, names = op.get("ConditionExpression"), op.get("ExpressionAttributeNames", {})
        return not condition or holds(condition, row or {}, op.get("ExpressionAttributeValues", {}), names)

    def _do(self, verb: str, op: Mapping[str, Any]) -> None:
        table, key = self.tables.setdefault(op["TableName"], {}), _key(op.get("Item") or op["Key"])
        if verb == "Put":
            table[key] = copy.deepcopy(dict(op["Item"]))
        elif verb == "Delete":
            table.pop(key, None)
        elif verb == "Update":
            names, values = op.get("ExpressionAttributeNames", {}), op.get("ExpressionAttributeValues", {})
            table[key] = updated(table.get(key, dict(op["Key"])), op["UpdateExpression"], values, names)

    def _row(self, table: str, key: Key) -> Item | None:
        return self.tables.get(table, {}).get(key)

    def _seen(self, table: str, key: Key) -> Item | None:
        return self._before[table, key] if (table, key) in self._before else self._row(table, key)

    def _keys(self, table: str) -> set[Key]:
        return set(self.tables.get(table, {})) | {key for name, key in self._before if name == table}

    def _paged(self, rows: Sequence[Item], request: Mapping[str, Any]) -> Any:
        page = rows[: self._page]
        answer: Item = {"Items": _projected(page, request)}
        if len(rows) > len(page):
            answer["LastEvaluatedKey"] = {name: page[-1][name] for name in _names(page[-1])}
        return answer


def updated(row: Item, expression: str, values: Mapping[str, Any], names: Mapping[str, str]) -> Item:
    """Return a row after an update."""
    made = copy.deepcopy(row)
    _, *parts = _VERBS.split(expression)
    for verb, clauses in zip(parts[::2], parts[1::2], strict=True):
        for clause in clauses.split(","):
            words = clause.replace("=", " ").split()
            name = names.get(words[0], words[0])
            value = copy.deepcopy(values[words[1]]) if len(words) > 1 else None
            _update(made, verb, name, value)
    return made


def _update(row: Item, verb: str, name: str, value: Any) -> None:  # DynamoDB's JSON
    if verb == "SET":
        row[name] = value
    elif verb == "REMOVE":
        row.pop(name, None)
    elif "N" in value:
        row[name] = {"N": str(int(row.get(name, {"N": "0"})["N"]) + int(value["N"]))}
    else:
        old = set(row.get(name, {"SS": []})["SS"])
        new = old | set(value["SS"]) if verb == "ADD" else old - set(value["SS"])
        row.pop(name, None)
        if new:
            row[name] = {"SS": sorted(new)}


def holds(
    condition: str, row: Mapping[str, Any], values: Mapping[str, Any], names: Mapping[str, str]
) -> bool:
    """Tell whether a condition holds for a row."""
    tokens = [match.group(1) for match in _TOKEN.finditer(condition)]
    return _Condition(tokens, row, values, names).either()


class _Condition:
    """Reads a condition from left to right."""

    def __init__(
        self, tokens: list[str], row: Mapping[str, Any], values: Mapping[str, Any], names: Mapping[str, str]
    ) -> None:
        self._tokens, self._row, self._values, self._names = iter(tokens), row, values, names
        self._next: str | None = next(self._tokens, None)

    def either(self) -> bool:
        held = self._both()
        while self._next == "OR":
            self._take()
            held = self._both() or held
        return held

    def _both(self) -> bool:
        held = self._one()
        while self._next == "AND":
            self._take()
            held = self._one() and held
        return held

    def _one(self) -> bool:
        token = self._take()
        if token == "(":  # a parenthesis
            held = self.either()
            self._take()
            return held
        if token in {"attribute_not_exists", "attribute_exists"}:
            self._take()
            there = self._names.get(name := self._take(), name) in self._row
            self._take()
            return there is (token == "attribute_exists")  # a function
        left, operator, right = self._value(token), self._take(), self._value(self._take())
        if operator == "BETWEEN":
            self._take()
            high = self._value(self._take())
            return left is not None and right <= left <= high
        return left is not None and _COMPARE[operator](left, right)

    def _value(self, token: str) -> Any:  # text or number
        typed = self._values[token] if token.startswith(":") else self._row.get(self._names.get(token, token))
        if typed is None:
            return None
        [(kind, value)] = typed.items()
        return float(value) if kind == "N" else value

    def _take(self) -> str:
        token = self._next
        if token is None:
            raise refused("ValidationException")
        self._next = next(self._tokens, None)
        return token


_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": lambda one, two: bool(one == two),
    "<": lambda one, two: bool(one < two),
    "<=": lambda one, two: bool(one <= two),
    ">": lambda one, two: bool(one > two),
    ">=": lambda one, two: bool(one >= two),
}


def _names(row: Mapping[str, Any]) -> tuple[str, str]:
    return next((first, second) for first, second in _NAMES.items() if first in row and second in row)


def _key(row: Mapping[str, Any]) -> Key:
    first, second = _names(row)
    return row[first]["S"], row[second]["S"]


def _start(request: Mapping[str, Any]) -> Key:
    return _key(request["ExclusiveStartKey"]) if "ExclusiveStartKey" in request else ("", "")


def _projected(rows: Sequence[Item], request: Mapping[str, Any]) -> list[Item]:
    if "ProjectionExpression" not in request:
        return copy.deepcopy(list(rows))
    names = request.get("ExpressionAttributeNames", {})
    wanted = [names.get(name.strip(), name.strip()) for name in request["ProjectionExpression"].split(",")]
    return [{name: copy.deepcopy(row[name]) for name in wanted if name in row} for row in rows]
