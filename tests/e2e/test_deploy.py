"""scripts/deploy against a local AWS: shown first, done when asked, upgraded, rolled back."""

import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from pipeline.local.stack import Stack
from pipeline.packaging import deploy
from pipeline.packaging.contents import BUNDLES

pytestmark = pytest.mark.e2e
Run = Callable[..., str]


@pytest.fixture
def name(stack: Stack) -> Iterator[str]:
    chosen = f"deploy-{uuid4().hex[:8]}"
    yield chosen
    stack.client("cloudformation").delete_stack(StackName=chosen)


@pytest.fixture
def run(
    stack: Stack,
    name: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> Run:
    template = tmp_path / "template.yaml"
    template.write_text(stack.template())
    monkeypatch.setattr(deploy, "TEMPLATE", template)
    stack.client("s3").create_bucket(Bucket=name)

    def command(*words: str) -> str:
        given = ["--stack", name, "--bucket", name, "--bundles", str(tmp_path), *words]
        options = deploy._parser().parse_args(given)
        assert deploy.deploy(options, stack.client("cloudformation"), stack.client("s3")) == 0
        return capsys.readouterr().out

    return command


def write_bundles(folder: Path, text: str) -> None:
    for bundle in BUNDLES:
        with zipfile.ZipFile(folder / f"{bundle.name}.zip", "w") as archive:
            for handler in bundle.handlers:
                archive.writestr(f"pipeline/handlers/{handler}.py", text)


def value(stack: Stack, name: str, parameter: str) -> str:
    found = deploy.described(stack.client("cloudformation"), name)
    assert found
    return next(row["ParameterValue"] for row in found["Parameters"] if row["ParameterKey"] == parameter)


@pytest.fixture
def first(stack: Stack, name: str, tmp_path: Path) -> list[str]:
    """Give what a first deployment names, and make its bundles."""
    secrets = stack.client("secretsmanager")
    arn = secrets.create_secret(Name=name, SecretString="postgresql://nowhere/db")["ARN"]
    parameters = [f"{one}DatabaseSecretArn={arn}" for one in ("Ingest", "Query")]
    parameters.append(f"OpenAiSecretArn={arn}")
    write_bundles(tmp_path, "1")
    return ["CreateTables=true", "Runtime=python3.11", "IngestConcurrency=2", *parameters]


def test_it_shows_what_it_would_do_and_does_it_when_asked(
    stack: Stack, run: Run, name: str, first: list[str]
) -> None:
    assert "Nothing was changed" in run(*first)
    assert deploy.described(stack.client("cloudformation"), name) is None
    assert "NoticeQueueUrl: http" in run("--yes", *first)
    assert value(stack, name, "IngestConcurrency") == "2"


def test_it_upgrades_and_rolls_back(
    stack: Stack, run: Run, name: str, first: list[str], tmp_path: Path
) -> None:
    run("--yes", *first)
    assert "Nothing would change" in run("--yes")

    before = value(stack, name, "CodePrefix")
    run("--yes", "MinConfidence=0.3")
    assert value(stack, name, "CodePrefix") != before, "callers ask a version; the code's address makes one"

    before = value(stack, name, "CodePrefix")
    write_bundles(tmp_path, "2")
    upgraded = run("--yes")
    assert "IngestFunction" in upgraded
    assert f"--code-prefix {before} --yes" in upgraded
    assert value(stack, name, "CodePrefix") != before
    assert value(stack, name, "IngestConcurrency") == "2"

    run("--code-prefix", before, "--yes")
    assert value(stack, name, "CodePrefix") == before
