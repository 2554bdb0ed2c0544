import re
from pathlib import Path

import pytest
from support.emulators import GAPS, Gap

E2E = Path(__file__).parents[1] / "e2e"


@pytest.mark.parametrize("gap", GAPS, ids=lambda gap: f"{gap.emulator}: {gap.tests}")
def test_a_gap_names_tests_that_are_there(gap: Gap) -> None:
    file, _, test = gap.tests.partition("::")
    assert re.search(rf"^def {test or 'test_'}", (E2E / file).read_text("utf-8"), re.MULTILINE)
