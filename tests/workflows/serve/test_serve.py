"""A served run: it answers as `predict` does, refuses politely, and its page works in a browser."""

import os
import re
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from PIL import Image

from interfuse.cli.serve import read_auth
from interfuse.core.design import Design
from interfuse.core.errors import ConfigError, DataError
from interfuse.data import SourceSettings
from interfuse.workflows import Source, predict, train_run
from interfuse.workflows.serve.responder import Limits, Responder


@pytest.fixture(scope="module")
def responder(run):
    return Responder(run, Limits(max_bytes=20_000_000, max_pixels=63_000_000))


def test_the_probabilities_are_those_of_predict_with_either_modality_missing(run, source, responder, shop, tmp_path):
    rows = [("0.png", "a blue cup"), ("1.png", None), (None, "a cup number 4 in green")]
    pl.DataFrame(rows, schema=["photo", "caption"], orient="row").write_parquet(tmp_path / "new.parquet")
    read = SourceSettings(image="photo", text="caption", image_folder=shop)
    expected = predict(run, Source(str(tmp_path / "new.parquet"), read, source.encode)).probs
    answers = responder.answer([(str(shop / photo) if photo else None, text) for photo, text in rows])
    found = np.array([list(one.probs.values()) for one in answers])
    np.testing.assert_allclose(found, expected, atol=1e-2)  # another batch: a token may be a step of bfloat16 away


def test_a_batch_answers_as_each_question_alone(responder, shop):
    asked = [(shop / "0.png", "red"), (shop / "1.png", None), (None, "a rather longer text about a green cup")]
    together, alone = responder.answer(asked), [responder.answer([one])[0] for one in asked]
    for first, second in zip(together, alone):
        # an encoder's last bits depend on its batch, and a token in bfloat16 may then be a step (0.4 %) away
        np.testing.assert_allclose(list(first.probs.values()), list(second.probs.values()), atol=1e-2)


def test_the_parts_add_up_and_a_missing_modality_has_none(responder, shop):
    both, image, neither = responder.answer([(shop / "0.png", "red"), (shop / "0.png", " "), (None, None)])
    assert image.text_part == pytest.approx(0, abs=1e-6)
    assert image.decided == "image"
    assert neither.error == "Give a picture, a text, or both."
    assert [word for word, _ in both.words] == ["red"]
    assert both.words[0][1].shape == responder.image.encoder.grid


@pytest.mark.parametrize(
    ("name", "told"), [("text.jpg", "no picture of the kinds"), ("large.png", "63,000,000 pixels")]
)
def test_a_bad_picture_is_a_message_and_spoils_no_other(responder, shop, tmp_path, name, told):
    if name == "text.jpg":
        (tmp_path / name).write_text("not a picture")
    else:
        Image.new("1", (8000, 7900)).save(tmp_path / name)
    bad, good = responder.answer([(tmp_path / name, "red"), (shop / "0.png", "red")])
    assert told in bad.error
    assert sum(good.probs.values()) == pytest.approx(1)


@pytest.mark.parametrize("kind", ["pipe", "device", "folder", "endless", "link"])
def test_what_is_no_regular_file_is_refused_without_waiting_for_it(responder, tmp_path, kind):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to("pipe")
    (tmp_path / "folder").mkdir()
    path = {"device": Path("/dev/zero"), "endless": Path("/proc/kmsg")}.get(kind, tmp_path / kind)
    assert "The picture was not taken" in responder.answer([(path, "red")])[0].error


def test_a_60_megapixel_photo_is_answered(responder, tmp_path):
    Image.new("RGB", (10_000, 6_000), "red").save(tmp_path / "huge.jpg")
    assert responder.answer([(tmp_path / "huge.jpg", None)])[0].error is None


def test_limits_and_logins_that_cannot_work_are_refused():
    with pytest.raises(ConfigError, match="max_pixels is from 1 to 64,000,000, got 65,000,000"):
        Limits(max_pixels=65_000_000)
    with pytest.raises(ConfigError, match="user:password"):
        read_auth("alone")
    assert read_auth("me:a:b") == ("me", "a:b")


