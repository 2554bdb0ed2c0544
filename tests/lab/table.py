"""A DynamoDB table with its stream, as far as the pipeline sees them.

Images are DynamoDB's typed JSON. A stream may be made anew, while the records of the old one are still read. A write that changes nothing emits no record; a removal by TTL carries DynamoDB's
own identity. Sequence numbers grow per stream; an item's records stay in order, across shard splits as well.
"""

import copy
import math
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Item = Mapping[str, Mapping[str, Any]]
Cause = Literal["put", "delete", "expire"]
REGION = "us-east-1"
TTL_IDENTITY = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}


@dataclass(eq=False, slots=True)
class Shard:
    """Records in order.

    Args:
        parent: the shard that was split; all of it comes first.
        slot: which items it holds, as a path of binary digits.
    """

    id: str
    slot: str
    parent: "Shard | None" = None
    closed: bool = False
    records: list[dict[str, Any]] = field(default_factory=list)

    def holds(self, digest: str) -> bool:
        """Tell whether an item's records go here."""
        return not self.closed and digest.startswith(self.slot)


class Table:
    """One table.

    Args:
        name: its name.
        key: names of its hash and range attributes.
        now: the clock.
        first_number: where sequence numbers of each stream begin.

    While it is ``losing``, no record comes of what is written; ``lost`` then says which event the last one told.
    """

    def __init__(
        self,
        name: str,
        key: tuple[str, str],
        now: Callable[[], float],
        first_number: int = 1,
    ) -> None:
        self.name, self.key_names, self._now = name, key, now
        self.streams = 1
        self.items: dict[tuple[str, str], Item] = {}
        self.before: dict[tuple[str, str], Item | None] = {}
        self.shards = [Shard("shard-0", "")]
        self._first_number = self._number = first_number
        self.losing = False
        self.lost: str | None = None

    @property
    def arn(self) -> str:
        """The stream's; its label is when it was made."""
        label = f"2026-09-21T00:{self.streams // 60:02}:{self.streams % 60:02}.000"
        return f"arn:aws:dynamodb:{REGION}:000000000000:table/{self.name}/stream/{label}"

    def get(self, key: Item, *, consistent: bool = True) -> Item | None:
        """Return the item; an inconsistent read returns what it was before the last write."""
        at = self._place(key)
        return self.items.get(at) if consistent else self.before.get(at, self.items.get(at))

    def put(self, item: Item, gap: int = 1) -> None:
        """Write the whole item; ``gap`` is how far the sequence number jumps."""
        at = self._place(item)
        old, new = self.items.get(at), copy.deepcopy(dict(item))
        if old == new:
            return
        self.before[at], self.items[at] = old, new
        self._emit("MODIFY" if old else "INSERT", self._key(item), old, new, gap)

    def delete(self, key: Item, gap: int = 1) -> None:
        """Remove the item, by its owner."""
        self._remove(key, gap, None)

    def expire(self, key: Item, gap: int = 1) -> None:
        """Remove the item, by its TTL."""
        self._remove(key, gap, TTL_IDENTITY)

    def split(self, shard: Shard) -> None:
        """Close ``shard`` and go on in two."""
        shard.closed = True
        for digit in "01":
            self.shards.append(Shard(f"shard-{len(self.shards)}", shard.slot + digit, shard))

    def remake_stream(self) -> None:
        """Turn the stream off and on again: a new one, whose numbers begin anew and whose shards have no parents."""
        for shard in self.shards:
            shard.closed = True
        self.streams += 1
        self._number = self._first_number
        self.shards.append(Shard(f"shard-{len(self.shards)}", ""))

    def shard_of(self, key: Item) -> Shard:
        """Return the open shard that takes the item's records."""
        digest = f"{zlib.crc32(repr(self._place(key)).encode()):032b}"
        return next(shard for shard in self.shards if shard.holds(digest))

    def _remove(self, key: Item, gap: int, identity: Mapping[str, str] | None) -> None:
        at = self._place(key)
        old = self.items.pop(at, None)
        if old is not None:
            self.before[at] = old
            self._emit("REMOVE", self._key(key), old, None, gap, identity)

    def _emit(  # noqa: PLR0913, PLR0917  # a record's own fields
        self,
        name: str,
        key: Item,
        old: Item | None,
        new: Item | None,
        gap: int,
        identity: Mapping[str, str] | None = None,
    ) -> None:
        self._number += gap
        if self.losing:
            self.lost = name
            return
        images = {"OldImage": old, "NewImage": new}
        record: dict[str, Any] = {
            "eventID": f"{self.name}-{self._number}",
            "eventName": name,
            "eventVersion": "1.1",
            "eventSource": "aws:dynamodb",
            "awsRegion": REGION,
            "dynamodb": {
                "ApproximateCreationDateTime": float(math.floor(self._now())),
                "Keys": key,
                **{image: value for image, value in images.items() if value is not None},
                "SequenceNumber": str(self._number),
                "SizeBytes": len(repr(images)),
                "StreamViewType": "NEW_AND_OLD_IMAGES",
            },
            "eventSourceARN": self.arn,
        }
        if identity:
            record["userIdentity"] = dict(identity)
        self.shard_of(key).records.append(record)

    def _key(self, item: Item) -> Item:
        return {name: item[name] for name in self.key_names}

    def _place(self, item: Item) -> tuple[str, str]:
        hash_name, range_name = self.key_names
        return str(item[hash_name]["S"]), str(item[range_name]["S"])
