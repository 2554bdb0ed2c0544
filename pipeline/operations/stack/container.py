"""Lets a command outside of a stack work with that stack's settings."""

from pipeline import bootstrap
from pipeline.aws import Account
from pipeline.container import Container
from pipeline.operations.stack.outputs import environment_of
from pipeline.settings import Settings


def container_of(stack: str | None) -> Container:
    """Return the parts of a deployed stack, whose settings go before the environment's; without a name, this process's.

    Raises:
        SettingsError: there is no such stack, it is not one of ours, or it may not be looked at.
        RetryableError: CloudFormation does not answer.
    """
    if not stack:
        return bootstrap.container()
    account = Account()
    theirs = environment_of(account.client("cloudformation"), stack)
    return Container(Settings.from_environment({**bootstrap.environment(), **theirs}), account)
