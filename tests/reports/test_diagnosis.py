import json

import numpy as np
from PIL import Image

from interfuse.core.diagnosis import Diagnosis, Example, Measure, Value
from interfuse.reports import (
    Illustration,
    diagnosis_to_html,
    diagnosis_to_json,
    diagnosis_to_markdown,
    diagnosis_to_text,
    draw_heat,
    picture_uri,
)
from interfuse.reports.diagnosis import spell_value

NASTY = "<script>alert('x')</script>|*b*"


def made() -> Diagnosis:
    emap = Measure(
        "emap", "Needed?", "Not needed.", "Never 'not used'.", (Value("Δ", 0.031, "points", -0.01, 0.07),), 300
    )
    lines = {"image absent": [(0.0, 0.9), (1.0, 0.5)], "text absent": [(0.0, 0.9), (1.0, 0.25)]}
    missing = Measure("missing", "Missing?", "Falls.", "Absent.", (), 40, ("A doubt.",), lines)
    trust = Measure("calibration", "Trusted?", "Yes.", "ECE.", (Value("ECE", 0.0),), 40, (), {"right": [(0.8, 0.7)]})
    example = Example(3, "row-3", f"a {NASTY}", "yes", "no", "no", "3.png")
    return Diagnosis(
        *("run", f"concat{NASTY}", "concat", 0, "shop.csv", "test", "accuracy", "Multimodal: it needs both."),
        *((emap, missing, trust), (example,), ("A note.",), 1.25, "0.1.0"),
    )


def test_a_value_is_spelled_in_its_unit_with_its_interval():
    assert spell_value(Value("Δ", 0.031, "points", -0.01, 0.07)) == "3.1 [−1.0, 7.0] points"
    assert spell_value(Value("share", 0.5, "share")) == "50.0 %"
    assert spell_value(Value("S", 0.25, "bits")) == "0.250 bits"
    assert spell_value(Value("ECE", -0.0)) == "0.0 points"
    assert spell_value(Value("cells a modality", 4.0, "")) == "4"


def test_the_page_needs_nothing_from_outside_and_runs_nothing():
    picture = picture_uri(Image.new("RGB", (10, 8)))
    html = diagnosis_to_html(
        made(), {3: Illustration({"occlusion": picture}, {"occlusion": [("a", 0.5), (NASTY, 1.0)]})}
    )
    assert "<script" not in html
    assert "default-src 'none'" in html
    assert html.count(picture) == 1
    assert "#ff6a00 36%" in html
    assert "3.1 [−1.0, 7.0] points" in html
    assert "A doubt." in html
    assert "prefers-color-scheme: dark" in html


def test_curves_run_from_the_lower_left_of_their_frame():
    html = diagnosis_to_html(made())
    assert 'd="M40.0 23.6 L346.0 86.0"' in html  # (0, 90 %) and (1, 50 %) in a frame of 306 × 156 pixels


def test_text_markdown_and_json_say_the_same():
    diagnosis = made()
    for text in (diagnosis_to_text(diagnosis), diagnosis_to_markdown(diagnosis)):
        for part in ("Multimodal: it needs both.", "A note.", "Not needed.", "A doubt."):
            assert part in text
    assert "<script" not in diagnosis_to_markdown(diagnosis)
    assert json.loads(diagnosis_to_json(diagnosis))["measures"][0]["values"][0]["low"] == -0.01


def test_heat_glows_where_the_weights_are_and_leaves_the_rest():
    picture = Image.new("RGB", (100, 50), (0, 0, 200))
    heat = np.zeros((4, 4))
    heat[0, 0] = 2.0
    drawn = np.asarray(draw_heat(picture, heat)).astype(int)
    assert drawn.shape == (112, 224, 3)
    assert drawn[2, 2, 0] > 120
    assert drawn[-1, -1].tolist() == [0, 0, 200]
    flat = np.asarray(draw_heat(picture, np.full((4, 4), 0.25)))
    assert (flat == [0, 0, 200]).all()
