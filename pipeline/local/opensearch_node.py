"""A real OpenSearch with its k-NN plugin: one node on 127.0.0.1, from files that Maven fetches, without Docker.

Its k-NN engine is Lucene, which is all Java: the plugin's native libraries (faiss, nmslib) are not published there.
"""

import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import urllib3

from pipeline.local import maven
from pipeline.local.dynamodb_local import JAVA_ADVICE
from pipeline.local.opensearch_docker import IMAGE_VARIABLE, OpenSearchContainer
from pipeline.local.postgres import passable
from pipeline.local.processes import free_port, new_run_folder, remove, spawn, stop, wait_until

VERSION = "2.19.1"
LOCK = Path(__file__).with_name("opensearch_jars.lock")
FOLDER = Path(sys.prefix) / "opensearch"
URL_VARIABLE = "OPENSEARCH_URL"
"""Names an OpenSearch of anybody's own, with its k-NN plugin and without its security plugin, that takes our place."""
OLDEST_JAVA, NEWEST_JAVA = 11, 23
"""It installs a security manager, which Java 24 no longer has."""
HEAP_MEGABYTES = 512
READY_SECONDS = 300

_MODULES = {
    "transport-netty4": "org.opensearch.transport.Netty4Plugin",
    "lang-painless": "org.opensearch.painless.PainlessPlugin",
}
"""Published as bare jars: a module's folder also says which class it is, and what that may do."""
_POLICIES = {
    "transport-netty4": """grant {
  permission java.lang.RuntimePermission "accessDeclaredMembers";
  permission java.lang.RuntimePermission "getenv.*";
  permission java.lang.reflect.ReflectPermission "suppressAccessChecks";
  permission java.net.SocketPermission "*", "accept,connect";
  permission java.util.PropertyPermission "*", "read,write";
};
""",
    "lang-painless": """grant {
  permission java.lang.RuntimePermission "accessDeclaredMembers";
  permission java.lang.RuntimePermission "createClassLoader";
  permission java.lang.RuntimePermission "getClassLoader";
};
""",
}
_LOGGING = """status = error
appender.console.type = Console
appender.console.name = console
appender.console.layout.type = PatternLayout
appender.console.layout.pattern = [%d{ISO8601}][%p][%c{1.}] %m%n
rootLogger.level = warn
rootLogger.appenderRef.console.ref = console
"""


def missing() -> list[str]:
    """Return what this machine lacks to run it, each with how to get it."""
    if os.environ.get(URL_VARIABLE):
        return []
    if image := os.environ.get(IMAGE_VARIABLE):
        return [] if shutil.which("docker") else [f"docker, which {IMAGE_VARIABLE}={image} asks for"]
    lacking = [] if fetched() or shutil.which("mvn") else [f"mvn ({maven.ADVICE})"]
    java = _java()
    if java is None:
        lacking.append(f"java ({JAVA_ADVICE})")
    elif not OLDEST_JAVA <= java <= NEWEST_JAVA:
        lacking.append(f"a Java from {OLDEST_JAVA} to {NEWEST_JAVA} instead of {java} ({JAVA_ADVICE})")
    return lacking


def ready() -> bool:
    """Tell whether a real one can run here without fetching anything."""
    elsewhere = os.environ.get(URL_VARIABLE) or os.environ.get(IMAGE_VARIABLE)
    return not missing() and (bool(elsewhere) or fetched())


def fetched() -> bool:
    """Tell whether its files are here, as pinned."""
    try:
        return (FOLDER / ".lock").read_text() == _pinned()
    except OSError:
        return False


def fetch() -> Path:
    """Return the folder with its files, fetched through Maven the first time.

    Raises:
        RuntimeError: Maven failed, or gave another file than a pinned one.
    """
    if fetched():
        return FOLDER
    with tempfile.TemporaryDirectory(dir=FOLDER.parent) as scratch:
        home = Path(scratch) / "home"
        maven.fetch(maven.locked(LOCK), home)
        shutil.rmtree(home / "maven")
        _unpack(home / "modules")
        for name in ("bin", "plugins"):
            (home / name).mkdir()  # it makes them otherwise, and may not
        (home / ".lock").write_text(_pinned())
        home.chmod(0o755)
        shutil.rmtree(FOLDER, ignore_errors=True)
        home.rename(FOLDER)
    return FOLDER


@contextmanager
def running() -> Iterator[str]:
    """Yield the URL of a real OpenSearch: OPENSEARCH_URL's, or one that stops afterwards, of OPENSEARCH_IMAGE's image or a node."""
    named, image = os.environ.get(URL_VARIABLE), os.environ.get(IMAGE_VARIABLE)
    if named:
        yield named.rstrip("/")
        return
    run = new_run_folder()
    folder = run / "opensearch"
    node = OpenSearchContainer(folder, image) if image else OpenSearchNode(folder)
    try:
        yield node.start().url
    finally:
        node.stop()
        remove(run)


