"""The page of mechanisms cannot go stale, and its counts are right."""

from pathlib import Path

from interfuse.fusion.catalogue import mechanism_facts, mechanisms_page

PAGE = Path(__file__).parents[2] / "docs" / "mechanisms.md"


def test_the_page_is_what_the_registry_says():
    assert PAGE.read_text(encoding="utf-8") == mechanisms_page(), "interfuse fusions --out docs/mechanisms.md"


def test_parameters_and_cost_of_a_linear_map_are_counted_exactly():
    facts = mechanism_facts("text_only")
    assert facts.parameters == 768 * 512 + 512
    assert facts.flops == 2 * 768 * 512
    assert [setting.name for setting in facts.settings] == ["image_dim", "text_dim", "fused_dim"]
    assert [setting.default for setting in facts.settings] == ["", "", "512"]
