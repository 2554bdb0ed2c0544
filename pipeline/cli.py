"""The command line: ``vector-memory <command>``."""

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from pipeline.agent import command as agent_command
from pipeline.errors import VectorMemoryError

if TYPE_CHECKING:
    from typing import TextIO

    from pipeline.operations.outcome import Outcome

    Commands = argparse._SubParsersAction[argparse.ArgumentParser]  # noqa: SLF001  # argparse names it nowhere else


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return int(options.run(options))
    except VectorMemoryError as error:
        _print(f"vector-memory: {error}", sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="vector-memory", description="Semantic memory for chat agents on AWS."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    demo = commands.add_parser("demo", help="run the whole pipeline on this machine and ask it questions")
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
        choices=["pgvector", "dynamodb", "opensearch"],
        default="pgvector",
        help="where memory is kept",
    )
    demo.set_defaults(run=_demo)
    migrate = commands.add_parser("migrate", help="bring the database schema up to date, as its owner")
    migrate.add_argument("--database-url", help="default: the setting DATABASE_URL or DATABASE_SECRET_ARN")
    migrate.add_argument("--dry-run", action="store_true", help="only say what would be applied")
    migrate.add_argument("--hnsw", action="store_true", help="make the graph index for SEARCH_STRATEGY=hnsw")
    migrate.set_defaults(run=_migrate)
    _add_search(commands)
    _add_dlq(commands)
    _add_audit(commands)
    _add_forget(commands)
    _add_export(commands)
    _add_backfill(commands)
    _add_usage(commands)
    _add_status(commands)
    _add_reembed(commands)
    mcp = commands.add_parser(
        "mcp", help="serve one user's memory to an agent: MCP over standard input and output"
    )
    agent_command.add_arguments(mcp)
    return parser


def _add_search(commands: "Commands") -> None:
    search = commands.add_parser("search", help="search one user's memory")
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
    search.add_argument("query")
    search.set_defaults(run=_search)


def _add_dlq(commands: "Commands") -> None:
    dlq = commands.add_parser("dlq", help="what could not become memory: look at it, send it again, drop it")
    dlq.set_defaults(run=_dlq)
    actions = dlq.add_subparsers(required=True, dest="action", metavar="action")
    where, dry, which = (argparse.ArgumentParser(add_help=False) for _ in range(3))
    where.add_argument(
        "--stack", metavar="NAME", help="take queues and settings from this stack (default: the environment)"
    )
    dry.add_argument("--dry-run", action="store_true", help="only say what would be done")
    which.add_argument("--cause", help="only letters of this cause, such as malformed_item or crashed")
    which.add_argument("--tenant", help="only letters of this tenant")
    listing = actions.add_parser("list", parents=[where], help="every dead letter: cause, item, age, error")
    listing.add_argument("--json", action="store_true", help="a JSON array")
    actions.add_parser("redrive", parents=[where, which, dry], help="send notices again")
    drop = actions.add_parser("drop", parents=[where, which, dry], help="delete letters")
    drop.add_argument("--yes", action="store_true", help="really delete")
    actions.add_parser(
        "replay-stream", parents=[where, dry], help="announce changes that the stream function failed at"
    )


def _add_audit(commands: "Commands") -> None:
    audit = commands.add_parser(
        "audit", help="compare the tables with the index, item by item; mend what differs"
    )
    audit.add_argument("--stack", metavar="NAME", help="take tables, queues and settings from this stack")
    audit.add_argument(
        "--table", action="append", default=[], metavar="NAME", help="a table of the chat app's"
    )
    audit.add_argument("--repair", action="store_true", help="send notices that mend what is found")
    audit.add_argument(
        "--settle",
        type=float,
        default=60.0,
        metavar="SECONDS",
        help="how far the streams may lag: what differs is looked at again so long after the queue was empty (60)",
    )
    audit.add_argument(
        "--redact",
        action="store_true",
        help="instead: find secrets in what is stored, and have their items looked at again",
    )
    audit.add_argument("--json", action="store_true", help="one JSON object")
    audit.set_defaults(run=_audit)


def _add_forget(commands: "Commands") -> None:
    forget = commands.add_parser("forget", help="forget a user or a session, for good")
    forget.add_argument("--tenant", required=True)
    forget.add_argument("--user", help="everything of this user up to now; with --session, only that session")
    forget.add_argument("--session", help="everything of the session with this key up to now")
    forget.add_argument("--stack", metavar="NAME", help="take queues and settings from this stack")
    forget.set_defaults(run=_forget)


def _add_export(commands: "Commands") -> None:
    from pipeline.operations import export_options  # noqa: PLC0415  # its options live with it

    export = commands.add_parser("export", help="write down what memory holds of a tenant or a user")
    export_options.add_export(export)
    export.set_defaults(run=_export)
    import_ = commands.add_parser("import", help="bring exported memory into another deployment")
    export_options.add_import(import_)
    import_.set_defaults(run=_import)


