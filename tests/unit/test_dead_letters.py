import json
import re
import signal
import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from support.wiring import wire

from pipeline import bootstrap, cli
from pipeline.errors import MalformedItemError, SettingsError
from pipeline.ingest.notices import Notice, decode_notice
from pipeline.ingest.queue import NoticeQueue
from pipeline.operations.dlq import run as dead_letter_commands
from pipeline.operations.dlq.dead_letters import dead_letters_of, drop, redrive
from pipeline.operations.queues import queue_drain as box_module
from pipeline.operations.queues.dead_letter_messages import (
    CRASHED,
    Selection,
    as_first_sent,
    read_dead_letter,
    table,
    to_json,
)
from pipeline.operations.queues.queue_drain import QueueDrain, drained
from pipeline.operations.queues.sqs_message import Message
from pipeline.operations.stack.outputs import environment_from
from pipeline.operations.terminal.text import age, aligned, counted, printable, width
from pipeline.source.layouts import Layouts
from pipeline.source.transitions import Transition

Build = Callable[..., Notice]
NOW = 1_790_000_000.0
PATTERN = re.compile(r"\s{2,}")


def message(body: str, seconds_ago: float = 0, **attributes: str) -> Message:
    return Message("id-1", "receipt", body, attributes, NOW - seconds_ago)


# What a dead letter says.


def test_a_dead_lettered_dead_letter_has_its_cause_and_its_sentence(
    layouts: Layouts, notice_of: Build
) -> None:
    dead_letter = read_dead_letter(
        message(notice_of().encode(), cause="malformed_item", error="not valid JSON"), layouts
    )
    assert (dead_letter.cause, dead_letter.error, dead_letter.tenant_id) == (
        "malformed_item",
        "not valid JSON",
        "acme",
    )


def test_a_dead_letter_without_a_cause_was_delivered_too_often(layouts: Layouts, notice_of: Build) -> None:
    dead_letter = read_dead_letter(message(notice_of().encode()), layouts)
    assert dead_letter.cause == CRASHED
    assert "log" in dead_letter.error


@pytest.mark.parametrize("body", ["", "hello", "[]", '{"v": 2}', '{"v": 1}', "[" * 50_000])
def test_a_message_that_is_no_notice_shows_as_one_and_shows_nothing_of_it(
    layouts: Layouts, body: str
) -> None:
    dead_letter = read_dead_letter(message(body, cause="elsewhere", error="secret text"), layouts)
    assert (dead_letter.cause, dead_letter.notice, dead_letter.tenant_id) == ("malformed_notice", None, None)
    shown = table([dead_letter], NOW)
    assert "id-1" in shown
    assert "secret" not in shown
    assert json.loads(to_json([dead_letter], NOW))[0]["key"] is None


@pytest.mark.parametrize(
    ("selection", "taken"),
    [
        (Selection(), True),
        (Selection("crashed"), True),
        (Selection(tenant_id="acme"), True),
        (Selection("crashed", "acme"), True),
        (Selection("malformed_item", "acme"), False),
        (Selection("crashed", "other"), False),
    ],
)
def test_a_selection_takes_what_it_names(
    layouts: Layouts, notice_of: Build, selection: Selection, *, taken: bool
) -> None:
    assert selection.takes(read_dead_letter(message(notice_of().encode()), layouts)) is taken


def test_no_tenant_owns_a_message_that_is_no_notice(layouts: Layouts) -> None:
    dead_letter = read_dead_letter(message("hello"), layouts)
    assert not Selection(tenant_id="acme").takes(dead_letter)
    assert Selection("malformed_notice").takes(dead_letter)


def went(at: str, name: str) -> Transition:
    """An edit that took a text away."""
    return Transition(at, 1.0, "modified", "edited", gone={name: (1, 0)})


def test_a_fresh_notice_keeps_everything_but_its_patience(notice_of: Build) -> None:
    old = notice_of(
        "chat:1",
        "p/7",
        went("p/6", "a"),
        saved_at=1.0,
        redact=True,
        first_sent_at=2.0,
        attempts=9,
    )
    new = as_first_sent(old, NOW)
    assert (new.attempts, new.first_sent_at) == (0, NOW)
    assert (new.address, new.position, new.transitions) == (
        old.address,
        old.position,
        old.transitions,
    )
    assert (new.saved_at, new.redact) == (1.0, True)


