"""localstack/compose.yaml is a Compose file, and says what the code counts on.

The schema is the Compose specification's, as the package docker-compose carries it; scripts/setup fetches it.
"""

import copy
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from support.not_run import not_run

from pipeline.local import compose

SCHEMA = Path(sys.prefix) / "compose-schema" / "compose" / "config" / "compose_spec.json"
File = dict[str, Any]


@pytest.fixture
def file() -> File:
    read: File = yaml.safe_load(compose.FILE.read_text())
    return read


@pytest.fixture
def validate() -> Callable[[File], None]:
    if not SCHEMA.exists():
        not_run("scripts/setup fetches the schema")
    schema = jsonschema.Draft7Validator(json.loads(SCHEMA.read_text()))
    return schema.validate


def test_it_is_valid_compose(file: File, validate: Callable[[File], None]) -> None:
    validate(file)


@pytest.mark.parametrize(
    "change",
    [
        lambda file: file.update(service={}),
        lambda file: file["services"]["localstack"].update(port=["127.0.0.1:1:1"]),
        lambda file: file["services"]["postgres"]["healthcheck"].update(retries="often"),
        lambda file: file["services"]["localstack"].update(depends_on={"postgres": {"condition": "healthy"}}),
    ],
)
def test_an_invalid_compose_file_is_found(
    file: File, validate: Callable[[File], None], change: Callable[[File], object]
) -> None:
    change(broken := copy.deepcopy(file))
    with pytest.raises(jsonschema.ValidationError):
        validate(broken)


def test_the_images_are_pinned_and_every_service_is_waited_for(file: File) -> None:
    images = {name: service["image"] for name, service in file["services"].items()}
    assert images["localstack"] == "localstack/localstack:4.14.0"
    assert all(image.rpartition(":")[2] not in {"", "latest", image} for image in images.values())
    assert all("healthcheck" in service for service in file["services"].values())


def test_nothing_is_published_beyond_this_machine(file: File) -> None:
    ports = [port for service in file["services"].values() for port in service["ports"]]
    assert all(port.startswith("127.0.0.1:") for port in ports)


def test_functions_join_the_network_where_postgres_has_a_name(
    file: File, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(compose.PASSWORD, "p")
    monkeypatch.setenv(compose.PORT, "1")
    network = file["services"]["localstack"]["environment"]["LAMBDA_DOCKER_NETWORK"]
    assert network == file["networks"]["memory"]["name"]
    assert all(service["networks"] == ["memory"] for service in file["services"].values())
    seen = compose.ComposePostgres("d").conninfo_of_functions("u", "p")
    assert "host=postgres port=5432 dbname=d" in seen
    assert set(file["services"]) >= {"postgres"}


def test_the_variables_it_takes_are_those_the_code_sets(file: File) -> None:
    text = compose.FILE.read_text()
    assert all(f"${{{name}:-" in text for name in (compose.PORT, compose.PASSWORD, compose.LOCALSTACK_PORT))
    assert text.count("${") == 3
    assert file
