import pytest

from pipeline.errors import SettingsError
from pipeline.settings import DEFAULT_ATTRIBUTE_NAMES, Settings
from pipeline.variables import safe_base_url


def test_without_a_word_the_defaults_hold() -> None:
    settings = Settings.from_environment({})
    assert settings == Settings()
    assert (settings.on_clear, settings.on_expiry) == ("keep", "keep")
    assert settings.excluded_roles == {"system", "tool"}
    assert (settings.embedding.model, settings.embedding.dimensions) == ("text-embedding-3-small", 1536)


def test_every_variable_is_read() -> None:
    settings = Settings.from_environment(
        {
            "QUEUE_URL": "q",
            "DEAD_LETTER_QUEUE_URL": "d",
            "DATABASE_SECRET_ARN": "s",
            "DATABASE_URL": "u",
            "MESSAGE_KEY_SECRET_ARN": "m",
            "OPENAI_SECRET_ARN": "o",
            "EMBEDDING_MODEL": "text-embedding-3-large",
            "EMBEDDING_DIMENSIONS": "1024",
            "EMBEDDING_TIMEOUT_SECONDS": "5",
            "EMBEDDING_MAX_ATTEMPTS": "2",
            "OPENAI_BASE_URL": "https://eu.api.openai.com/v1/",
            "ATTRIBUTE_NAMES": '{"tenant_id": "org"}',
            "EXCLUDED_ROLES": "system, debug,",
            "ON_CLEAR": "forget",
            "ON_EXPIRY": "forget",
            "MAX_CHUNK_TOKENS": "512",
            "MAX_RETRY_DELAY_SECONDS": "900",
            "MAX_NOTICE_AGE_SECONDS": "3600",
        }
    )
    assert (settings.queue_url, settings.dead_letter_queue_url) == ("q", "d")
    assert (settings.database_secret_arn, settings.database_url) == ("s", "u")
    assert (settings.message_key_secret_arn, settings.openai_secret_arn) == ("m", "o")
    embedding = settings.embedding
    assert (embedding.provider, embedding.model, embedding.dimensions) == (
        "openai",
        "text-embedding-3-large",
        1024,
    )
    assert (embedding.timeout_seconds, embedding.max_attempts) == (5, 2)
    assert embedding.base_url == "https://eu.api.openai.com/v1"
    assert settings.attribute_names == {**DEFAULT_ATTRIBUTE_NAMES, "tenant_id": "org"}
    assert settings.excluded_roles == {"system", "debug"}
    assert (settings.on_clear, settings.on_expiry) == ("forget", "forget")
    assert (settings.max_chunk_tokens, settings.max_retry_delay_seconds) == (512, 900)
    assert settings.max_notice_age_seconds == 3600


def test_a_blank_variable_is_none() -> None:
    settings = Settings.from_environment({"QUEUE_URL": " ", "ON_CLEAR": "", "MAX_CHUNK_TOKENS": ""})
    assert (settings.queue_url, settings.on_clear, settings.max_chunk_tokens) == (None, "keep", 256)


def test_no_role_at_all_may_be_excluded() -> None:
    assert Settings.from_environment({"EXCLUDED_ROLES": ""}).excluded_roles == frozenset()


def test_the_offline_provider_brings_its_own_space() -> None:
    embedding = Settings.from_environment({"EMBEDDING_PROVIDER": "offline"}).embedding
    assert (embedding.provider, embedding.model, embedding.dimensions) == (
        "offline",
        "universal-sentence-encoder-multilingual-3",
        512,
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("EMBEDDING_PROVIDER", "canary"),
        ("EMBEDDING_DIMENSIONS", "7"),
        ("EMBEDDING_DIMENSIONS", "2001"),
        ("EMBEDDING_DIMENSIONS", "canary"),
        ("EMBEDDING_TIMEOUT_SECONDS", "0"),
        ("EMBEDDING_MAX_ATTEMPTS", "7"),
        ("OPENAI_BASE_URL", "http://canary.example"),
        ("OPENAI_BASE_URL", "https://[canary"),
        ("OPENAI_BASE_URL", "canary"),
        ("ATTRIBUTE_NAMES", "canary"),
        ("ATTRIBUTE_NAMES", '["canary"]'),
        ("ATTRIBUTE_NAMES", '{"canary": "x"}'),
        ("ATTRIBUTE_NAMES", '{"pk": 7}'),
        ("ATTRIBUTE_NAMES", '{"pk": ""}'),
        ("ON_CLEAR", "canary"),
        ("ON_EXPIRY", "Keep"),
        ("MAX_CHUNK_TOKENS", "63"),
        ("MAX_CHUNK_TOKENS", "2.5"),
        ("MAX_RETRY_DELAY_SECONDS", "901"),
        ("MAX_RETRY_DELAY_SECONDS", "0"),
        ("MAX_NOTICE_AGE_SECONDS", "59"),
        ("MAX_NOTICE_AGE_SECONDS", str(14 * 86_400)),
    ],
)
def test_a_wrong_variable_is_named_and_its_value_is_not_quoted(name: str, value: str) -> None:
    with pytest.raises(SettingsError, match=name) as caught:
        Settings.from_environment({name: value})
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    "name", ["queue_url", "database_secret_arn", "message_key_secret_arn", "openai_secret_arn"]
)
def test_a_setting_that_is_needed_and_missing_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=name.upper()):
        Settings().require(name)


def test_a_setting_that_is_there_is_given() -> None:
    assert Settings(queue_url="q").require("queue_url") == "q"


@pytest.mark.parametrize(
    "url",
    ["https://api.openai.com/v1", "http://127.0.0.1:8080/v1", "http://localhost/v1", "http://[::1]:8080/v1"],
)
def test_a_key_may_go_over_tls_or_stay_on_this_machine(url: str) -> None:
    assert safe_base_url(url) == url


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1.example.com/v1",
        "http://localhost@example.com/v1",
        "http://example.com#127.0.0.1",
        "http://10.0.0.1/v1",
        "ftp://127.0.0.1/v1",
        "https://",
        "//api.openai.com",
        "",
    ],
)
def test_a_key_goes_nowhere_else(url: str) -> None:
    with pytest.raises(SettingsError):
        safe_base_url(url)
