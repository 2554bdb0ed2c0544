"""The peers, each through its public API, with an embedder that answers at once: prints one JSON object.

Runs in an environment of its own (their packages pin other versions), so it imports nothing of ours::

    python peers.py CONNINFO ROWS QUESTIONS [USERS [PEER SECONDS SEED]]

CONNINFO is that of a database of its own. The object is peer → {add: rows/s, search: ms}. With USERS a few rows are added
as usual and then copied in the database until there are ROWS of so many users; ``add`` says nothing then. With a PEER that was
filled before it says ``ready``, waits for a line, asks for so many SECONDS, and prints the milliseconds of each question.
"""

import json
import os
import random
import statistics
import sys
import tempfile
import time
import zlib
from typing import Any

os.environ |= {
    "MEM0_TELEMETRY": "False",
    "MEM0_DIR": tempfile.mkdtemp(),
    "OPENAI_API_KEY": "none",
    "NLTK_DATA": tempfile.mkdtemp(),
}

import psycopg

DIMENSIONS, USERS, TOP_K, WORDS = 1536, 50, 5, 60
_draws = random.Random(1)
VECTORS = [[_draws.random() for _ in range(DIMENSIONS)] for _ in range(500)]  # alike enough for a threshold


def vector(text: str) -> list[float]:
    return VECTORS[zlib.crc32(text.encode()) % len(VECTORS)]


def text() -> str:
    return " ".join(f"w{int(_draws.paretovariate(0.5)) % 20_000}x" for _ in range(WORDS))


class Load:
    """How much is measured; ``users`` is given where rows are copied in the database."""

    def __init__(
        self, conninfo: str, rows: str, questions: str, users: str | None = None, *asking: str
    ) -> None:
        self.conninfo, self.rows, self.questions = conninfo, int(rows), int(questions)
        self.copied, self.users = users is not None, int(users or USERS)
        self.seconds, self.seed = (float(asking[1]), int(asking[2])) if asking else (0.0, 0)

    @property
    def fields(self) -> dict[str, Any]:
        return psycopg.conninfo.conninfo_to_dict(self.conninfo)

    def copy(self, table: str, columns: dict[str, str]) -> None:
        """Copy rows of a table within it; ``columns`` are expressions over a row ``t``, a ``u`` and a vector ``v``."""
        with psycopg.connect(self.conninfo, autocommit=True) as owner:
            owner.execute("CREATE TEMP TABLE drawn (n int PRIMARY KEY, v text)")
            rows = [(number, json.dumps(one)) for number, one in enumerate(VECTORS)]
            owner.cursor().executemany("INSERT INTO drawn VALUES (%s, %s)", rows)
            owner.execute("CREATE TEMP TABLE vectors AS SELECT n, v::vector AS v FROM drawn")
            owner.execute(
                f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(columns.values())} "
                f"FROM generate_series(0, {self.rows}) g JOIN vectors ON n = g % {len(VECTORS)} "
                f"CROSS JOIN LATERAL (SELECT 'user-' || (g / 7) % {self.users} AS u) who "
                f"CROSS JOIN (SELECT * FROM {table} LIMIT 1) t"
            )
            owner.execute(f"VACUUM ANALYZE {table}")


def measured(add: Any, search: Any, load: Load, table: str, columns: dict[str, str]) -> dict[str, Any]:
    """Add rows (a list of texts a user at a time), ask questions."""
    if load.seconds:
        return answer_times(search, load)
    rows = 20 if load.copied else load.rows
    texts = [(f"user-{number % load.users}", text()) for number in range(rows)]
    add(texts[:10])
    started = time.perf_counter()
    add(texts[10:])
    rate = (rows - 10) / (time.perf_counter() - started)
    if load.copied:
        load.copy(table, columns)
    times = []
    for number in range(load.questions + 3):
        asked = text()
        started = time.perf_counter()
        found = search(f"user-{number % load.users}", asked)
        times.append((time.perf_counter() - started) * 1000)
        assert found, "a peer found nothing"
    return {"add": rate, "search": statistics.median(times[3:])}


def answer_times(search: Any, load: Load) -> dict[str, Any]:
    _draws.seed(load.seed)
    for number in range(8):
        search(f"user-{number % load.users}", text())
    print("ready", flush=True)
    sys.stdin.readline()
    times: list[float] = []
    ends = time.perf_counter() + load.seconds
    while time.perf_counter() < ends:
        asked = text()
        started = time.perf_counter()
        assert search(f"user-{(load.seed * 7 + len(times)) % load.users}", asked), "a peer found nothing"
        times.append((time.perf_counter() - started) * 1000)
    return {"times": times}


