"""The data card's tables."""

from interfuse.reports.rows import class_table, leak_facts, split_table

DATA = {
    "rows": {"train": 1000, "test": 200},
    "missing": {"image": {"train": 25, "test": 0}},
    "classes": {"cat": {"train": 600, "test": 50}, "dog": {"train": 400}},
    "label_names": ["cat", "dog", "owl"],
    "leaks": {"picture": 3, "text": 7, "picture and text": 0},
}


def test_rows_and_gaps_stand_by_split_with_their_share():
    table = split_table(DATA)
    assert table.splits == ["train", "test"]
    assert table.lines == [("rows", ["1,000", "200"]), ("without a picture", ["25 (2.5 %)", "0"])]


def test_a_class_has_its_share_of_each_split():
    table = class_table(DATA)
    assert [(line.name, line.total, line.counts, line.shares) for line in table.lines] == [
        ("cat", 650, [600, 50], [0.6, 0.25]),
        ("dog", 400, [400, 0], [0.4, 0.0]),
    ]
    assert (table.hidden, table.widest) == (1, 0.6)


def test_a_picture_in_two_splits_is_called_a_leak_and_a_text_is_not():
    assert [text for _, text in leak_facts(DATA)] == ["3 (a leak: test scores flatter)", "7", "0"]


def test_an_absent_record_has_no_table():
    assert split_table({}) is class_table({"rows": {"train": 1}}) is None
    assert leak_facts({"leaks": None}) == []
