"""Lets a command outside of a stack work with that stack's settings."""

import os

from pipeline import bootstrap
from pipeline.operations.stack import environment_of


def use_settings_of(stack: str | None) -> None:
    """Use the settings of a deployed stack from here on; without a name, those of the environment stay.

    Raises:
        SettingsError: there is no such stack, it is not one of ours, or it may not be looked at.
        RetryableError: CloudFormation does not answer.
    """
    if stack:
        os.environ.update(environment_of(bootstrap.cloudformation_client(), stack))
        bootstrap.settings.cache_clear()
