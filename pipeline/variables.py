"""Environment variables, each read as what it is; an error names the variable and says what is allowed. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

from pipeline.errors import SettingsError

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})


@dataclass(frozen=True, slots=True)
class Variables:
    """Variables by name. Every method raises SettingsError where a value is not allowed."""

    environment: Mapping[str, str]

    def optional(self, name: str) -> str | None:
        """Return what is set and not empty."""
        return self.environment.get(name, "").strip() or None

    def integer(self, name: str, default: int, *, low: int, high: int) -> int:
        """Return a whole number."""
        raw = self.optional(name)
        try:
            value = default if raw is None else int(raw)
        except ValueError:
            value = low - 1
        if not low <= value <= high:
            raise SettingsError(f"{name} must be a whole number from {low} to {high}")
        return value

    def price(self, name: str, listed: float | None) -> float | None:
        """Return dollars."""
        raw = self.optional(name)
        try:
            value = listed if raw is None else float(raw)
        except ValueError:
            value = -1.0
        if value is not None and not 0 <= value <= 1_000:  # noqa: PLR2004  # said in the message
            raise SettingsError(f"{name} must be a number from 0 to 1000")
        return value

    def share(self, name: str, default: float) -> float:
        """Return a number from 0 to 1."""
        raw = self.optional(name)
        try:
            value = default if raw is None else float(raw)
        except ValueError:
            value = -1.0
        if not 0 <= value <= 1:
            raise SettingsError(f"{name} must be a number from 0 to 1")
        return value

    def names(self, name: str, default: tuple[str, ...]) -> frozenset[str]:
        """Return what stands between commas."""
        raw = self.environment.get(name)
        words = default if raw is None else raw.split(",")
        return frozenset(word.strip() for word in words if word.strip())

    def choice(self, name: str, choices: Sequence[str], default: str) -> str:
        """Return one of ``choices``."""
        found = self.optional(name) or default
        if found not in choices:
            raise SettingsError(f"{name} must be {_either(choices)}")
        return found


def _either(choices: Sequence[str]) -> str:
    return " or ".join(choices) if len(choices) <= 2 else f"one of {', '.join(choices)}"  # noqa: PLR2004  # as one speaks


def safe_base_url(url: str, name: str = "OPENAI_BASE_URL") -> str:
    """Return ``url`` if a key may be sent there: https anywhere, http on loopback only.

    Args:
        name: what it is called in the error.

    Raises:
        SettingsError: neither.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    loopback = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
    if not (parts.hostname and (parts.scheme == "https" or loopback)):
        raise SettingsError(f"{name} must start with https:// (http:// is for 127.0.0.1 only)")
    return parts._replace(path=parts.path.rstrip("/"), fragment="").geturl()
