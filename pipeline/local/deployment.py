"""What CloudFormation makes of template.yaml on a local AWS."""

import time
from typing import Any

DEPLOY_TIMEOUT_SECONDS = 300
"""On LocalStack, on a machine that has more to do."""


def with_batches(policy: Any) -> Any:
    """Return an IAM policy that allows to send batches wherever it allows to send."""
    for statement in policy["Statement"]:
        actions = [statement["Action"]] if isinstance(statement["Action"], str) else statement["Action"]
        if "sqs:SendMessage" in actions:
            statement["Action"] = [*actions, "sqs:SendMessageBatch"]
    return policy


def finished(cloudformation: Any, name: str) -> dict[str, str]:
    """Wait until the stack ``name`` is there; return its outputs.

    Raises:
        RuntimeError: it was not deployed; with the reasons.
    """
    deadline = time.monotonic() + DEPLOY_TIMEOUT_SECONDS
    while time.monotonic() < deadline:
        stack = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
        if stack["StackStatus"] == "CREATE_COMPLETE":
            return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}
        if "IN_PROGRESS" not in stack["StackStatus"]:
            break
        time.sleep(0.1)
    events = cloudformation.describe_stack_events(StackName=name)["StackEvents"]
    reasons = {event["ResourceStatusReason"] for event in events if "FAILED" in event["ResourceStatus"]}
    raise RuntimeError(
        f"template.yaml was not deployed: {'; '.join(sorted(reasons)) or stack['StackStatus']}"
    )
