"""Which tables a command is about, and the environment of the stack that it is about."""

from collections.abc import Sequence

import boto3

from pipeline import bootstrap
from pipeline.errors import SettingsError
from pipeline.operations.stack import tables_of
from pipeline.operations.stack_settings import use_settings_of
from pipeline.source.table import SourceTable


def named_tables(stack: str | None, tables: Sequence[str], *, of_stack: bool = True) -> list[str]:
    """Return the tables' names; from then on this process has the settings of the stack.

    Args:
        stack: its name; ``None`` leaves the settings as the environment has them.
        of_stack: whether those of the stack are meant where none is named.

    Raises:
        SettingsError: there is no such stack.
    """
    use_settings_of(stack)
    if tables or not stack or not of_stack:
        return list(tables)
    return tables_of(bootstrap.cloudformation_client(), stack)


def required_tables(stack: str | None, tables: Sequence[str]) -> list[str]:
    """Return the same for a command that does nothing without tables.

    Raises:
        SettingsError: there are none, or there is no such stack.
    """
    names = named_tables(stack, tables)
    if not names:
        raise SettingsError("say which tables: --table NAME (again for each), or --stack NAME")
    return names


def source_table() -> SourceTable:
    """Return what reads the tables."""
    return SourceTable(boto3.client("dynamodb", config=bootstrap.AWS_CONFIG))
