"""SnapStart: imports are made before Lambda takes the snapshot; connections are made after it is restored.

A hook that raises before the snapshot is taken makes Lambda refuse to publish the version, so settings are checked there.
"""

from pipeline import bootstrap


def prepare() -> None:
    """Register them with Lambda's runtime, where it has such hooks; elsewhere do nothing."""
    try:
        from snapshot_restore_py import register_after_restore, register_before_snapshot  # noqa: PLC0415  # the runtime's
    except ImportError:
        return
    register_before_snapshot(bootstrap.warm)
    register_before_snapshot(
        bootstrap.check_deployment
    )  # the last that is registered is the first that is run
    register_after_restore(bootstrap.forget_collaborators)
