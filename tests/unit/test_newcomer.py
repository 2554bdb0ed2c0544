"""The replay of README leaves nothing out: a command that is new there needs a plan, or a reason why it is only listed."""

from pathlib import Path

import pytest
from support.newcomer import ITSELF, PLANS, SNIPPET, FailedError, Plan, Visit, replay, runs, told
from support.pages import Page, page

TEXT = """
Run `scripts/a` or `vector-memory b`, with `--check`, not `--other` nor `other`.

```sh
scripts/a     # again
scripts/c --x  # a comment
```

```python
import os
```

`scripts/a --from ファイル`
"""


def test_every_command_and_snippet_of_the_readme_has_a_plan_and_every_plan_a_command() -> None:
    assert {name for name, _ in told(page("README.md"))} == PLANS.keys()


def test_a_listed_command_says_why_it_is_not_run() -> None:
    reasons = [plan.why for plan in PLANS.values() if plan.action is None]
    assert reasons
    assert all("AWS" in why or "Docker" in why or why == ITSELF for why in reasons)


def test_commands_are_told_in_their_order_each_once() -> None:
    named = told(Page("README.md", TEXT))
    names = ["scripts/a", "vector-memory b", "--check", "scripts/c --x", SNIPPET, "scripts/a --from FILE"]
    assert [name for name, _ in named] == names
    assert dict(named)[SNIPPET] == "import os\n"


@pytest.fixture
def visit(tmp_path: Path) -> Visit:
    (tmp_path / "README.md").write_text("`scripts/a` `scripts/b` `scripts/c` `scripts/d` `scripts/e`\n")
    return Visit(tmp_path, tmp_path)


def test_a_failed_command_is_told_and_the_others_go_on(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    plans = {
        "scripts/a": Plan(runs("echo fine", "fine")),
        "scripts/b": Plan(runs("exit 3")),
        "scripts/c": Plan(runs("echo other", "fine")),
        "scripts/d": Plan(why="needs an AWS account"),
    }
    monkeypatch.setattr("support.newcomer.PLANS", plans)
    done = list(replay(visit, short=False))
    assert [(name, ok) for name, ok, _ in done] == [
        ("scripts/a", True),
        ("scripts/b", False),
        ("scripts/c", False),
        ("scripts/d", None),
        ("scripts/e", False),
    ]
    assert "status 3" in done[1][2]


def test_a_short_replay_says_what_it_left_out(visit: Visit, monkeypatch: pytest.MonkeyPatch) -> None:
    (visit.clone / "README.md").write_text("`scripts/a` `scripts/b`\n")
    plans = {
        "scripts/a": Plan(runs("exit 1"), runs("exit 0")),
        "scripts/b": Plan(runs("exit 1"), slow="takes minutes"),
    }
    monkeypatch.setattr("support.newcomer.PLANS", plans)
    (_, first, note), (_, second, reason) = replay(visit, short=True)
    assert (first, second, reason) == (True, None, "takes minutes")
    assert note.endswith("in a shorter form")


def test_nothing_of_an_account_gets_into_the_newcomers_shell(
    visit: Visit, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "of-somebody")
    assert "of-somebody" not in visit.run("env")
    with pytest.raises(FailedError, match="status 0, 'x' expected"):
        visit.run("true", "x")
