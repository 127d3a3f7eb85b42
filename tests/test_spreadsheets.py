"""Tables that people edit: every text comes back, and no spreadsheet takes one for a formula."""

import codecs
import csv
import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from barlow import spreadsheets
from barlow.errors import InvalidInput

pytestmark = pytest.mark.once

TEXTS = st.text(
    st.one_of(
        st.sampled_from("=+-@'\"\t\r\n,;| .019é\ufeff\u2028"),
        st.characters(blacklist_categories=["Cs"], blacklist_characters="\0"),
    ),
    max_size=8,
)
NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=3)


@st.composite
def tables(draw):
    columns = draw(st.lists(NAMES, min_size=1, max_size=4))
    row = st.lists(TEXTS, min_size=len(columns), max_size=len(columns))
    return columns, draw(st.lists(row, max_size=5))


@settings(max_examples=300, deadline=None)
@given(table=tables())
def test_every_text_is_read_as_it_was_written_and_none_is_a_formula(tmp_path_factory, table):
    columns, rows = table
    path = tmp_path_factory.mktemp("table") / "table.csv"
    spreadsheets.write(path, columns, rows)
    found = spreadsheets.read(path)
    assert found[:2] == (columns, [row for row in rows if "".join(row)])
    with path.open(newline="", encoding="utf-8-sig") as file:
        for row in csv.reader(file):
            for cell in row:
                is_number = re.fullmatch(r"[+-]?[0-9]+([.,][0-9]*)?", cell)
                assert is_number or not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_what_utf_8_cannot_hold_is_escaped(tmp_path):
    spreadsheets.write(tmp_path / "x.csv", ["path"], [["caf\udce9.png"]])
    assert spreadsheets.read(tmp_path / "x.csv") == (["path"], [["caf\\udce9.png"]], [2])


@pytest.mark.parametrize(
    ("text", "cell"),
    [
        ("-1", "-1"),
        ("+1,5", "+1,5"),
        ("-1-1", "'-1-1"),
        ("=1", "'=1"),
        ("'=1", "''=1"),
        ("'tis", "'tis"),
        ("", ""),
    ],
)
def test_a_formula_gets_an_apostrophe_and_a_number_none(text, cell):
    assert spreadsheets.as_cell(text) == cell
    assert spreadsheets.from_cell(cell) == text


def test_ascii_has_no_mark_and_other_text_has_one(tmp_path):
    for text, has_mark in (("a", False), ("é", True)):
        spreadsheets.write(tmp_path / "x.csv", ["path"], [[text]])
        assert (tmp_path / "x.csv").read_bytes().startswith(codecs.BOM_UTF8) == has_mark


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("x.csv", b"path,label\na b,c\n"),
        ("x.csv", codecs.BOM_UTF8 + b"PATH; Label\r\na b;c\r\n"),
        ("x.csv", b"sep=;\r\npath;label\r\n\r\na b;c"),
        ("x.csv", b"SEP=|\npath|label\na b|c\n"),
        ("x.csv", "path\tlabel\r\na b\tc\r\n".encode("utf-16")),
        ("x.csv", codecs.BOM_UTF16_BE + "path\tlabel\r\na b\tc\r\n".encode("utf-16-be")),
        ("x.tsv", b"path\tlabel\na b\tc\n"),
        ("x.csv", b'"path","label"\n"a b","c"\n,\n'),
        ("x.csv", b"path,label\na b,c,,\n,\n"),
        ("x.csv", b"\r\n;;\r\npath;label\r\na b;c\r\n"),
        ("x.csv", b"sep=;\rpath;label\ra b;c\r"),
    ],
)
def test_every_dialect_of_spreadsheets_is_read(name, content, tmp_path):
    (tmp_path / name).write_bytes(content)
    assert spreadsheets.read(tmp_path / name)[:2] == (["path", "label"], [["a b", "c"]])


def test_rows_are_as_long_as_the_longest(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1\n1,2,3\n")
    found = spreadsheets.read(tmp_path / "x.csv")
    assert found == (["a", "b", ""], [["1", "", ""], ["1", "2", "3"]], [2, 3])


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_every_row_knows_the_line_in_which_it_begins(end, tmp_path):
    lines = ["sep=;", "a;b", "", "1;2", '"two', 'lines";3', ";", "4;5"]
    (tmp_path / "x.csv").write_bytes(end.join(lines).encode())
    assert spreadsheets.read(tmp_path / "x.csv").lines == [4, 5, 8]


@pytest.mark.parametrize("row", ['b,"cat\nc,dog\n', 'b,"cat"s\nc,dog\n'])
def test_a_quote_that_does_not_end_swallows_no_rows(row, tmp_path):
    (tmp_path / "x.csv").write_text(f"path,label\na,dog\n{row}")
    with pytest.raises(InvalidInput, match="row that begins in line 3 has a quote"):
        spreadsheets.read(tmp_path / "x.csv")


@pytest.mark.parametrize("delimiter", ",;\t|")
def test_no_delimiter_of_another_dialect_ends_a_cell(delimiter, tmp_path):
    name = f"a{delimiter}=1+1{delimiter}.png"
    spreadsheets.write(tmp_path / "x.csv", ["path", "label"], [[name, ""], ["b.png", "c"]])
    assert spreadsheets.read(tmp_path / "x.csv").rows == [[name, ""], ["b.png", "c"]]
    with (tmp_path / "x.csv").open(newline="") as file:
        cells = [cell for row in csv.reader(file, delimiter=delimiter) for cell in row]
    assert not any(cell.startswith("=") for cell in cells)


def test_what_is_no_text_is_refused(tmp_path):
    (tmp_path / "x.csv").write_bytes(b"PK\3\4\0\0")
    with pytest.raises(InvalidInput, match="not a text file"):
        spreadsheets.read(tmp_path / "x.csv")


def test_cells_beyond_the_columns_are_read_and_empty_ones_are_none(tmp_path):
    (tmp_path / "x.csv").write_text("path,label,,\na.png,cat,,\nb.png,dog,,a note\nc.png\n")
    columns, rows, _ = spreadsheets.read(tmp_path / "x.csv")
    assert columns == ["path", "label", "", ""]
    assert rows == [
        ["a.png", "cat", "", ""],
        ["b.png", "dog", "", "a note"],
        ["c.png", "", "", ""],
    ]