def _export(options: argparse.Namespace) -> int:
    from pipeline.operations.export_command import run_export  # noqa: PLC0415  # each command loads only what it needs

    return _say(run_export(options))


def _import(options: argparse.Namespace) -> int:
    from pipeline.operations.export_command import run_import  # noqa: PLC0415  # each command loads only what it needs

    return _say(run_import(options))


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


def _status(options: argparse.Namespace) -> int:
    from pipeline.operations.status_command import run_status  # noqa: PLC0415  # each command loads only what it needs

    return _say(run_status(options))


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


def _reembed(options: argparse.Namespace) -> int:
    from pipeline.operations.reembed_command import run_reembed  # noqa: PLC0415  # each command loads only what it needs

    return _say(run_reembed(options))


def _usage(options: argparse.Namespace) -> int:
    from pipeline.operations.usage_command import run_usage  # noqa: PLC0415  # each command loads only what it needs

    return _say(run_usage(options))


def _backfill(options: argparse.Namespace) -> int:
    from pipeline.operations.backfill_command import run_backfill  # noqa: PLC0415  # each command loads only what it needs

    return _say(run_backfill(options))


def _audit(options: argparse.Namespace) -> int:
    from pipeline.operations.audit_command import run_audit, run_redaction  # noqa: PLC0415  # each command loads only what it needs

    which = (options.stack, options.table)
    if options.redact:
        return _say(run_redaction(*which, as_json=options.json))
    return _say(run_audit(*which, mend=options.repair, settle_seconds=options.settle, as_json=options.json))


def _forget(options: argparse.Namespace) -> int:
    from pipeline import bootstrap  # noqa: PLC0415  # each command loads only what it needs
    from pipeline.operations.forget_command import run_forget  # noqa: PLC0415  # the same
    from pipeline.operations.stack import environment_of  # noqa: PLC0415  # the same

    if options.stack:
        os.environ.update(environment_of(bootstrap.cloudformation_client(), options.stack))
        bootstrap.settings.cache_clear()
    return _say(
        run_forget(bootstrap.forgetter(), bootstrap.inventory, options.tenant, options.user, options.session)
    )


def _demo(options: argparse.Namespace) -> int:
    from pipeline.local import demo  # noqa: PLC0415  # each command loads only what it needs

    return demo.run(check=options.check, path=options.path, store=options.store)


def _migrate(options: argparse.Namespace) -> int:
    from pipeline import bootstrap  # noqa: PLC0415  # each command loads only what it needs
    from pipeline.embedding.vectors import Space  # noqa: PLC0415  # the same
    from pipeline.operations.migrate_command import run_migrate  # noqa: PLC0415  # the same

    chosen = bootstrap.settings().embedding
    conninfo, space = options.database_url or bootstrap.conninfo(), Space(chosen.model, chosen.dimensions)
    return _say(run_migrate(conninfo, space, dry_run=options.dry_run, graph=options.hnsw))


def _search(options: argparse.Namespace) -> int:
    from pipeline.operations.search_command import run_search  # noqa: PLC0415  # each command loads only what it needs

    return _say(
        run_search(
            options.tenant,
            options.user,
            options.query,
            options.top_k,
            explain=options.explain,
            now=options.now,
            min_confidence=options.min_confidence,
        )
    )


def _dlq(options: argparse.Namespace) -> int:
    from pipeline.operations import dead_letter_commands as dlq  # noqa: PLC0415  # each command loads only what it needs

    signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # what was taken out is given back, as on Ctrl-C
    match options.action:
        case "list":
            return _say(dlq.list_letters(options.stack, as_json=options.json))
        case "redrive":
            which = (options.stack, options.cause, options.tenant)
            return _say(dlq.redrive_letters(*which, dry_run=options.dry_run))
        case "drop":
            which = (options.stack, options.cause, options.tenant)
            return _say(dlq.drop_letters(*which, dry_run=options.dry_run or not options.yes))
        case _:
            return _say(dlq.replay_stream(options.stack, dry_run=options.dry_run))


def _say(outcome: "Outcome") -> int:
    """Print the answer, and what else there is to know beside it; return the exit status."""
    if outcome.text:
        _print(outcome.text, sys.stdout)
    for note in outcome.notes:
        _print(f"vector-memory: {note}", sys.stderr)
    return outcome.status


def _print(text: str, stream: "TextIO") -> None:
    """Print; whatever a stored text holds, a terminal gets nothing from it to obey."""
    from pipeline.operations.text import safe_lines  # noqa: PLC0415  # each command loads only what it needs

    print(safe_lines(text), file=stream)


if __name__ == "__main__":
    sys.exit(main())