class OpenSearchNode:
    """One node on a free port of 127.0.0.1; it ends with whoever started it.

    Args:
        folder: its own, for settings, data and its log.
    """

    def __init__(self, folder: Path, heap_megabytes: int = HEAP_MEGABYTES) -> None:
        self.folder, self._heap = folder, heap_megabytes
        self._log = folder / "opensearch.log"
        self._process: subprocess.Popen[bytes] | None = None
        self._user: dict[str, Any] = {}
        if os.geteuid() == 0:  # OpenSearch refuses to run as root
            self._user = {"user": "nobody", "group": "nogroup", "extra_groups": []}
        self.port = free_port()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def bytes_on_disk(self) -> int:
        """What its data take now."""
        return sum(one.stat().st_size for one in (self.folder / "data").rglob("*") if one.is_file())

    def start(self) -> "OpenSearchNode":
        """Start; returns when it answers."""
        home = self._home(fetch())
        self._settle()
        self._process = spawn(
            ["java", *self._options(home), "-cp", f"{home}/lib/*", "org.opensearch.bootstrap.OpenSearch"],
            log=self._log,
            death_signal=signal.SIGKILL,
            environment={"PATH": os.environ.get("PATH", os.defpath)},
            cwd=self.folder,
            **self._user,
        )
        wait_until(self._answers, self._process, self._log, "OpenSearch", READY_SECONDS)
        return self

    def stop(self) -> None:
        """End it."""
        if self._process:
            stop(self._process, signal.SIGTERM, timeout_seconds=5)
            self._process = None

    def _home(self, fetched_to: Path) -> Path:
        """Return the folder of its files; a copy if the user who runs it cannot reach them."""
        if not self._user or passable(fetched_to):
            return fetched_to
        copied = self.folder.parent / "opensearch-home"
        if not copied.exists():
            shutil.copytree(fetched_to, copied)
            copied.chmod(0o755)
        return copied

    def _settle(self) -> None:
        """Make its folders, and write its settings."""
        self.folder.mkdir(mode=0o711, parents=True, exist_ok=True)
        self.folder.chmod(0o711)
        for name in ("config", "data", "logs", "scratch"):
            own = self.folder / name
            own.mkdir(mode=0o700, exist_ok=True)
            if self._user:
                shutil.chown(own, "nobody", "nogroup")
        (self.folder / "config" / "log4j2.properties").write_text(_LOGGING)
        lines = [f"{name}: {value}\n" for name, value in self._settings().items()]
        (self.folder / "config" / "opensearch.yml").write_text("".join(lines))

    def _settings(self) -> Mapping[str, str | int]:
        return {
            "discovery.type": "single-node",
            "network.host": "127.0.0.1",
            "http.port": self.port,
            "transport.port": 0,  # nobody but itself
            "path.data": f"{self.folder}/data",
            "path.logs": f"{self.folder}/logs",
            "action.auto_create_index": "false",
            "cluster.routing.allocation.disk.threshold_enabled": "false",
        }

    def _options(self, home: Path) -> list[str]:
        return [
            f"-Xms{self._heap}m",
            f"-Xmx{self._heap}m",
            "-XX:+UseSerialGC",
            "-XX:-UsePerfData",
            "-Djava.security.manager=allow",
            f"-Djava.io.tmpdir={self.folder}/scratch",
            "-Djava.locale.providers=SPI,COMPAT",
            "-Dlog4j2.disable.jmx=true",
            "-Dio.netty.noUnsafe=true",
            "-Dio.netty.noKeySetOptimization=true",
            "-Dio.netty.recycler.maxCapacityPerThread=0",
            f"-Dopensearch.path.home={home}",
            f"-Dopensearch.path.conf={self.folder}/config",
            "-Dopensearch.distribution.type=zip",
        ]

    def _answers(self) -> bool:
        try:
            answer = urllib3.request("GET", self.url, timeout=2, retries=False)
        except urllib3.exceptions.HTTPError:
            return False
        return bool(answer.status == 200)  # noqa: PLR2004  # HTTP


def _pinned() -> str:
    return hashlib.sha256(LOCK.read_bytes() + repr((_MODULES, _POLICIES)).encode()).hexdigest()


def _unpack(modules: Path) -> None:
    for archive in modules.glob("*/*.zip"):
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(archive.parent)  # pinned by its hash
        archive.unlink()
    for name, main_class in _MODULES.items():
        (modules / name / "plugin-descriptor.properties").write_text(_descriptor(name, main_class))
        (modules / name / "plugin-security.policy").write_text(_POLICIES[name])


def _descriptor(name: str, main_class: str) -> str:
    said = {
        "name": name,
        "description": name,
        "version": VERSION,
        "opensearch.version": VERSION,
        "java.version": OLDEST_JAVA,
        "classname": main_class,
        "has.native.controller": "false",
    }
    return "".join(f"{key}={value}\n" for key, value in said.items())


def _java() -> int | None:
    """Return which Java is found first, or nothing."""
    if not shutil.which("java"):
        return None
    said = subprocess.run(["java", "-version"], capture_output=True, text=True, check=False).stderr
    found = re.search(r'version "(\d+)', said)
    return int(found[1]) if found else None
