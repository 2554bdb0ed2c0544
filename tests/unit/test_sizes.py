from pathlib import Path

from support.sizes import sizes, told


def test_an_oversized_function_is_named_with_its_size(tmp_path: Path) -> None:
    long = "def long():\n    '''Say.\n\n    More.\n    '''\n" + "    x = 1\n" * 30
    wide = "class A:\n    def wide(self, a, b, c, d, e, f, *, g): ...\n"
    (tmp_path / "small.py").write_text("def small(a): ...\n")
    (tmp_path / "large.py").write_text(long + wide + "x = 1\n" * 300)
    found = sizes(tmp_path)
    assert found == (338, {"large.py": 337}, {"large.py:long": 31}, {"large.py:wide": 7})
    assert "functions of more than 6 parameters: 1\n      7 large.py:wide" in told(found)
