"""Designs: read from text and TOML, named, hashed."""

import pytest

from interfuse.core.design import Design, check_idle, make_design, parse_designs, read_designs
from interfuse.core.errors import ConfigError

BASE = {"dim": 64}


def test_designs_are_read_with_settings_of_the_design_and_of_the_fusion():
    plain, hidden, layered = parse_designs(
        "concat,concat:hidden=512,shared_cross_attention:encoder_layers=1:num_heads=4", BASE
    )
    assert (plain.name, plain.dim, dict(plain.settings)) == ("concat", 64, {})
    assert (hidden.name, dict(hidden.settings)) == ("concat:hidden=512", {"hidden": 512})
    assert (layered.encoder_layers, layered.num_heads, dict(layered.settings)) == (1, 4, {})
    assert layered.name == "shared_cross_attention:encoder_layers=1:num_heads=4"


def test_a_setting_that_equals_the_study_s_own_does_not_enter_the_name():
    (design,) = parse_designs("concat:dim=64", BASE)
    assert design.name == "concat"


def test_the_key_sees_every_setting_and_not_the_name():
    first = make_design("concat", {"hidden": 3}, BASE)
    assert first.key == make_design("concat", {"hidden": 3, "name": "mine"}, BASE).key
    for other in ({"hidden": 4}, {"hidden": 3, "epochs": 11}, {"hidden": 3, "image_encoder": "resnet50"}):
        assert make_design("concat", other, BASE).key != first.key


def test_long_names_that_differ_at_the_end_get_folders_of_their_own():
    names = [f"concat:hidden=512:learning_rate=0.001:{'weight_decay=0.01:' * 3}dropout=0.{n}" for n in (1, 2)]
    slugs = {make_design("concat", {"name": name, "dropout": f"0.{i}"}, BASE).slug for i, name in enumerate(names)}
    assert len(slugs) == 2
    assert all(len(slug) <= 80 for slug in slugs)


def test_a_toml_file_names_designs_by_its_tables(tmp_path):
    path = tmp_path / "designs.toml"
    path.write_text('[early]\nfusion = "concat"\nhidden = 9\n\n[late]\nfusion = "cross_attention"\ngate = "glu"\n')
    early, late = read_designs(path, BASE)
    assert (early.name, early.settings["hidden"], late.name, late.gate) == ("early", 9, "late", "glu")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "No design was given"),
        ("concat:hidden", "Cannot read 'hidden' in design 'concat:hidden'"),
        ("concat,concat", "Two designs are called 'concat'"),
        ("concat:dim=0", "design 'concat': dim must be at least 1, got dim=0"),
        ("concat:dim=0:name=wide", "design 'wide': dim must be at least 1, got dim=0"),
        ("concat:dropout=1", "dropout must be from 0 to below 1, got dropout=1"),
        ("concat:learning_rate=0", "learning_rate must be above 0"),
        (
            "concat:ogm_alpha=0.9",
            r"design 'concat': ogm_alpha=0.9 changes nothing without balance=ogm_ge. Fix: balance=",
        ),
        (
            "concat:balance=ogm_ge,concat:focal_gamma=5:name=own",
            "design 'own': focal_gamma=5.0 changes nothing without",
        ),
        ("concat:gate=maybe", "Unknown value of design 'concat': gate: 'maybe'"),
    ],
)
def test_what_cannot_be_a_design_is_told(text, message):
    with pytest.raises(ConfigError, match=message):
        parse_designs(text, BASE)


def test_a_shared_setting_may_stand_where_one_design_heeds_it():
    shared = {**BASE, "ogm_alpha": 0.9}
    designs = parse_designs("concat,product:balance=ogm_ge", shared)
    check_idle(designs)
    with pytest.raises(ConfigError, match="design 'concat': ogm_alpha=0.9 changes nothing without balance=ogm_ge"):
        check_idle(designs[:1])
    check_idle(parse_designs("concat:ogm_alpha=0.3,product:objective=focal:focal_gamma=5", BASE))


def test_a_table_without_a_fusion_is_refused(tmp_path):
    path = tmp_path / "designs.toml"
    path.write_text("[early]\nhidden = 9\n")
    with pytest.raises(ConfigError, match=r"\[early\] must be a table with fusion"):
        read_designs(path, BASE)


def test_a_design_made_directly_is_named_by_what_differs_from_the_defaults():
    assert Design("concat", epochs=3).name == "concat:epochs=3"
