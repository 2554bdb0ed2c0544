"""Deploys template.yaml with the built bundles: what would change is shown first, and done only when asked to."""

import argparse
import hashlib
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import boto3
from botocore.exceptions import BotoCoreError, ClientError, WaiterError

from pipeline.errors import SettingsError, VectorMemoryError
from pipeline.packaging.build import code_prefix
from pipeline.packaging.contents import BUNDLES
from pipeline.packaging.project_files import project_file
from pipeline.packaging.template import broken_rules, environments, spelt_out
from pipeline.readiness import problems, unpriced

TEMPLATE = project_file("template.yaml")
CAPABILITIES = ["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"]
KEPT = frozenset({"AWS::DynamoDB::Table", "AWS::SecretsManager::Secret", "AWS::SQS::Queue"})
"""Types that hold something: one that would be removed or replaced needs --replace."""
_CODE = frozenset({"CodeBucket", "CodePrefix"})
WAIT = {"Delay": 2, "MaxAttempts": 900}

Row = Mapping[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    """Deploy; return the exit status."""
    options = _parser().parse_args(arguments)
    try:
        return deploy(options, boto3.client("cloudformation"), boto3.client("s3"))
    except (BotoCoreError, ClientError, WaiterError, VectorMemoryError) as error:
        print(f"scripts/deploy: {error}", file=sys.stderr)
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="scripts/deploy", description=__doc__)
    parser.add_argument("--stack", required=True, help="its name; made if there is none")
    parser.add_argument(
        "--bucket", required=True, help="an S3 bucket of yours, in the same region, for the bundles"
    )
    parser.add_argument("--bundles", type=Path, default=Path("dist/lambda"), help="what scripts/package made")
    parser.add_argument("--code-prefix", help="bundles that are in the bucket already: to roll back")
    parser.add_argument("--yes", action="store_true", help="do it; else only show what would change")
    parser.add_argument(
        "--replace", action="store_true", help="even where tables, queues or secrets are replaced"
    )
    parser.add_argument(
        "parameters", nargs="*", metavar="NAME=VALUE", help="parameters; others stay as they are"
    )
    return parser


def deploy(options: argparse.Namespace, cloudformation: Any, s3: Any) -> int:
    """Show what would change; with ``yes``, change it."""
    before = described(cloudformation, options.stack)
    chosen = parsed(options.parameters)
    values = {**_values(before), **chosen}
    check_rules(values)
    check_settings(values)
    for note in said_of_settings(values, unpriced):
        print(f"Note: {note}")
    prefix = options.code_prefix or _uploaded(s3, options.bucket, options.bundles, values)
    given = {**chosen, "CodeBucket": options.bucket, "CodePrefix": prefix}
    change_set = _prepared(cloudformation, options.stack, before, given, template_url(s3, options.bucket))
    if change_set is None:
        print("Nothing would change.")
        return 0
    changes = [one["ResourceChange"] for one in change_set["Changes"]]
    _show(changes)
    if problem := refusal(changes, yes=options.yes, replace=options.replace):
        cloudformation.delete_change_set(ChangeSetName=change_set["ChangeSetId"])
        print(problem)
        return 0 if not options.yes else 1
    _execute(cloudformation, change_set, "stack_update_complete" if before else "stack_create_complete")
    _tell(described(cloudformation, options.stack), before, options)
    return 0


def parsed(words: Sequence[str]) -> dict[str, str]:
    """Return NAME=VALUE words as a mapping.

    Raises:
        SettingsError: a word is no such thing.
    """
    if wrong := [word.partition("=")[0] for word in words if "=" not in word]:
        raise SettingsError(f"parameters are written NAME=VALUE; these are not: {', '.join(wrong)}")
    return dict(word.split("=", 1) for word in words)


def parameters(
    given: Mapping[str, str], declared: frozenset[str], before: Row | None
) -> list[dict[str, Any]]:
    """Return CloudFormation's parameters: those given, and the earlier values of the others the template still has.

    Raises:
        SettingsError: one is given that the template does not have.
    """
    if unknown := given.keys() - declared:
        raise SettingsError(f"template.yaml has no parameter {', '.join(sorted(unknown))}")
    earlier = {row["ParameterKey"] for row in (before or {}).get("Parameters", [])}
    kept = [
        {"ParameterKey": name, "UsePreviousValue": True} for name in sorted(earlier & declared - given.keys())
    ]
    return [{"ParameterKey": name, "ParameterValue": value} for name, value in sorted(given.items())] + kept


def check_rules(values: Mapping[str, str]) -> None:
    """Return if these parameters go together, by the template's own rules.

    Raises:
        SettingsError: they do not; the message is what the rules say.
    """
    if broken := broken_rules(spelt_out(TEMPLATE.read_text("utf-8")), values):
        raise SettingsError(f"nothing was deployed, since parameters do not go together: {' '.join(broken)}")


def check_settings(values: Mapping[str, str]) -> None:
    """Return if every function's settings hold with these parameters.

    Raises:
        SettingsError: some do not; the message names them and their functions.
    """
    if found := said_of_settings(values, problems):
        raise SettingsError(f"nothing was deployed, since settings are wrong: {'; '.join(found)}")


def said_of_settings(
    values: Mapping[str, str], look: Callable[[str, Mapping[str, str]], Iterable[str]]
) -> list[str]:
    """Return what ``look`` says of the functions that are deployed with these parameters, each with its functions."""
    deployed = {"digest": values.get("DigestProvider", "off") != "off"}
    found: dict[str, list[str]] = {}
    for function, environment in environments(spelt_out(TEMPLATE.read_text("utf-8")), values):
        for line in look(function, environment) if deployed.get(function, True) else ():
            found.setdefault(line, []).append(function)
    return [f"{line} (of {', '.join(functions)})" for line, functions in found.items()]


