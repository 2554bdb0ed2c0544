"""The command line: ``vector-memory <command>``."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, get_args

from pipeline.errors import SettingsError, VectorMemoryError
from pipeline.operations.advised import placed, where_of
from pipeline.operations.common_options import add_json, add_where
from pipeline.store_settings import StoreName

if TYPE_CHECKING:
    from typing import TextIO

    from pipeline.operations.outcome import Outcome

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  # argparse names it nowhere else

SETTLE_SECONDS = 60.0
"""How far DynamoDB's streams may lag on AWS."""
DEMO_SETTLE_SECONDS = 5.0
"""The same on this machine."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    options = parser().parse_args(arguments)
    where = ""
    try:
        _enter(options)
        where = where_of(getattr(options, "stack", None), demo=getattr(options, "demo", False))
        done = options.run(options)
        return done if isinstance(done, int) else _say(done, where)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read our output has enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    except Exception as error:
        said = _explanation(error)
        if said is None:
            raise
        _print(f"vector-memory: {placed(said, where)}", sys.stderr)
        return 2


def _enter(options: argparse.Namespace) -> None:
    """Work with the demo, if it is meant; else let AWS_REGION count, which boto3 does not read."""
    if getattr(options, "demo", False):
        _enter_demo(options)
    elif os.environ.get("AWS_REGION"):  # boto3 reads AWS_DEFAULT_REGION from the environment itself
        os.environ.setdefault("AWS_DEFAULT_REGION", os.environ["AWS_REGION"])


def _enter_demo(options: argparse.Namespace) -> None:
    from pipeline import bootstrap  # noqa: PLC0415  # each command loads only what it needs
    from pipeline.local import connection  # noqa: PLC0415  # the same

    told = connection.running(os.environ.get(connection.CHOICE))
    connection.sign_in(os.environ, told)  # boto3 reads AWS_* from the environment itself
    bootstrap.read_from({**os.environ, **told})
    options.stack, options.demo_function = told[connection.STACK], told[connection.FUNCTION]


def _explanation(error: Exception) -> str | None:
    """Return what to tell of an error; ``None`` if it is a bug."""
    if isinstance(error, VectorMemoryError):
        return str(error)
    from pipeline.operations.aws_errors import explanation  # noqa: PLC0415  # boto3 takes a while to import

    return explanation(error)


def parser() -> argparse.ArgumentParser:
    """Return what reads a command line."""
    made = argparse.ArgumentParser(
        prog="vector-memory", description="Semantic memory for chat agents on AWS."
    )
    made.add_argument("--version", action=_Version, help="say which version this is")
    commands = made.add_subparsers(required=True, metavar="command")
    _add_demo(commands)
    _add_migrate(commands)
    _add_search(commands)
    _add_dlq(commands)
    _add_audit(commands)
    _add_forget(commands)
    _add_export(commands)
    _add_certificate(commands)
    _add_backfill(commands)
    _add_usage(commands)
    _add_status(commands)
    _add_reembed(commands)
    _add_mcp(commands)
    for name, command in commands.choices.items():
        command.add_argument("--version", action=_Version, help=argparse.SUPPRESS)
        command.set_defaults(command=name)
    return made


def _add_mcp(commands: "Commands") -> None:
    mcp = commands.add_parser(
        "mcp", help="serve one user's memory to an agent: MCP over standard input and output"
    )
    try:
        from vector_memory.mcp_command import add_arguments  # noqa: PLC0415  # an extra
    except ImportError:
        mcp.add_argument("options", nargs=argparse.REMAINDER)
        mcp.set_defaults(run=_without_client)
        return
    way = add_arguments(mcp)
    way.add_argument("--demo", action="store_true", help="the demo that runs on this machine")
    mcp.set_defaults(run=_mcp)


def _mcp(options: argparse.Namespace) -> int:
    from vector_memory import errors, mcp_command  # noqa: PLC0415  # an extra

    if options.demo:
        options.function = options.demo_function
    try:
        return mcp_command.run(options)
    except errors.VectorMemoryError as error:
        raise SettingsError(str(error)) from None


def _without_client(_: argparse.Namespace) -> int:
    raise SettingsError("the client is not installed: pip install 'vector-memory[agent]'")


class _Version(argparse.Action):
    """Says the version of the installed package, which takes a moment to look up."""

    def __init__(self, option_strings: Sequence[str], dest: str, help: str | None = None) -> None:  # noqa: A002  # argparse's
        super().__init__(option_strings, dest, nargs=0, help=help)

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from importlib.metadata import version  # noqa: PLC0415  # see above

        _print(f"vector-memory {version('vector-memory')}", sys.stdout)
        parser.exit()


def _add_demo(commands: "Commands") -> None:
    demo = commands.add_parser("demo", help="run the whole pipeline on this machine and ask it questions")
    demo.add_argument(
        "action", nargs="?", choices=["env"], help="env: print how to reach the demo that is running"
    )
    demo.add_argument("--check", action="store_true", help="unattended; exit non-zero if anything is missing")
    demo.add_argument(
        "--from",
        dest="path",
        type=Path,
        metavar="FILE",
        help="your conversations: a scan's output, an export to S3, ChatGPT's or Claude's export, JSON, JSON lines, CSV",
    )
    demo.add_argument(
        "--store",
        choices=get_args(StoreName),
        default="pgvector",
        help="where memory is kept",
    )
    add_json(demo, "of env: one JSON object; --check says one anyway")
    demo.set_defaults(run=_demo)


def _add_migrate(commands: "Commands") -> None:
    migrate = commands.add_parser("migrate", help="bring the database schema up to date, as its owner")
    migrate.add_argument("--database-url", help="default: the setting DATABASE_URL or DATABASE_SECRET_ARN")
    migrate.add_argument("--dry-run", action="store_true", help="only say what would be applied")
    migrate.add_argument("--hnsw", action="store_true", help="make the graph index for SEARCH_STRATEGY=hnsw")
    add_json(migrate)
    migrate.set_defaults(run=_migrate)


def _add_search(commands: "Commands") -> None:
    search = commands.add_parser("search", help="search one user's memory")
    add_where(search)
    search.add_argument("--tenant", required=True)
    search.add_argument("--user", help="default: the tenant itself")
    search.add_argument("--top-k", type=int, default=5, metavar="N")
    search.add_argument("--explain", action="store_true", help="say how it was searched, and why")
    search.add_argument(
        "--now",
        metavar="TIME",
        help='what "yesterday" is counted from, such as 2026-11-22T10:00:00+09:00; the now of an explanation gives it again',
    )
    search.add_argument(
        "--min-confidence", type=float, metavar="LEVEL", help="0 leaves out nothing; default: as it is set"
    )
    add_json(search)
    search.add_argument("query")
    search.set_defaults(run=_search)


def _add_dlq(commands: "Commands") -> None:
    dlq = commands.add_parser("dlq", help="what could not become memory: look at it, send it again, drop it")
    dlq.set_defaults(run=_dlq)
    actions = dlq.add_subparsers(required=True, dest="action", metavar="action")
    where, dry, which = (argparse.ArgumentParser(add_help=False) for _ in range(3))
    add_where(where)
    add_json(where, "JSON: of list an array, else an object")
    dry.add_argument("--dry-run", action="store_true", help="only say what would be done")
    which.add_argument("--cause", help="only dead letters of this cause, such as malformed_item or crashed")
    which.add_argument("--tenant", help="only dead letters of this tenant")
    actions.add_parser("list", parents=[where], help="every dead letter: cause, item, age, error")
    actions.add_parser("redrive", parents=[where, which, dry], help="send notices again")
    drop = actions.add_parser("drop", parents=[where, which, dry], help="delete dead letters")
    drop.add_argument("--yes", action="store_true", help="really delete")
    actions.add_parser(
        "replay-stream", parents=[where, dry], help="announce changes that the stream function failed at"
    )


def _add_audit(commands: "Commands") -> None:
    audit = commands.add_parser(
        "audit", help="compare the tables with the index, item by item; mend what differs"
    )
    add_where(audit)
    audit.add_argument(
        "--table", action="append", default=[], metavar="NAME", help="a table of the chat app's"
    )
    audit.add_argument("--repair", action="store_true", help="send notices that mend what is found")
    audit.add_argument(
        "--settle",
        type=float,
        metavar="SECONDS",
        help="how far the streams may lag: what differs is looked at again so long after the queue was empty "
        f"(default: {SETTLE_SECONDS:g}; of the demo {DEMO_SETTLE_SECONDS:g})",
    )
    audit.add_argument(
        "--redact",
        action="store_true",
        help="instead: find secrets in what is stored, and have their items looked at again",
    )
    add_json(audit)
    audit.set_defaults(run=_audit)


def _add_forget(commands: "Commands") -> None:
    forget = commands.add_parser("forget", help="forget a user or a session, for good")
    forget.add_argument("--tenant", required=True)
    forget.add_argument("--user", help="everything of this user up to now; with --session, only that session")
    forget.add_argument("--session", help="everything of the session with this key up to now")
    add_where(forget)
    add_json(forget)
    forget.set_defaults(run=_forget)


def _add_export(commands: "Commands") -> None:
    from pipeline.operations import export_options  # noqa: PLC0415  # its options live with it

    export = commands.add_parser("export", help="write down what memory holds of a tenant or a user")
    export_options.add_export(export)
    export.set_defaults(run=_export)
    import_ = commands.add_parser("import", help="bring exported memory into another deployment")
    export_options.add_import(import_)
    import_.set_defaults(run=_import)


def _add_certificate(commands: "Commands") -> None:
    from pipeline.operations.certificate_options import add_arguments  # noqa: PLC0415  # its options live with it

    certificate = commands.add_parser(
        "certificate", help="a signed statement that what was forgotten is gone"
    )
    add_arguments(certificate)
    certificate.set_defaults(run=_certificate)


def _certificate(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations import certificate_command  # noqa: PLC0415  # each command loads only what it needs

    actions = {
        "key": certificate_command.make_key,
        "issue": certificate_command.issue,
        "verify": certificate_command.verify,
    }
    return actions[options.action](options)


def _export(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.export_command import run_export  # noqa: PLC0415  # each command loads only what it needs

    return run_export(options)


def _import(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.export_command import run_import  # noqa: PLC0415  # each command loads only what it needs

    return run_import(options)


def _add_backfill(commands: "Commands") -> None:
    from pipeline.operations.backfill_options import add_arguments  # noqa: PLC0415  # its options live with it

    backfill = commands.add_parser("backfill", help="make memory of what was saved before")
    add_arguments(backfill)
    backfill.set_defaults(run=_backfill)


def _add_status(commands: "Commands") -> None:
    from pipeline.operations.status_options import add_arguments  # noqa: PLC0415  # its options live with it

    status = commands.add_parser("status", help="how it goes, and what to do next")
    add_arguments(status)
    status.set_defaults(run=_status)


def _status(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.status_command import run_status  # noqa: PLC0415  # each command loads only what it needs

    return run_status(options)


def _add_usage(commands: "Commands") -> None:
    from pipeline.operations.usage_options import add_arguments  # noqa: PLC0415  # its options live with it

    usage = commands.add_parser("usage", help="tokens and dollars, a tenant and day; caps")
    add_arguments(usage)
    usage.set_defaults(run=_usage)


def _add_reembed(commands: "Commands") -> None:
    from pipeline.operations.reembed_options import add_arguments  # noqa: PLC0415  # its options live with it

    reembed = commands.add_parser("reembed", help="go over to another model or dimension, and back")
    add_arguments(reembed)
    reembed.set_defaults(run=_reembed)


def _reembed(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.reembed_command import run_reembed  # noqa: PLC0415  # each command loads only what it needs

    return run_reembed(options)


def _usage(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.usage_command import run_usage  # noqa: PLC0415  # each command loads only what it needs

    return run_usage(options)


def _backfill(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.backfill_command import run_backfill  # noqa: PLC0415  # each command loads only what it needs

    return run_backfill(options)


def _audit(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.audit_command import run_audit, run_redaction  # noqa: PLC0415  # each command loads only what it needs

    which = (options.stack, options.table)
    if options.redact:
        return run_redaction(*which, as_json=options.json)
    usual = DEMO_SETTLE_SECONDS if options.demo else SETTLE_SECONDS
    settle = usual if options.settle is None else options.settle
    return run_audit(*which, mend=options.repair, settle_seconds=settle, as_json=options.json)


def _forget(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.forget_command import run_forget  # noqa: PLC0415  # each command loads only what it needs
    from pipeline.operations.stack_settings import container_of  # noqa: PLC0415  # the same

    container = container_of(options.stack)
    who = (options.tenant, options.user, options.session)
    return run_forget(container.forget_executor, container.backend.inventory, *who, as_json=options.json)


def _demo(options: argparse.Namespace) -> "int | Outcome":
    if options.action == "env":
        from pipeline.local.connection import run_env  # noqa: PLC0415  # each command loads only what it needs
        from pipeline.operations.outcome import Outcome  # noqa: PLC0415  # the same

        return Outcome(run_env(as_json=options.json))
    from pipeline.local import demo  # noqa: PLC0415  # each command loads only what it needs

    return demo.run(check=options.check, path=options.path, store=options.store)


def _migrate(options: argparse.Namespace) -> "Outcome":
    from pipeline import bootstrap  # noqa: PLC0415  # each command loads only what it needs
    from pipeline.embedding.providers import space_of  # noqa: PLC0415  # the same
    from pipeline.operations.migrate_command import run_migrate  # noqa: PLC0415  # the same
    from pipeline.stores.pgvector.login import Login  # noqa: PLC0415  # the same

    container = bootstrap.container()
    settings = container.settings
    conninfo = options.database_url or Login(settings, container.account).conninfo()
    space = space_of(settings.embedding)
    how = {"dry_run": options.dry_run, "graph": options.hnsw, "as_json": options.json}
    return run_migrate(conninfo, space, **how)


def _search(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations.search_command import run_search  # noqa: PLC0415  # each command loads only what it needs

    return run_search(options)


def _dlq(options: argparse.Namespace) -> "Outcome":
    from pipeline.operations import dead_letter_commands as dlq  # noqa: PLC0415  # each command loads only what it needs

    signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # what was taken out is given back, as on Ctrl-C
    how = {"as_json": options.json}
    match options.action:
        case "list":
            return dlq.list_dead_letters(options.stack, **how)
        case "redrive":
            which = (options.stack, options.cause, options.tenant)
            return dlq.redrive_dead_letters(*which, dry_run=options.dry_run, **how)
        case "drop":
            which = (options.stack, options.cause, options.tenant)
            return dlq.drop_dead_letters(*which, dry_run=options.dry_run or not options.yes, **how)
        case _:
            return dlq.replay_stream(options.stack, dry_run=options.dry_run, **how)


def _say(outcome: "Outcome", where: str = "") -> int:
    """Print the answer, and what else there is to know beside it; return the exit status.

    Args:
        where: the option that commands take which the answer advises.
    """
    if outcome.text:
        _print(placed(outcome.text, where), sys.stdout)
    for note in outcome.notes:
        _print(f"vector-memory: {placed(note, where)}", sys.stderr)
    return outcome.status


def _print(text: str, stream: "TextIO") -> None:
    """Print; whatever a stored text holds, a terminal gets nothing from it to obey."""
    from pipeline.operations.text import safe_lines  # noqa: PLC0415  # each command loads only what it needs

    print(safe_lines(text), file=stream)


if __name__ == "__main__":
    sys.exit(main())