def test_the_table_is_aligned_oldest_first_and_obeys_no_escape(layouts: Layouts, notice_of: Build) -> None:
    body = notice_of("\x1b[2J田中\n", tenant_id="山田", attempts=3).encode()
    dead_letters = [
        read_dead_letter(
            message(notice_of("x" * 200).encode(), 30, cause="expired_notice", error="late"), layouts
        ),
        read_dead_letter(message(body, 7200, cause="malformed_item", error="bad\x07"), layouts),
    ]
    lines = table(dead_letters, NOW).splitlines()
    assert PATTERN.split(lines[0]) == ["CAUSE", "TENANT", "TABLE", "KEY", "AGE", "ATTEMPTS", "ERROR"]
    assert PATTERN.split(lines[1]) == [
        "malformed_item",
        "山田",
        "sessions",
        "山田 / \ufffd[2J田中",
        "2 h",
        "3",
        "bad\ufffd",
    ]
    assert "x…" in lines[2]
    assert len({width(line[: line.index("sessions")]) for line in lines[1:]}) == 1


def test_json_names_everything_a_program_may_ask_for(layouts: Layouts, notice_of: Build) -> None:
    body = notice_of("チャット", saved_at=5.0, attempts=2).encode()
    text = to_json(
        [read_dead_letter(message(body, 60, cause="embedding_rejected", error="no"), layouts)], NOW
    )
    assert text.isascii()
    assert json.loads(text) == [
        {
            "message_id": "id-1",
            "cause": "embedding_rejected",
            "error": "no",
            "tenant_id": "acme",
            "table": "sessions",
            "key": {"tenant_id": "acme", "session_key": "チャット"},
            "age_seconds": 60.0,
            "attempts": 2,
            "saved_at": 5.0,
            "forget": None,
        }
    ]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-5, "0 s"), (0.4, "0 s"), (59, "59 s"), (60, "1 min"), (7199, "1 h"), (1e6, "11 d")],
)
def test_ages(seconds: float, shown: str) -> None:
    assert age(seconds) == shown


def test_text_for_a_terminal() -> None:
    assert printable("a\tb\u202ec\ud800") == "a b\ufffdc\ufffd"
    assert aligned(["A", "B"], [["田", "x"], ["yyy", "z"]]).splitlines() == ["A    B", "田   x", "yyy  z"]
    assert [counted(1, "batch"), counted(2, "dead letter"), counted(0, "batch")] == [
        "1 batch",
        "2 dead letters",
        "0 batches",
    ]


# The queue.


class Account:
    """Two queues, dead letters in one of them, and what arrived in the other."""

    def __init__(self, aws: Any, layouts: Layouts) -> None:
        self.sqs, self.layouts = aws.sqs, layouts
        self.dead, self.notices = aws.dead_letter_queue_url, aws.queue_url
        self.queue = NoticeQueue(aws.sqs, aws.queue_url, aws.dead_letter_queue_url)

    def drain(self, client: Any = None, **options: Any) -> QueueDrain:
        names = {"name": "dead-letter queue", "setting": "DEAD_LETTER_QUEUE_URL"}
        return QueueDrain(client or self.sqs, self.dead, **{**names, "wait_seconds": 0, **options})

    def dead_letter(self, *notices: Notice, error: str = "not valid JSON") -> None:
        for notice in notices:
            self.queue.dead_letter(notice.encode(), MalformedItemError(error), notice.address.tenant_id)

    def crash(self, notice: Notice) -> None:
        self.sqs.send_message(QueueUrl=self.dead, MessageBody=notice.encode())

    def dead_letters(self) -> list[Any]:
        with drained(self.drain()) as drain:
            return list(dead_letters_of(drain, self.layouts))

    def redrive(self, selection: Selection | None = None, client: Any = None, **options: Any) -> Any:
        with drained(self.drain(client)) as drain:
            return redrive(
                drain,
                self.layouts,
                selection or Selection(),
                self.queue,
                NOW,
                **{"dry_run": False, **options},
            )

    def sent(self) -> list[Notice]:
        """Take away what is in the notice queue."""
        found: list[Notice] = []
        while True:
            answer = self.sqs.receive_message(QueueUrl=self.notices, MaxNumberOfMessages=10)
            if not answer.get("Messages"):
                return found
            found += [decode_notice(each["Body"], self.layouts) for each in answer["Messages"]]


