"""What a function finds in its environment: Lambda's documented variables and its own, and nothing of this machine.

https://docs.aws.amazon.com/lambda/latest/dg/configuration-envvars.html: there is no HOME and no TMPDIR.
"""

from collections.abc import Mapping
from pathlib import Path

FIXED = {
    "PATH": "/usr/local/bin:/usr/bin/:/bin:/opt/bin",
    "LANG": "en_US.UTF-8",
    "TZ": ":UTC",
    "LAMBDA_RUNTIME_DIR": "/var/runtime",
    "AWS_XRAY_CONTEXT_MISSING": "LOG_ERROR",
    "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
}
FOR_ITS_SANDBOX = "LOCALSTACK_"
"""How variables begin that LocalStack gives the program which starts functions in its containers."""


def function_environment(given: Mapping[str, object], root: Path, runtime_api: str) -> dict[str, str]:
    """Return the environment of a function.

    Args:
        given: what LocalStack gives it; the function's own variables are among them.
        root: folder of its code.
        runtime_api: host and port.
    """
    told = {
        name: str(value)
        for name, value in given.items()
        if value is not None and not name.startswith(FOR_ITS_SANDBOX)
    }
    of_the_code = {
        "LAMBDA_TASK_ROOT": str(root),
        "LD_LIBRARY_PATH": f"/lib64:/usr/lib64:{root}:{root}/lib:/opt/lib",
        "AWS_LAMBDA_RUNTIME_API": runtime_api,
    }
    return told | FIXED | of_the_code
