"""The OpenAPI document is made of one description, and is what the function serves."""

import json
from types import SimpleNamespace
from typing import Any

from pipeline.handlers import query
from pipeline.handlers.query_routes import DOCUMENT, ROUTES
from pipeline.packaging.api_description import OPERATIONS, describe_api, text

CONTEXT: Any = SimpleNamespace(function_name="query")


def test_the_stored_document_is_the_generated_one() -> None:
    assert DOCUMENT.read_text("utf-8") == text(), "run python -m pipeline.packaging.api_description"


def test_every_route_is_described_and_nothing_else() -> None:
    assert OPERATIONS.keys() == ROUTES.keys()
    paths = describe_api()["paths"]
    described = {
        (method.upper(), path.replace("{request_id}", "<request_id>"))
        for path, methods in paths.items()
        for method in methods
    }
    assert described == ROUTES.keys()


def test_the_function_serves_it_through_an_entrance_that_is_open() -> None:
    answer = query.handler({"method": "GET", "path": "/api/v1/openapi.json"}, CONTEXT)
    assert json.loads(answer["body"]) == describe_api()
    shut = query.handler(
        {"rawPath": "/api/v1/openapi.json", "requestContext": {"http": {"method": "GET"}}}, CONTEXT
    )
    assert shut["statusCode"] == 403


def test_the_query_path_does_not_import_pydantic() -> None:
    import subprocess  # noqa: PLC0415  # this test alone
    import sys  # noqa: PLC0415  # the same

    program = "import sys; from pipeline.handlers import query; print('pydantic' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
