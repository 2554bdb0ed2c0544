"""Where functions and commands get their container: one a process, kept between invocations.

The settings are read from the environment once, when a part is first asked for.
"""

import os
from collections.abc import Mapping

from pipeline.container import Container
from pipeline.settings import Settings


class _Process:
    """What this process keeps."""

    environment: Mapping[str, str] | None = None
    container: Container | None = None


def environment() -> Mapping[str, str]:
    """Return where settings are read: the environment, unless a command was told another one."""
    return os.environ if _Process.environment is None else _Process.environment


def container() -> Container:
    """Return this process's container.

    Raises:
        SettingsError: a variable does not parse.
    """
    if _Process.container is None:
        _Process.container = Container(Settings.from_environment(environment()))
    return _Process.container


def current(max_age_seconds: float | None = None) -> Container:
    """Return this process's container for the active space, see :meth:`pipeline.container.Container.followed`."""
    before = container()
    found = before.followed(max_age_seconds)
    if found is not before:
        _Process.container = found
    return found


def renew() -> None:
    """Make everything anew from the same settings when next used: a snapshot's connections belong to another machine."""
    _Process.container = Container(container().settings)


def read_from(environment: Mapping[str, str] | None) -> None:
    """Begin anew, with the settings of ``environment``; ``None`` is that of the process."""
    _Process.environment, _Process.container = environment, None
