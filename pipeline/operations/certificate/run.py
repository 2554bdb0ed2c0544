"""The commands ``vector-memory certificate key | issue | verify``."""

import argparse
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.errors import InvalidRequestError, SettingsError
from pipeline.operations.certificate import signing
from pipeline.operations.terminal.outcome import Outcome
from pipeline.version import VERSION

if TYPE_CHECKING:
    from pipeline.container import Container
    from pipeline.operations.certificate.erasure import Queue, Remains, Search
    from pipeline.stores.forget_requests import Forgotten

LEFT = 1
"""Exit status where something is left, and nothing is certified."""
PAUSE_SECONDS = 5.0
OWNER_ONLY, EVERYBODY = 0o600, 0o644


def make_key(options: argparse.Namespace) -> Outcome:
    """Write a private key that only its owner may read, and print the public one.

    Raises:
        SettingsError: the file is there already, or cannot be written.
    """
    private = signing.new_private_key()
    _write(options.out, private, OWNER_ONLY)
    return Outcome(signing.public_pem(private).decode().strip(), [f"the private key is in {options.out}"])


def verify(options: argparse.Namespace) -> Outcome:
    """Check a certificate; nothing but the two files is needed.

    Raises:
        InvalidRequestError: it is not valid.
    """
    from pipeline.operations.certificate.statement import as_text  # noqa: PLC0415  # each command loads only what it needs

    payload = signing.verified(_read(options.file).decode("utf-8-sig", "replace"), _read(options.public_key))
    return Outcome(f"valid\n{as_text(payload)}")


def issue(options: argparse.Namespace) -> Outcome:
    """Look for remains of what a request was to erase, and sign that there are none.

    Raises:
        SettingsError: the key cannot be read, or it is not said which tables.
        InvalidRequestError: no request of that id was carried out.
    """
    from pipeline.operations.certificate.statement import Issuer, statement  # noqa: PLC0415  # each command loads only what it needs
    from pipeline.operations.stack.named_tables import required_tables  # noqa: PLC0415  # the same

    key = _read(options.key)
    signing.public_pem(key)  # a wrong key shows before the work
    container, names = required_tables(options.stack, options.table)
    search = _search(container, names)
    forgotten = container.store.forgotten(options.tenant, options.request)
    if forgotten is None:
        raise InvalidRequestError(
            "no request of that id was carried out for this tenant", hint="see GET /api/v1/memory/status/ID"
        )
    remains = looked(search, forgotten, options.wait, time.sleep)
    if not remains.clean:
        return Outcome(f"not certified: {sum(remains.found.values())} left", remains.notes, LEFT)
    issuer = Issuer(options.issuer, f"vector-memory {VERSION}")
    envelope = signing.signed(statement(issuer, forgotten, remains, datetime.now(UTC)), key)
    if options.out is None:
        return Outcome(envelope)
    _write(options.out, f"{envelope}\n".encode(), EVERYBODY)
    return Outcome(f"certified: {options.out}")


def looked(
    search: "Search", forgotten: "Forgotten", wait_seconds: float, sleep: Callable[[float], None]
) -> "Remains":
    """Look for remains, and again while something is left that may only be on its way."""
    remains = search.run(forgotten)
    for _ in range(int(wait_seconds // PAUSE_SECONDS)):
        if remains.clean:
            return remains
        sleep(PAUSE_SECONDS)
        remains = search.run(forgotten)
    return remains


def _search(container: "Container", names: Sequence[str]) -> "Search":
    from pipeline.operations.certificate.erasure import Search  # noqa: PLC0415  # the same
    from pipeline.operations.items.tables import schemas_of  # noqa: PLC0415  # each command loads only what it needs

    tables = container.source_table
    return Search(
        tables,
        container.layouts,
        container.full_reconciler(),
        container.backend.inventory(),
        schemas_of(tables, names),
        dict(_queues(container)),
    )


def _queues(
    container: "Container",
) -> Iterator[tuple[str, Callable[[], AbstractContextManager["Queue"]]]]:
    from pipeline.operations.queues.queue_drain import QueueDrain, drained  # noqa: PLC0415  # each command loads only what it needs

    settings: Mapping[str, str] = {
        "notice queue": "queue_url",
        "dead-letter queue": "dead_letter_queue_url",
        "stream failure queue": "stream_failure_queue_url",
    }
    for place, setting in settings.items():
        url = getattr(container.settings, setting)
        if not url:
            raise SettingsError(
                f"{setting.upper()} is not set: set it, or name the deployed stack with --stack"
            )
        make = partial(QueueDrain, container.sqs_client, url, name=place, setting=setting.upper())
        yield place, lambda make=make: drained(make())  # type: ignore[misc]  # bound at once


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path} cannot be read: {error.strerror}") from None


def _write(path: Path, content: bytes, mode: int) -> None:
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise SettingsError(f"{path} is there already: name another file") from None
    except OSError as error:
        raise SettingsError(f"{path} cannot be written: {error.strerror}") from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
