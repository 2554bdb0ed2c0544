"""Files of the project that are no Python: template.yaml, the lock files, the settings of LocalStack."""

from pathlib import Path

_CHECKOUT = Path(__file__).parents[2]
_IN_THE_WHEEL = Path(__file__).parent / "project"


def project_file(name: str) -> Path:
    """Return where a file or folder of the project is: in the wheel of the local stack, else in the checkout."""
    return (_IN_THE_WHEEL if _IN_THE_WHEEL.is_dir() else _CHECKOUT) / name