def test_clients_at_once_meet_no_error(responder, shop):
    gate = threading.Barrier(8)

    def client(_):
        gate.wait()
        return [responder.answer([(shop / "0.png", "red")])[0].error for _ in range(5)]

    with ThreadPoolExecutor(8) as pool:
        assert {error for found in pool.map(client, range(8)) for error in found} == {None}


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)])
def test_the_page_answers_in_a_browser_and_asks_no_other_server(served, shop, tmp_path, width, height):
    playwright = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("there is no chromium")
    (tmp_path / "text.jpg").write_text("not a picture")
    Image.new("RGB", (10_000, 6_000), "red").save(tmp_path / "huge.jpg")
    flags = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    errors, strangers, address = [], [], served.address
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=chromium, args=flags)
        page = browser.new_page(viewport={"width": width, "height": height})
        page.on("console", lambda message: errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("request", lambda asked: strangers.append(asked.url) if not local(asked.url, address) else None)
        page.goto(address)
        answer, status = page.get_by_role("button", name="Answer"), page.locator("#status")
        answer.click()
        playwright.expect(status).to_contain_text("Give a picture", timeout=20_000)
        page.locator("textarea").first.fill("a red cup")
        page.locator("input[type=file]").first.set_input_files(str(shop / "0.png"))
        page.wait_for_timeout(1500)
        answer.click()
        playwright.expect(page.locator("#decided")).to_contain_text("Decided by", timeout=20_000)
        playwright.expect(page.locator("#looked figure")).to_have_count(3)
        page.screenshot(path=str(tmp_path / f"page-{width}.png"), full_page=True)
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        for name, told in (("text.jpg", "no picture of the kinds"), ("huge.jpg", "")):
            page.reload()
            page.locator("input[type=file]").first.set_input_files(str(tmp_path / name))
            page.wait_for_timeout(2500)
            page.get_by_role("button", name="Answer").click()
            if told:
                playwright.expect(page.locator("#status")).to_contain_text(told, timeout=20_000)
            else:
                playwright.expect(page.locator("#decided")).to_contain_text("Decided by", timeout=20_000)
        page.reload()
        page.locator("table tbody tr").first.click()
        playwright.expect(page.locator("textarea").first).to_have_value(re.compile("a cup number"), timeout=20_000)
        page.get_by_role("button", name="Answer").click()
        playwright.expect(page.locator("#decided")).to_contain_text("Decided by", timeout=20_000)
        browser.close()
    assert (errors, strangers) == ([], [])


def local(url, address):
    return url.startswith((address, "data:", "blob:"))


@pytest.mark.parametrize("pairs", [False, True])
def test_the_examples_are_rows_that_did_not_train_the_run(shop, source, tmp_path, pairs):
    from interfuse.workflows.serve.page import validation_examples

    table = pl.read_parquet(shop / "shop.parquet").with_columns(maker=pl.int_range(pl.len()) // 2)
    table.write_parquet(shop / "makers.parquet")
    label = None if pairs else "tag"
    read = SourceSettings(image="photo", text="caption", label=label, group="maker", seed=5)
    design = Design("concat", dim=16, epochs=1, batch_size=16)
    run = train_run(Source(str(shop / "makers.parquet"), read, source.encode), tmp_path / "run", design, 5)
    listed = (
        pl.read_parquet(run.folder / "predictions.parquet").filter(pl.col("split") == "validation")["row"].to_list()
    )
    wanted = {row // 2 for row in listed} if pairs else set(listed)
    shown = [int(Path(image).stem) for image, _ in validation_examples(run, str(shop / "makers.parquet"), None)]
    assert len(shown) == 4
    assert set(shown) <= wanted
    assert [text for _, text in validation_examples(run, str(shop / "makers.parquet"), None)] == [
        table["caption"][row] for row in shown
    ]
    (run.folder / "predictions.parquet").unlink()
    with pytest.raises(DataError, match="no predictions.parquet, which lists its validation rows"):
        validation_examples(run, str(shop / "makers.parquet"), None)
