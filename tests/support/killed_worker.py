"""A worker that kills itself, with no chance to clean up, before or after one effect of a reconcile.

``python -m support.killed_worker <conninfo> <read|get|lease|embed|apply> <before|after>``
"""

import os
import signal
import sys
from typing import Any

from support.one_table import CHUNKER, LAYOUTS, OneTable
from support.words import SPACE, WordEmbedder

from pipeline.ingest.reconcile import Reconciler
from pipeline.stores.pgvector.connection import Connector
from pipeline.stores.pgvector.store import PgVectorStore


def fatal(owner: Any, effect: str, when: str) -> None:
    """Make calling ``owner``'s ``effect`` the last thing this process does."""
    real = getattr(owner, effect)

    def effect_and_death(*arguments: Any) -> Any:
        if when == "after":
            real(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(owner, effect, effect_and_death)


def main(conninfo: str, effect: str, when: str) -> None:
    """Run one reconcile up to its violent end."""
    table, embedder = OneTable(), WordEmbedder()
    store = PgVectorStore(Connector(lambda: conninfo), SPACE)
    owners = {"get": table, "embed": embedder}
    fatal(owners.get(effect, store), effect, when)
    notice = table.put("chat:1", "one", "two")
    Reconciler(LAYOUTS, table, CHUNKER, embedder, store, lambda _: None).run(
        {notice.address.key.source: notice}
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
