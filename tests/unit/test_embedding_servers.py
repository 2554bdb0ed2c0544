"""Every habit of an embedding server, over real HTTP: what becomes of 60 texts, and of one among them that is refused."""

import re
from collections.abc import Iterator, Sequence

import pytest
from support.embedding_api import EmbeddingApi, letters
from support.server_habits import DIMENSIONS, HABITS, Habit, Outcome, good, long_poison

from pipeline.embedding.openai import OpenAIEmbedder
from pipeline.embedding.parts import Refused, embed_each
from pipeline.errors import EmbeddingUnavailableError
from pipeline.settings import EmbeddingSettings

TEXTS = [f"message {number} canary " + chr(97 + number % 26) * (1 + number % 9) for number in range(60)]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture(scope="module")
def table() -> Iterator[list[tuple[str, ...]]]:
    rows: list[tuple[str, ...]] = []
    yield rows
    print(f"\n{'habit':44} {'60 texts':9} {'1 refused':9} {'59 others':9} {'requests':>8} {'then':>5}")
    for name, *cells in rows:
        print(f"{name:44} {cells[0]:9} {cells[1]:9} {cells[2]:9} {cells[3]:>8} {cells[4]:>5}")


def embedder(api: EmbeddingApi) -> OpenAIEmbedder:
    settings = EmbeddingSettings(model="bge-m3", dimensions=DIMENSIONS, base_url=api.base_url)
    return OpenAIEmbedder(settings, "a key", lambda _: None)


def outcomes(made: OpenAIEmbedder, texts: Sequence[str]) -> tuple[list[Outcome], str]:
    """Return what became of each text, with what was said of it; a vector must be that of its own text."""
    try:
        found = embed_each(made, texts)
    except EmbeddingUnavailableError as error:
        return ["retried"] * len(texts), str(error)
    for text, one in zip(texts, found, strict=True):
        assert isinstance(one, Refused) or list(one) == letters(text, DIMENSIONS)
    reasons = [one.reason for one in found if isinstance(one, Refused)]
    return ["dead_lettered" if isinstance(one, Refused) else "indexed" for one in found], " ".join(reasons)


@pytest.mark.parametrize("habit", HABITS, ids=lambda habit: habit.name)
def test_a_servers_habit_costs_nobody_a_message(habit: Habit, table: list[tuple[str, ...]]) -> None:
    poison = long_poison()
    texts = [*TEXTS[:41], poison, *TEXTS[42:]]
    with EmbeddingApi(habit.answer) as api:
        made = embedder(api)
        plain, said = outcomes(made, TEXTS)
        first = len(api.requests)
        outcomes(made, TEXTS)
        second = len(api.requests) - first
        mixed, more = outcomes(made, texts)
        assert made.usage.requests == len(api.requests)
        others = {one for index, one in enumerate(mixed) if index != 41}
        table.append((habit.name, plain[0], mixed[41], *others, str(first), str(second)))
        assert {*plain} == others == {habit.outcome}
        assert mixed[41] == (habit.poisoned or habit.outcome)
        assert re.search(habit.says, said + more)
        assert "canary" not in said + more
        assert not (said + more) or habit.says
        if habit.outcome == "indexed" and habit.learned:
            assert second == habit.learned
        api.always = good
        assert {*outcomes(made, texts)[0]} == {"indexed"}  # nothing that was learned is in the way


def test_a_lesson_from_one_server_does_not_apply_to_another() -> None:
    with EmbeddingApi(HABITS[2].answer) as strict, EmbeddingApi(good) as other:
        embedder(strict).embed(["a"])
        embedder(other).embed(["a"])
        assert "dimensions" in other.requests[0]


def test_a_refused_text_that_names_a_parameter_teaches_nothing() -> None:
    def quoting(body: dict[str, object]) -> object:
        return HABITS[4].answer(body) if "dimensions" in str(body["input"]) else good(body)

    with EmbeddingApi(quoting) as api:  # type: ignore[arg-type]
        made = embedder(api)
        [found] = embed_each(made, ["what dimensions has the room?"])
        assert isinstance(found, Refused)
        assert made.habits.left_out == frozenset()


def test_a_budget_that_is_spent_half_way_dead_letters_nothing() -> None:
    asked: list[int] = []

    def spent(body: dict[str, object]) -> object:
        asked.append(1)
        return HABITS[0].answer(body) if len(asked) < 4 else (400, {}, b"{}")

    with EmbeddingApi(spent) as api:  # type: ignore[arg-type]
        made = embedder(api)
        made.habits.max_inputs = 1
        assert outcomes(made, TEXTS)[0] == ["retried"] * 60
