"""The version of this program, from the one place that names it: ``pyproject.toml``, as it was installed."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("vector-memory")
except PackageNotFoundError:  # a bundle for Lambda, or a folder that was not installed
    VERSION = "unknown"
