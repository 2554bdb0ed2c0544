"""SnapStart: imports are made before Lambda takes the snapshot; connections are made after it is restored."""

from pipeline import bootstrap


def prepare() -> None:
    """Register both with Lambda's runtime, where it has such hooks; elsewhere do nothing."""
    try:
        from snapshot_restore_py import register_after_restore, register_before_snapshot  # noqa: PLC0415  # the runtime's
    except ImportError:
        return
    register_before_snapshot(bootstrap.warm)
    register_after_restore(bootstrap.forget_collaborators)