def mem0(load: Load) -> dict[str, Any]:
    conninfo = load.fields
    from mem0 import Memory

    config = {
        "vector_store": {
            "provider": "pgvector",
            "config": {
                "host": conninfo["host"],
                "port": int(conninfo["port"]),
                "dbname": conninfo["dbname"],
                "user": conninfo["user"],
                "password": conninfo["password"],
                "embedding_model_dims": DIMENSIONS,
                "collection_name": "mem0",
                "hnsw": False,
                "diskann": False,
            },
        },
        "history_db_path": os.path.join(os.environ["MEM0_DIR"], "history.db"),
    }
    memory = Memory.from_config(config)

    class Instant:
        config = memory.embedding_model.config

        def embed(self, asked: str, *_: Any, **__: Any) -> list[float]:
            return vector(asked)

        def embed_batch(self, asked: list[str], *_: Any, **__: Any) -> list[list[float]]:
            return [vector(one) for one in asked]

    memory.embedding_model = Instant()

    def add(texts: list[tuple[str, str]]) -> None:
        for user, said in texts:
            memory.add(said, user_id=user, infer=False)

    def search(user: str, asked: str) -> Any:
        return memory.search(asked, filters={"user_id": user}, top_k=TOP_K)["results"]

    columns = {
        "id": "gen_random_uuid()",
        "vector": "v",
        "payload": "jsonb_set(t.payload, '{user_id}', to_jsonb(u))",
    }
    return measured(add, search, load, "mem0", columns)


def langchain(load: Load) -> dict[str, Any]:
    conninfo = load.fields
    from langchain_core.embeddings import Embeddings
    from langchain_postgres import Column, PGEngine, PGVectorStore

    class Instant(Embeddings):  # type: ignore[misc]  # of another environment
        def embed_documents(self, texts: list[str]) -> list[list[float]]:
            return [vector(one) for one in texts]

        def embed_query(self, text: str) -> list[float]:
            return vector(text)

    engine = PGEngine.from_connection_string(url=_url("postgresql+psycopg", conninfo))
    if not load.seconds:
        engine.init_vectorstore_table("langchain", DIMENSIONS, metadata_columns=[Column("user_id", "TEXT")])
    store = PGVectorStore.create_sync(engine, Instant(), "langchain", metadata_columns=["user_id"])

    def add(texts: list[tuple[str, str]]) -> None:
        for start in range(0, len(texts), 100):
            part = texts[start : start + 100]
            store.add_texts([said for _, said in part], [{"user_id": user} for user, _ in part])

    def search(user: str, asked: str) -> Any:
        return store.similarity_search_with_score(asked, k=TOP_K, filter={"user_id": user})

    columns = {"langchain_id": "gen_random_uuid()", "content": "t.content", "embedding": "v", "user_id": "u"}
    return measured(add, search, load, "langchain", columns)


def llamaindex(load: Load) -> dict[str, Any]:
    conninfo = load.fields
    from llama_index.core import StorageContext, VectorStoreIndex
    from llama_index.core.embeddings import BaseEmbedding
    from llama_index.core.schema import TextNode
    from llama_index.core.vector_stores import MetadataFilter, MetadataFilters
    from llama_index.vector_stores.postgres import PGVectorStore

    class Instant(BaseEmbedding):  # type: ignore[misc]  # of another environment
        def _get_query_embedding(self, query: str) -> list[float]:
            return vector(query)

        async def _aget_query_embedding(self, query: str) -> list[float]:
            return vector(query)

        def _get_text_embedding(self, text: str) -> list[float]:
            return vector(text)

    store = PGVectorStore.from_params(
        **{name: str(conninfo[theirs]) for name, theirs in _LLAMA.items()},
        table_name="llama",
        embed_dim=DIMENSIONS,
    )
    index = VectorStoreIndex(
        [], storage_context=StorageContext.from_defaults(vector_store=store), embed_model=Instant()
    )

    def add(texts: list[tuple[str, str]]) -> None:
        for start in range(0, len(texts), 100):
            index.insert_nodes(
                [TextNode(text=said, metadata={"user_id": user}) for user, said in texts[start : start + 100]]
            )

    def search(user: str, asked: str) -> Any:
        filters = MetadataFilters(filters=[MetadataFilter(key="user_id", value=user)])
        return index.as_retriever(similarity_top_k=TOP_K, filters=filters).retrieve(asked)

    metadata = "jsonb_set(t.metadata_::jsonb, '{user_id}', to_jsonb(u))::json"
    columns = {"text": "t.text", "metadata_": metadata, "node_id": "gen_random_uuid()", "embedding": "v"}
    return measured(add, search, load, "data_llama", columns)


_LLAMA = {"host": "host", "port": "port", "database": "dbname", "user": "user", "password": "password"}


def _url(scheme: str, conninfo: dict[str, Any]) -> str:
    return "{scheme}://{user}:{password}@{host}:{port}/{dbname}".format(scheme=scheme, **conninfo)


PEERS = {"LangChain PGVectorStore": langchain, "LlamaIndex Postgres": llamaindex, "mem0 (infer=False)": mem0}


def main(*given: str) -> None:
    load = Load(*given)
    if load.seconds:
        print(json.dumps(PEERS[given[4]](load)))
        return
    with psycopg.connect(load.conninfo, autocommit=True) as owner:
        owner.execute("CREATE EXTENSION IF NOT EXISTS vector")
    print(json.dumps({name: peer(load) for name, peer in PEERS.items()}))


if __name__ == "__main__":
    main(*sys.argv[1:])