def _values(before: Row | None) -> dict[str, str]:
    return {row["ParameterKey"]: row["ParameterValue"] for row in (before or {}).get("Parameters", [])}


def refusal(changes: Sequence[Row], *, yes: bool, replace: bool) -> str | None:
    """Return why nothing is done; ``None`` where it should be."""
    lost = [
        one["LogicalResourceId"]
        for one in changes
        if one["ResourceType"] in KEPT and (one["Action"] == "Remove" or one.get("Replacement") == "True")
    ]
    if lost and not replace:
        return (
            f"Not done: {', '.join(lost)} would be lost with what they hold. --replace does it all the same."
        )
    return None if yes else "Nothing was changed. --yes does it."


def described(cloudformation: Any, stack: str) -> Row | None:
    """Return the stack, or ``None`` if there is none that could be updated."""
    try:
        found: Row = cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
    except ClientError as error:
        if "does not exist" in str(error):
            return None
        raise
    return None if found["StackStatus"] == "REVIEW_IN_PROGRESS" else found


def address(code: str, values: Mapping[str, str]) -> str:
    """Return where bundles go for a deployment with these parameters: elsewhere for any other.

    SAM publishes a new version, which is what callers ask, if the code's address or the template changes; parameters alone
    change neither (aws/serverless-application-model#3820).
    """
    declared = spelt_out(TEMPLATE.read_text("utf-8"))["Parameters"]
    defaults = {name: str(one["Default"]) for name, one in declared.items() if "Default" in one}
    settings = {name: value for name, value in {**defaults, **values}.items() if name not in _CODE}
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()
    return f"{code}-{digest[:8]}"


def _uploaded(s3: Any, bucket: str, folder: Path, values: Mapping[str, str]) -> str:
    paths = {bundle.name: folder / f"{bundle.name}.zip" for bundle in BUNDLES}
    if missing := [str(path) for path in paths.values() if not path.exists()]:
        raise SettingsError(f"{', '.join(missing)} not found: run scripts/package first")
    prefix = address(code_prefix(paths), values)
    for name, path in paths.items():
        s3.upload_file(str(path), bucket, f"{prefix}/{name}.zip")
    return prefix


def template_url(s3: Any, bucket: str, template: str | None = None) -> str:
    """Upload the template, and return where CloudFormation finds it: in a request it may have 51,200 bytes."""
    body = (template or TEMPLATE.read_text("utf-8")).encode()
    key = f"templates/{hashlib.sha256(body).hexdigest()[:32]}.yaml"
    s3.put_object(Bucket=bucket, Key=key, Body=body)
    return f"{s3.meta.endpoint_url}/{bucket}/{key}"


def _prepared(
    cloudformation: Any, stack: str, before: Row | None, given: Mapping[str, str], url: str
) -> Row | None:
    declared = frozenset(
        row["ParameterKey"] for row in cloudformation.validate_template(TemplateURL=url)["Parameters"]
    )
    made = cloudformation.create_change_set(
        StackName=stack,
        ChangeSetName=f"deploy-{int(time.time() * 1000)}",
        ChangeSetType="UPDATE" if before else "CREATE",
        TemplateURL=url,
        Capabilities=CAPABILITIES,
        Parameters=parameters(given, declared, before),
    )
    try:
        cloudformation.get_waiter("change_set_create_complete").wait(
            ChangeSetName=made["Id"], WaiterConfig=WAIT
        )
    except WaiterError:
        found = cloudformation.describe_change_set(ChangeSetName=made["Id"])
        if _is_empty(found):
            cloudformation.delete_change_set(ChangeSetName=made["Id"])
            return None
        raise SettingsError(f"the change set failed: {found.get('StatusReason')}") from None
    found = cloudformation.describe_change_set(ChangeSetName=made["Id"])
    return None if _is_empty(found) else found


def _is_empty(change_set: Row) -> bool:
    reason = change_set.get("StatusReason") or ""
    return "didn't contain changes" in reason or "No updates" in reason or not change_set.get("Changes")


def _show(changes: Sequence[Row]) -> None:
    for one in sorted(changes, key=lambda one: str(one["LogicalResourceId"])):
        replaced = " (replaced)" if one.get("Replacement") == "True" else ""
        print(f"{one['Action']:<8}{one['LogicalResourceId']:<32}{one['ResourceType']}{replaced}")


def _execute(cloudformation: Any, change_set: Row, finished: str) -> None:
    cloudformation.execute_change_set(ChangeSetName=change_set["ChangeSetId"])
    try:
        cloudformation.get_waiter(finished).wait(StackName=change_set["StackId"], WaiterConfig=WAIT)
    except WaiterError:
        events = cloudformation.describe_stack_events(StackName=change_set["StackId"])["StackEvents"]
        reasons = [
            event.get("ResourceStatusReason", "") for event in events if "FAILED" in event["ResourceStatus"]
        ]
        raise SettingsError(
            f"not deployed, and CloudFormation rolled back: {'; '.join(reasons[-3:])}"
        ) from None


def _tell(after: Row | None, before: Row | None, options: argparse.Namespace) -> None:
    for output in (after or {}).get("Outputs", []):
        print(f"{output['OutputKey']}: {output['OutputValue']}")
    earlier = {row["ParameterKey"]: row["ParameterValue"] for row in (before or {}).get("Parameters", [])}
    if "CodePrefix" in earlier:
        words = (
            f"--stack {options.stack} --bucket {options.bucket} --code-prefix {earlier['CodePrefix']} --yes"
        )
        print(f"To roll back: scripts/deploy {words}")


if __name__ == "__main__":
    sys.exit(main())
