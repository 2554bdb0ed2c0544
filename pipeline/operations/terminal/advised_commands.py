"""Commands that messages advise, made to work as they are printed. Pure."""

import re
import shlex

_COMMAND = re.compile(
    r"`(vector-memory (?:status|audit|usage|backfill|forget|search|(?:dlq|reembed) [a-z-]+)(?: [^`]*)?)`"
)


def where_of(stack: str | None, *, demo: bool) -> str:
    """Return the option that names the deployment; nothing where the environment does."""
    if demo:
        return "--demo"
    return f"--stack {shlex.quote(stack)}" if stack else ""


def placed(text: str, where: str) -> str:
    """Return ``text`` with each command in backticks meant for the deployment that ``where`` names; doing it twice is harmless."""

    def named(found: re.Match[str]) -> str:
        return found[0] if not where or found[1].endswith(where) else f"`{found[1]} {where}`"

    return _COMMAND.sub(named, text)
