"""Settings of a deployed stack, for a command that runs outside of it."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pipeline.errors import SettingsError
from pipeline.operations.stack.aws_errors import explained

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

OUTPUTS: Mapping[str, str] = {
    "NoticeQueueUrl": "QUEUE_URL",
    "DeadLetterQueueUrl": "DEAD_LETTER_QUEUE_URL",
    "StreamFailureQueueUrl": "STREAM_FAILURE_QUEUE_URL",
    "MessageKeyArn": "MESSAGE_KEY_SECRET_ARN",
    "LedgerTableName": "LEDGER_TABLE",
    "VectorTableName": "VECTOR_TABLE",
    "CollectionEndpoint": "OPENSEARCH_ENDPOINT",
}
TABLES = ("Sessions", "Memory", "Config")

PARAMETERS: Mapping[str, str] = {
    "Store": "STORE",
    "OpenSearchGeneration": "OPENSEARCH_GENERATION",
    "AttributeNames": "ATTRIBUTE_NAMES",
    "EmbeddingProvider": "EMBEDDING_PROVIDER",
    "EmbeddingModel": "EMBEDDING_MODEL",
    "EmbeddingDimensions": "EMBEDDING_DIMENSIONS",
    "NextEmbeddingProvider": "NEXT_EMBEDDING_PROVIDER",
    "NextEmbeddingModel": "NEXT_EMBEDDING_MODEL",
    "NextEmbeddingDimensions": "NEXT_EMBEDDING_DIMENSIONS",
    "OpenAiSecretArn": "OPENAI_SECRET_ARN",
    "OpenAiBaseUrl": "OPENAI_BASE_URL",
    "MaxChunkTokens": "MAX_CHUNK_TOKENS",
    "ExcludedRoles": "EXCLUDED_ROLES",
    "OnClear": "ON_CLEAR",
    "OnExpiry": "ON_EXPIRY",
}
"""A command must read items and changes as the deployed functions do, or it would forget otherwise than they."""


def environment_of(client: "CloudFormationClient", name: str) -> dict[str, str]:
    """Return the environment variables that the stack's outputs and parameters stand for.

    Raises:
        SettingsError: there is no such stack, it is not one of ours, or it may not be looked at.
        RetryableError: CloudFormation does not answer.
    """
    with explained(f"the stack {name}", "--stack", "cloudformation:DescribeStacks"):
        stack = client.describe_stacks(StackName=name)["Stacks"][0]
    found = environment_from(stack)
    if "QUEUE_URL" not in found:
        raise SettingsError(f"the stack {name} has no output NoticeQueueUrl: is it one of template.yaml?")
    return found


def tables_of(client: "CloudFormationClient", name: str) -> list[str]:
    """Return the names of the chat app's tables that the stack created or listens to."""
    with explained(f"the stack {name}", "--stack", "cloudformation:DescribeStacks"):
        stack = client.describe_stacks(StackName=name)["Stacks"][0]
    outputs = {row["OutputKey"]: row["OutputValue"] for row in stack.get("Outputs", [])}
    parameters = {row["ParameterKey"]: row["ParameterValue"] for row in stack.get("Parameters", [])}
    streams = [parameters.get(f"{table}StreamArn", "") for table in TABLES]
    given = [arn.partition(":table/")[2].partition("/stream/")[0] for arn in streams if arn]
    return given + [outputs[f"{table}TableName"] for table in TABLES if f"{table}TableName" in outputs]


def described(client: "CloudFormationClient", name: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the stack's outputs and parameters."""
    with explained(f"the stack {name}", "--stack", "cloudformation:DescribeStacks"):
        stack = client.describe_stacks(StackName=name)["Stacks"][0]
    outputs = {row["OutputKey"]: row["OutputValue"] for row in stack.get("Outputs", [])}
    return outputs, {row["ParameterKey"]: row["ParameterValue"] for row in stack.get("Parameters", [])}


def environment_from(stack: Mapping[str, Any]) -> dict[str, str]:
    """Return the environment variables that a described stack stands for."""
    outputs = {row["OutputKey"]: row["OutputValue"] for row in stack.get("Outputs", [])}
    parameters = {row["ParameterKey"]: row["ParameterValue"] for row in stack.get("Parameters", [])}
    return {ours: outputs[theirs] for theirs, ours in OUTPUTS.items() if theirs in outputs} | {
        ours: parameters[theirs] for theirs, ours in PARAMETERS.items() if theirs in parameters
    }