@pytest.fixture
def account(aws: Any, layouts: Layouts) -> Account:
    return Account(aws, layouts)


class Broken:
    """A client that does as another, until one of its calls is spoilt."""

    def __init__(self, client: Any, method: str, error: BaseException, after: int = 0) -> None:
        self._client, self._method, self._error, self._left = client, method, error, after

    def __getattr__(self, name: str) -> Any:
        if name == self._method:
            if self._left == 0:
                return self._fail
            self._left -= 1
        return getattr(self._client, name)

    def _fail(self, **_: Any) -> Any:
        raise self._error


def refused(code: str, message: str = "no") -> ClientError:
    return ClientError({"Error": {"Code": code, "Message": message}}, "Call")


def test_every_dead_letter_is_listed_and_left_there(account: Account, notice_of: Build) -> None:
    account.dead_letter(*(notice_of(f"chat:{number}") for number in range(37)))
    for _ in range(2):
        assert len(account.dead_letters()) == 37


def test_a_bounded_run_says_that_there_may_be_more(account: Account, notice_of: Build) -> None:
    account.dead_letter(*(notice_of(f"chat:{number}") for number in range(13)))
    with drained(account.drain(limit=12)) as drain:
        assert (len(drain.messages), drain.emptied) == (12, False)
    with drained(account.drain()) as drain:
        assert (len(drain.messages), drain.emptied) == (13, True)


