"""The list of seeded faults fits the code as it is; `make mutants` hunts them."""

import ast

import pytest

from tests.mutants.faults import SOURCE, read_faults


@pytest.mark.parametrize("fault", read_faults(), ids=lambda fault: f"{fault.file}: {fault.what}")
def test_the_fault_can_be_seeded_and_still_compiles(fault):
    text = (SOURCE / fault.file).read_text(encoding="utf-8")
    mutated = fault.mutated(text)
    assert ast.dump(ast.parse(mutated)) != ast.dump(ast.parse(text))
