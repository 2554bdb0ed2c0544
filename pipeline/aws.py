"""The AWS account that this process works in: clients, credentials, secrets. Whoever calls AWS is handed it."""

from typing import Any

import boto3
from botocore.config import Config

from pipeline.secret_texts import read_secret

AWS_CONFIG = Config(connect_timeout=2, read_timeout=8, retries={"mode": "standard", "max_attempts": 3})
"""No call hangs."""
REGION = "us-east-1"
"""Where neither environment nor profile names one."""


class Account:
    """Makes clients anew each time; who needs one keeps it."""

    def client(self, service: str) -> Any:  # noqa: ANN401  # each service's own
        """Return a client of a service."""
        make: Any = boto3.client
        return make(service, config=AWS_CONFIG)

    def bedrock_client(self, timeout_seconds: float) -> Any:  # noqa: ANN401  # its stubs are not among ours
        """Return a client of Bedrock's runtime; the embedder does the retrying."""
        make: Any = boto3.client
        config = Config(
            connect_timeout=2,
            read_timeout=timeout_seconds,
            retries={"mode": "standard", "total_max_attempts": 1},
        )
        return make("bedrock-runtime", config=config)

    def session(self) -> boto3.Session:
        """Return a session: who this process is, and in which region."""
        return boto3.Session()

    def signer(self) -> tuple[str, Any]:
        """Return region and credentials for requests that are signed here."""
        session = self.session()
        return session.region_name or REGION, session.get_credentials()

    def read_secret(self, arn: str) -> str:
        """Return a secret's text, read anew.

        Raises:
            SecretUnavailableError: Secrets Manager did not give it.
        """
        return read_secret(self.client("secretsmanager"), arn)