def test_dead_letters_that_come_again_during_the_run_are_counted_once(
    account: Account, notice_of: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(box_module, "HIDDEN_SECONDS", 0)
    account.dead_letter(*(notice_of(f"chat:{number}") for number in range(3)))
    assert len(account.dead_letters()) == 3


@pytest.mark.parametrize("after", [0, 1, 2])
def test_an_interrupted_run_gives_everything_back(account: Account, notice_of: Build, after: int) -> None:
    account.dead_letter(*(notice_of(f"chat:{number}") for number in range(25)))
    client = Broken(account.sqs, "receive_message", KeyboardInterrupt(), after)
    with pytest.raises(KeyboardInterrupt):
        account.redrive(client=client)
    assert account.sent() == []
    assert len(account.dead_letters()) == 25


@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_sqs_answers_loses_none_of_the_answer(
    account: Account, notice_of: Build, sent: signal.Signals
) -> None:
    account.dead_letter(*(notice_of(f"chat:{number}") for number in range(25)))

    def answer(**request: Any) -> Any:
        received = account.sqs.receive_message(**request)
        signal.raise_signal(sent)
        return received

    client = Broken(account.sqs, "receive_message", KeyboardInterrupt(), 1)
    client._fail = answer
    before = signal.signal(
        sent, signal.default_int_handler
    )  # whoever starts a run in the background ignores SIGINT
    try:
        with pytest.raises(KeyboardInterrupt):
            account.redrive(client=client)
    finally:
        signal.signal(sent, before)
    assert len(account.dead_letters()) == 25


def test_a_run_interrupted_between_sending_and_deleting_only_sends_twice(
    account: Account, notice_of: Build
) -> None:
    account.dead_letter(*(notice_of(f"chat:{number}") for number in range(12)))
    with pytest.raises(KeyboardInterrupt):
        account.redrive(client=Broken(account.sqs, "delete_message_batch", KeyboardInterrupt(), 1))
    assert len(account.dead_letters()) == 2
    report = account.redrive()
    assert (len(report.done), report.failed) == (2, False)
    sent = account.sent()
    assert {notice.address.key.range_value for notice in sent} == {f"chat:{number}" for number in range(12)}
    assert len(sent) == 14


def test_dead_letters_held_by_another_run_are_said_to_exist(account: Account, notice_of: Build) -> None:
    account.dead_letter(notice_of())
    with drained(account.drain()), drained(account.drain()) as second:
        assert (second.messages, second.hidden) == ([], 1)
    assert len(account.dead_letters()) == 1


def test_giving_back_never_hides_the_error_that_ended_the_run(account: Account, notice_of: Build) -> None:
    account.dead_letter(notice_of())
    client = Broken(account.sqs, "change_message_visibility_batch", refused("AccessDenied"))
    with pytest.raises(ZeroDivisionError), drained(account.drain(client)):
        raise ZeroDivisionError


def test_redriven_notices_are_fresh_and_keep_their_transitions(account: Account, notice_of: Build) -> None:
    edit = went("p/6", "a" * 32)
    account.dead_letter(notice_of("chat:1", "p/7", edit, attempts=9, first_sent_at=3.0))
    account.crash(notice_of("chat:2", "p/8", went("p/8", "b")))
    report = account.redrive()
    assert (len(report.done), report.failed) == (2, False)
    sent = {notice.address.key.range_value: notice for notice in account.sent()}
    assert sent["chat:1"] == notice_of("chat:1", "p/7", edit, first_sent_at=NOW)
    assert sent["chat:2"] == notice_of("chat:2", "p/8", went("p/8", "b"), first_sent_at=NOW)


def test_a_second_redrive_finds_nothing_to_do(account: Account, notice_of: Build) -> None:
    account.dead_letter(*(notice_of(f"chat:{number}") for number in range(23)))
    assert len(account.redrive().done) == 23
    assert len(account.sent()) == 23
    again = account.redrive()
    assert (again.done, again.others, again.foreign, again.failed) == ([], [], [], False)
    assert account.sent() == []


def test_duplicate_dead_letters_are_all_sent_and_all_gone(account: Account, notice_of: Build) -> None:
    one, other = notice_of("chat:1", "p/1", went("p/1", "b")), notice_of("chat:1", "p/2")
    account.dead_letter(one, one, other)
    assert len(account.redrive().done) == 3
    assert sorted(notice.position for notice in account.sent()) == ["p/1", "p/1", "p/2"]
    assert account.dead_letters() == []


def test_only_the_selected_dead_letters_are_redriven(account: Account, notice_of: Build) -> None:
    account.dead_letter(notice_of("chat:1"), notice_of("chat:2", tenant_id="other"))
    account.crash(notice_of("chat:3"))
    report = account.redrive(Selection("malformed_item", "acme"))
    assert (len(report.done), len(report.others)) == (1, 2)
    assert [notice.address.key.range_value for notice in account.sent()] == ["chat:1"]
    assert {(dead_letter.cause, dead_letter.tenant_id) for dead_letter in account.dead_letters()} == {
        ("malformed_item", "other"),
        ("crashed", "acme"),
    }


def test_a_dead_letter_that_is_no_notice_stays(account: Account, notice_of: Build) -> None:
    account.sqs.send_message(QueueUrl=account.dead, MessageBody="hello")
    account.dead_letter(notice_of())
    report = account.redrive()
    assert (len(report.done), len(report.foreign), report.failed) == (1, 1, False)
    assert [dead_letter.cause for dead_letter in account.dead_letters()] == ["malformed_notice"]


def test_a_dry_run_sends_and_deletes_nothing(account: Account, notice_of: Build) -> None:
    account.dead_letter(notice_of("chat:1"), notice_of("chat:2"))
    assert len(account.redrive(dry_run=True).done) == 2
    with drained(account.drain()) as drain:
        assert len(drop(drain, account.layouts, Selection(), dry_run=True).done) == 2
    assert account.sent() == []
    assert len(account.dead_letters()) == 2


def test_dead_letters_whose_notice_is_not_taken_stay(account: Account, notice_of: Build) -> None:
    account.dead_letter(notice_of("chat:1"), notice_of("chat:2"))
    account.queue = NoticeQueue(account.sqs, f"{account.notices}-gone")
    report = account.redrive()
    assert (len(report.unsent), report.done, report.failed) == (2, [], True)
    assert len(account.dead_letters()) == 2


def test_dead_letters_that_are_not_deleted_are_reported(account: Account, notice_of: Build) -> None:
    account.dead_letter(notice_of())
    report = account.redrive(client=Broken(account.sqs, "delete_message_batch", refused("InternalError")))
    assert (len(report.undeleted), report.done, report.failed) == (1, [], True)
    assert len(account.dead_letters()) == 1


def test_drop_deletes_the_selected_notices_or_not(account: Account, notice_of: Build) -> None:
    account.sqs.send_message(QueueUrl=account.dead, MessageBody="hello")
    account.dead_letter(*(notice_of(f"chat:{number}") for number in range(12)))
    account.crash(notice_of("chat:12"))
    with drained(account.drain()) as drain:
        report = drop(drain, account.layouts, Selection("malformed_item"), dry_run=False)
    assert (len(report.done), len(report.others)) == (12, 2)
    with drained(account.drain()) as drain:
        drop(drain, account.layouts, Selection("malformed_notice"), dry_run=False)
    assert [dead_letter.cause for dead_letter in account.dead_letters()] == ["crashed"]


def test_dead_letters_that_arrive_during_a_redrive_wait_for_the_next(
    account: Account, notice_of: Build
) -> None:
    account.dead_letter(notice_of("chat:1"))
    with drained(account.drain()) as drain:
        account.dead_letter(notice_of("chat:2"))
        redrive(drain, account.layouts, Selection(), account.queue, NOW, dry_run=False)
    assert [dead_letter.notice.address.key.range_value for dead_letter in account.dead_letters()] == [
        "chat:2"
    ]


# The command line.


@pytest.fixture
def run(
    account: Account,  # noqa: ARG001  # the queues it works on
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Iterator[Callable[..., tuple[int, str, str]]]:
    monkeypatch.setattr(dead_letter_commands, "QueueDrain", partial(QueueDrain, wait_seconds=0))

    def command(*arguments: str) -> tuple[int, str, str]:
        bootstrap.read_from(None)
        status = cli.main(["dlq", *arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    before = signal.getsignal(signal.SIGTERM)
    yield command
    signal.signal(signal.SIGTERM, before)


def test_the_commands_tell_their_story(
    account: Account, notice_of: Build, run: Callable[..., tuple[int, str, str]]
) -> None:
    assert run("list") == (0, "no dead letters\n", "")
    assert run("list", "--json") == (0, "[]\n", "")
    account.sqs.send_message(QueueUrl=account.dead, MessageBody="a secret")
    account.dead_letter(notice_of("chat:1"), notice_of("chat:2", tenant_id="other"))
    account.crash(notice_of("chat:3"))
    status, out, err = run("list")
    assert (status, err) == (0, "")
    assert "4 dead letters: crashed 1, malformed_item 2, malformed_notice 1" in out
    assert "other / chat:2" in out
    assert "secret" not in out
    assert len(json.loads(run("list", "--json")[1])) == 4

    status, out, err = run("redrive", "--dry-run")
    assert (status, out) == (
        0,
        "3 dead letters would be sent again (crashed 1, malformed_item 2), 1 left\n",
    )
    assert "no notice" in err
    assert run("redrive", "--tenant", "acme") == (
        0,
        "2 dead letters sent again (crashed 1, malformed_item 1), 2 left\n",
        "",
    )
    assert len(account.sent()) == 2
    assert run("redrive", "--tenant", "acme")[:2] == (0, "0 dead letters sent again, 2 left\n")

    assert (
        run("drop")[1]
        == "2 dead letters would be deleted (--yes does it) (malformed_item 1, malformed_notice 1), 0 left\n"
    )
    assert run("drop", "--yes", "--dry-run")[1].startswith("2 dead letters would be deleted")
    assert run("drop", "--yes", "--cause", "malformed_notice")[1] == (
        "1 dead letter deleted (malformed_notice 1), 1 left\n"
    )
    assert run("drop", "--yes") == (0, "1 dead letter deleted (malformed_item 1), 0 left\n", "")


def test_a_redrive_that_fails_says_so_by_its_status(
    account: Account,
    notice_of: Build,
    run: Callable[..., tuple[int, str, str]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    account.dead_letter(notice_of())
    wire(monkeypatch, notice_queue=NoticeQueue(account.sqs, f"{account.notices}-gone"))
    status, out, err = run("redrive")
    assert (status, out) == (1, "0 dead letters sent again, 1 left\n")
    assert "sqs:SendMessage" in err


@pytest.mark.parametrize("action", ["list", "redrive", "drop", "replay-stream"])
def test_a_missing_setting_is_named(
    run: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch, action: str
) -> None:
    for name in ("DEAD_LETTER_QUEUE_URL", "STREAM_FAILURE_QUEUE_URL"):
        monkeypatch.delenv(name, raising=False)
    status, _, err = run(action)
    assert status == 2
    assert re.search(r"(DEAD_LETTER|STREAM_FAILURE)_QUEUE_URL is not set: .* --stack", err)


def test_a_queue_that_does_not_exist_is_named(
    run: Callable[..., tuple[int, str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DEAD_LETTER_QUEUE_URL", "https://sqs.us-east-1.amazonaws.com/123456789012/gone")
    status, _, err = run("list")
    assert status == 2
    assert "there is no dead-letter queue" in err
    assert "DEAD_LETTER_QUEUE_URL (or --stack)" in err


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        ("AccessDenied", "allow sqs:ReceiveMessage"),
        ("AccessDeniedException", "allow sqs:ReceiveMessage"),
        ("ExpiredToken", "sign in again"),
        ("InternalError", "try again"),
    ],
)
def test_a_refusal_says_what_to_do(account: Account, code: str, advice: str) -> None:
    drain = account.drain(Broken(account.sqs, "receive_message", refused(code, "a secret")))
    with pytest.raises(Exception, match=advice) as caught, drained(drain):
        pass
    assert "a secret" not in str(caught.value)


def test_no_credentials_and_no_region_are_said_so(account: Account) -> None:
    with pytest.MonkeyPatch.context() as bare:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_DEFAULT_REGION"):
            bare.delenv(name, raising=False)
        bare.setenv("AWS_EC2_METADATA_DISABLED", "true")
        bare.setenv("AWS_CONFIG_FILE", "/dev/null")
        bare.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
        unsigned = boto3.Session().client("sqs", "us-east-1")
        with pytest.raises(SettingsError, match="AWS_PROFILE"), drained(account.drain(unsigned)):
            pass
        bare.setattr(boto3, "DEFAULT_SESSION", None)
        bootstrap.read_from(None)
        with pytest.raises(SettingsError, match="AWS_REGION"):
            dead_letter_commands.list_dead_letters(None, as_json=False)


def test_a_stack_stands_for_the_environment_of_its_functions() -> None:
    described = {
        "Outputs": [
            {"OutputKey": "NoticeQueueUrl", "OutputValue": "https://q"},
            {"OutputKey": "MessageKeyArn", "OutputValue": "arn:key"},
            {"OutputKey": "Other", "OutputValue": "x"},
        ],
        "Parameters": [
            {"ParameterKey": "OnClear", "ParameterValue": "forget"},
            {"ParameterKey": "ExcludedRoles", "ParameterValue": ""},
            {"ParameterKey": "Scale", "ParameterValue": "small"},
        ],
    }
    assert environment_from(described) == {
        "QUEUE_URL": "https://q",
        "MESSAGE_KEY_SECRET_ARN": "arn:key",
        "ON_CLEAR": "forget",
        "EXCLUDED_ROLES": "",
    }
    assert environment_from({}) == {}


def test_the_age_is_counted_from_when_sqs_took_the_dead_letter(account: Account, notice_of: Build) -> None:
    account.dead_letter(notice_of())
    [dead_letter] = account.dead_letters()
    assert abs(dead_letter.message.sent_at - time.time()) < 60
