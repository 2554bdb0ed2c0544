"""Replays README as a newcomer: a fresh clone, then every command and snippet in the order in which they stand there."""

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Thread

from support.pages import ROOT, Page

ADDRESS = re.compile(r"Chat, and what memory holds: (http://127\.0\.0\.1:\d+/)")
_PIECE = re.compile(r"^```(\w*)\n(.*?)^```$|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
_COMMAND = re.compile(r"(\.venv/bin/)?(scripts/|vector-memory )|--check\Z")
SNIPPET = "python snippet"
SECONDS = 3_600
TALK = [
    {"role": "user", "content": "Where is the copper kettle?", "timestamp": "2026-10-20T16:30:00Z"},
    {"role": "assistant", "content": "It hangs in the pantry.", "timestamp": "2026-10-20T16:30:05Z"},
]


def told(readme: Page) -> list[tuple[str, str]]:
    """Return README's commands and snippets in their order, each once: what names it, and its text."""
    found: dict[str, str] = {}
    for language, block, inline in _PIECE.findall(readme.text):
        if language == "sh":
            found |= {name: name for name in map(_bare, block.splitlines()) if name}
        elif language == "python":
            found[SNIPPET] = block
        elif not language and _COMMAND.match(inline):
            found.setdefault(_bare(inline), _bare(inline))
    return list(found.items())


def _bare(line: str) -> str:
    """Return a command without its comment; what stands for a file is called alike in both languages."""
    return re.sub(r"\s+#.*", "", line).strip().replace("ファイル", "FILE")


class FailedError(Exception):
    """A command did not do what README says."""


@dataclass
class Visit:
    """A newcomer's machine.

    Args:
        clone: of the project, without an environment.
        home: for files of their own; ``/tmp`` of what is run, too.
    """

    clone: Path
    home: Path
    demo: "subprocess.Popen[str] | None" = None
    lines: list[str] = field(default_factory=list)

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("AWS_", "VECTOR_", "PYTHON"))
        }
        path = f"{self.clone / '.venv' / 'bin'}:{os.environ['PATH']}"
        return {**kept, "PATH": path, "HOME": str(self.home), "TMPDIR": str(self.home)}

    def run(self, command: str, expected: str = "", **more: str) -> str:
        """Run a command in the clone; return its output.

        Raises:
            FailedError: another exit status than 0, or not what was expected in its output.
        """
        done = subprocess.run(
            ["/bin/bash", "-c", command],
            cwd=self.clone,
            env={**self.environment, **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode or not re.search(expected, done.stdout):
            raise FailedError(
                f"{command}: status {done.returncode}, {expected!r} expected\n{done.stdout[-3000:]}"
            )
        return done.stdout

    def start_demo(self) -> None:
        """Start the demo as a terminal would, and leave it running."""
        self.demo = subprocess.Popen(
            ["/bin/bash", "-c", "exec scripts/demo"],
            cwd=self.clone,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        Thread(target=lambda: self.lines.extend(self.demo.stdout or ()), daemon=True).start()  # type: ignore[union-attr]
        deadline = time.monotonic() + SECONDS
        while not any(map(ADDRESS.search, self.lines)):
            if self.demo.poll() is not None or time.monotonic() > deadline:
                raise FailedError("scripts/demo did not come up:\n" + "".join(self.lines[-40:]))
            time.sleep(0.2)

    def end_demo(self) -> None:
        """Press Ctrl-C."""
        if self.demo is None:
            return
        self.demo.send_signal(signal.SIGINT)
        status = self.demo.wait(60)
        if status:
            raise FailedError(f"the demo ended with status {status}")

    def snippet(self, text: str) -> None:
        (self.home / "snippet.py").write_text(text)
        self.run(f'eval "$(vector-memory demo env)" && python {self.home}/snippet.py', "12 December")

    def own_conversations(self, _: str) -> None:
        (self.home / "mine.json").write_text(json.dumps(TALK))
        self.run(f"scripts/demo --check --from {self.home}/mine.json", r'"missing": 0')

    def migrate(self, _: str) -> None:
        """Migrate an empty Postgres, twice."""
        (self.home / "migrate.py").write_text(MIGRATE)
        self.run(f"python {self.home}/migrate.py")


MIGRATE = """
import subprocess
from pipeline.local.postgres import Postgres
from pipeline.local.processes import new_run_folder, remove

folder = new_run_folder()
server = Postgres(folder / "postgres").start()
try:
    for _ in range(2):
        subprocess.run(["vector-memory", "migrate", "--database-url", server.conninfo()], check=True)
finally:
    server.stop()
    remove(folder)
"""

Action = Callable[[Visit, str], object]


@dataclass(frozen=True, slots=True)
class Plan:
    """How a command is replayed.

    Args:
        action: what is done; ``None``: it is only listed.
        short: the same in little time; ``None`` where the action takes little.
        why: why it is only listed, or is another command than the one README prints.
        slow: with ``--short`` it is only listed; why.
    """

    action: Action | None = None
    short: Action | None = None
    why: str = ""
    slow: str = ""


def runs(command: str, expected: str = "") -> Action:
    """Return what runs a command in the clone."""
    return lambda visit, _: visit.run(command, expected)


ITSELF = "this replay"
ON_THE_DEMO = "on the running demo: it needs a stack"
PLANS: Mapping[str, Plan] = {
    "scripts/demo": Plan(lambda visit, _: visit.start_demo()),
    "scripts/test": Plan(
        runs("scripts/test", r"\d+ passed"), runs("scripts/test tests/unit/test_docs.py", r"\d+ passed")
    ),
    ".venv/bin/vector-memory status --demo": Plan(
        runs(".venv/bin/vector-memory status --demo", r"tokens embedded\s+\d")
    ),
    "--check": Plan(runs("scripts/demo --check", r"saved again\s+│ 0"), why="as scripts/demo --check"),
    "scripts/demo --from FILE": Plan(Visit.own_conversations, why="with --check, so that it ends by itself"),
    "vector-memory backfill": Plan(runs("vector-memory backfill --demo"), why=ON_THE_DEMO),
    SNIPPET: Plan(lambda visit, text: visit.snippet(text)),
    "vector-memory audit": Plan(runs("vector-memory audit --demo", "no differences"), why=ON_THE_DEMO),
    "scripts/faults --histories 200": Plan(
        runs("scripts/faults --histories 200"), runs("scripts/faults --histories 5")
    ),
    "vector-memory migrate --database-url 'postgresql://owner@host/db'": Plan(
        Visit.migrate, why="on a Postgres of its own"
    ),
    "scripts/package": Plan(runs("scripts/package")),
    "scripts/deploy --stack memory --bucket my-code SessionsStreamArn=…": Plan(
        why="needs an AWS account: it makes a change set of CloudFormation's"
    ),
    "vector-memory status --stack memory": Plan(
        why="needs a stack on AWS; the same command ran with --demo above"
    ),
    "scripts/check": Plan(runs("scripts/check", "0 broken")),
    "scripts/test --all": Plan(
        runs("scripts/test --all", r"\d+ passed"), slow="every test takes the better part of an hour"
    ),
    "scripts/faults": Plan(runs("scripts/faults --histories 20"), runs("scripts/faults --histories 5")),
    "scripts/eval": Plan(runs("scripts/eval"), slow="all its sets of questions take minutes"),
    "scripts/bench": Plan(runs("scripts/bench"), slow="it measures for long, and fetches its peers, 400 MB"),
    "scripts/costs": Plan(runs("scripts/costs", r"\d")),
    "scripts/screenshots": Plan(
        runs("scripts/screenshots --all $HOME/pictures"), slow="sixty pictures of a demo of its own"
    ),
    "scripts/newcomer": Plan(why=ITSELF),
    "scripts/deploy": Plan(why="needs an AWS account"),
    "scripts/e2e-localstack": Plan(
        why="needs Docker, or LocalStack itself, which it would fetch; it repeats the end-to-end tests there"
    ),
}
"""A command as README prints it → how it is replayed."""


def replay(visit: Visit, *, short: bool) -> Iterator[tuple[str, bool | None, str]]:
    """Replay everything; yield each command, whether it did as README says (``None``: only listed), and a word on it."""
    commands = told(Page("README.md", (visit.clone / "README.md").read_text("utf-8")))
    for name, text in commands:
        plan = PLANS.get(name)
        if plan is None:
            yield name, False, "README has it, and there is no plan for it in tests/support/newcomer.py"
            continue
        action = None if short and plan.slow else (plan.short if short and plan.short else plan.action)
        if action is None:
            yield name, None, plan.why or plan.slow
            continue
        started = time.monotonic()
        try:
            action(visit, text)
        except (FailedError, subprocess.TimeoutExpired) as error:
            yield name, False, str(error)
            continue
        note = "in a shorter form" if short and plan.short else plan.why
        yield name, True, f"{time.monotonic() - started:.0f} s{', ' if note else ''}{note}"


def main(arguments: Sequence[str]) -> int:
    """Replay README on a fresh clone of what is committed; it fetches packages, as a newcomer does."""
    parser = argparse.ArgumentParser(prog="scripts/newcomer", description=main.__doc__)
    parser.add_argument(
        "--short", action="store_true", help="what takes long in a shorter form, or only listed"
    )
    short = parser.parse_args(arguments).short
    outcomes: list[bool | None] = []
    with tempfile.TemporaryDirectory(prefix="newcomer-") as name:
        home = Path(name)
        home.chmod(0o711)  # as root, Postgres runs as another user
        visit = Visit(home / "vector-memory", home)
        subprocess.run(
            ["/usr/bin/env", "git", "clone", "--quiet", "--no-hardlinks", ROOT, visit.clone], check=True
        )
        try:
            for command, ok, word in replay(visit, short=short):
                outcomes.append(ok)
                print(
                    f"{ {True: 'ran', False: 'FAILED', None: 'listed'}[ok]:<7} {command}  ({word})",
                    flush=True,
                )
        finally:
            visit.end_demo()
    ran = [ok for ok in outcomes if ok is not None]
    print(f"{sum(ran)} of {len(ran)} do what README says; {outcomes.count(None)} listed, not run")
    return 0 if ran and all(ran) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
