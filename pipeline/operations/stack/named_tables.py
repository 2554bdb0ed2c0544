"""Which tables a command is about, and whose parts it works with."""

from collections.abc import Sequence

from pipeline.container import Container
from pipeline.errors import SettingsError
from pipeline.operations.stack.container import container_of
from pipeline.operations.stack.outputs import tables_of


def named_tables(
    stack: str | None, tables: Sequence[str], *, of_stack: bool = True
) -> tuple[Container, list[str]]:
    """Return what the command works with, and the tables' names.

    Args:
        stack: its name; ``None`` leaves the settings as the environment has them.
        of_stack: whether those of the stack are meant where none is named.

    Raises:
        SettingsError: there is no such stack.
    """
    container = container_of(stack)
    if tables or not stack or not of_stack:
        return container, list(tables)
    return container, tables_of(container.account.client("cloudformation"), stack)


def required_tables(stack: str | None, tables: Sequence[str]) -> tuple[Container, list[str]]:
    """Return the same for a command that does nothing without tables.

    Raises:
        SettingsError: there are none, or there is no such stack.
    """
    container, names = named_tables(stack, tables)
    if not names:
        raise SettingsError("say which tables: --table NAME (again for each), or --stack NAME")
    return container, names
