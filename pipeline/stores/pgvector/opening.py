"""What opens Postgres, in one place, so that a function without its driver does not import it."""

from pipeline.stores.pgvector.address import conninfo_of
from pipeline.stores.pgvector.connection import Connector, Limits
from pipeline.stores.pgvector.iam import IamLogin
from pipeline.stores.pgvector.inventory import Inventory as PgInventory
from pipeline.stores.pgvector.sight import check_sight
from pipeline.stores.pgvector.space_copy import SpaceCopy
from pipeline.stores.pgvector.spaces import NOTICE_SECONDS, Register, RegisteredSpace, SpaceWatch
from pipeline.stores.pgvector.store import PgVectorStore
from pipeline.stores.pgvector.usage import PgUsageBook, PgUsageLedger, UseAlong

__all__ = [
    "NOTICE_SECONDS",
    "Connector",
    "IamLogin",
    "Limits",
    "PgInventory",
    "PgUsageBook",
    "PgUsageLedger",
    "PgVectorStore",
    "Register",
    "RegisteredSpace",
    "SpaceCopy",
    "SpaceWatch",
    "UseAlong",
    "check_sight",
    "conninfo_of",
]
