"""Files of any size as numbers: the fast readers give what the plain rules give, whatever is in the file."""

import collections

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rnnzoo
from rnnzoo.data import tables
from rnnzoo.data.bpe import PieceSplitter
from rnnzoo.data.bucketing import QUANTILES, Buckets
from rnnzoo.data.cache import write_arrays
from rnnzoo.data.conll import ConllFormat
from rnnzoo.data.conll_layout import Layout
from rnnzoo.data.mapped import StringArray
from rnnzoo.data.number_format import NumberFormat
from rnnzoo.data.splits import hold_out
from rnnzoo.data.token_ids import LEVELS, Symbols, TokenEncoder
from rnnzoo.data.vocabulary import build_vocabulary, choose_vocabulary, encode, map_symbols
from rnnzoo.errors import UserError

TEXTS = st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=20), max_size=8)
MIXED = st.lists(st.text("aB1 .,\t\x00\x01\x1c\u00a0é\n", max_size=12), max_size=8)


@pytest.mark.parametrize("level", [*LEVELS, "char", "line"])
@settings(max_examples=150, deadline=None)
@given(st.one_of(TEXTS, MIXED))
def test_tokens_of_many_texts_are_those_of_each(level, texts):
    split = {"char": list, "line": lambda text: [text]}.get(level) or LEVELS[level].split
    symbols = Symbols({"first": 0})
    encoder = TokenEncoder(level, symbols)
    for part in (texts, texts[::-1]):  # what one call remembers does not change the next
        ids, lengths = encoder.encode(part)
        names = {number: symbol for symbol, number in symbols.items()}
        parts = np.split(ids, np.cumsum(lengths)[:-1]) if part else []
        assert [[names[i] for i in ids.tolist()] for ids in parts] == [split(text) for text in part]


@settings(max_examples=100, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcdefg"), max_size=6), min_size=1, max_size=30), st.integers(1, 4))
def test_vocabularies_from_counts_are_those_of_texts(texts, min_count):
    counts = collections.Counter(token for text in texts for token in text)
    for size in (None, 1, 3, 100):
        expected = build_vocabulary(texts, size, min_count)
        assert choose_vocabulary(np.array(list(counts.values()), int), list(counts), size, min_count) == expected


@settings(max_examples=60, deadline=None)
@given(st.lists(st.text("abc", max_size=5), min_size=1, max_size=20))
def test_pieces_of_numbered_words(words):
    words = [word for word in words if word] or ["a"]
    splitter = PieceSplitter(("a \uffedb", "ab \uffedc"))
    vocabulary = ("<pad>", "<unk>", "<s>", "</s>", "ab", "\uffeda")
    symbols = Symbols()
    numbers = symbols.encode(words)
    actual = map_symbols(symbols, vocabulary, splitter)
    np.testing.assert_array_equal(actual(numbers), encode(splitter.split(words), vocabulary))

    def write(writer):
        writer.extend_sequences("x", numbers, np.array([len(numbers), 0]))
        return {"count": 2}

    assert actual.lengths(write_arrays(write).sequences("x")).tolist() == [len(splitter.split(words)), 0]


CELLS = st.sampled_from(["a", "B-X", "#", "1", "New York", "", "\u00a0", "2-3", "x y z", "-DOCSTART-", "é"])


def read(path, rule):
    try:
        arrays = write_arrays(rule.writer(path))
    except UserError as error:
        return str(error)
    names = {name: list(arrays.strings(f"{name}.symbols")) for name in ("words", "tags")}
    return [
        [[names[name][n] for n in arrays.sequences(name)[i]] for name in names] for i in range(arrays.facts["count"])
    ]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.one_of(st.just([]), st.lists(CELLS, min_size=1, max_size=3)), max_size=12), st.sampled_from("\t "))
def test_regular_lines_of_conll_files_are_read_as_others(tmp_path_factory, rows, separator):
    path = tmp_path_factory.mktemp("conll") / "f.conll"
    lines = [separator.join(row) for row in [*rows, ["word", "TAG"]] if "\n" not in row]
    path.write_text("\n".join(lines), encoding="utf-8")
    actual = read(path, ConllFormat())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Layout, "divide_regular", lambda *args: None)
        assert actual == read(path, ConllFormat())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tables, "BLOCK_CHARS", 5)  # the first lines are not like the others
        assert actual == read(path, ConllFormat())


CELL = st.one_of(
    st.floats().map(repr), st.sampled_from(["", "1_0", " 5 ", "nan", "1.234,5", "1,5", "1 234", "x", "-", "1e999"])
)


@settings(max_examples=300, deadline=None)
@given(st.lists(CELL, min_size=1, max_size=6), st.sampled_from(".,"), st.sampled_from(["", ".", ",", " "]))
def test_numbers_of_many_cells_are_those_of_each(cells, decimal, thousands):
    form = NumberFormat(decimal, "" if decimal == thousands else thousands)
    expected = [form.parse(cell) for cell in cells]
    np.testing.assert_array_equal(form.parse_all(cells), [np.nan if v is None else v for v in expected])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.integers(1, 300), min_size=1, max_size=200))
def test_buckets_are_the_quantiles_of_the_lengths(lengths):
    lengths = np.array(lengths, "int32")
    buckets = Buckets({"train": lengths}, 7)
    assert buckets.padded_lengths.tolist() == np.unique(np.quantile(lengths, QUANTILES, method="higher")).tolist()
    batches = buckets.make_batches(lengths, np.arange(len(lengths), dtype="int32"))
    assert len(batches) == buckets.count_batches(lengths)
    assert sorted(np.concatenate([members for members, _ in batches])) == list(range(len(lengths)))
    assert all(lengths[members].max() <= padded for members, padded in batches)


def test_small_numbers_are_shuffled_as_large_ones():
    """Runs that began with lists of Python numbers go on with the same batches."""
    for n in (1, 5, 1000, 70_000):
        expected = np.random.default_rng(0).permutation(n)
        np.testing.assert_array_equal(np.random.default_rng(0).permutation(np.arange(n, dtype="int32")), expected)
    held_out = hold_out({"train": 1000}, 0.1, 0.2)
    order = np.random.default_rng(0).permutation(1000).tolist()
    expected = (order[:700], order[700:800], order[800:])
    assert tuple(held_out[s].tolist() for s in ("train", "validation", "test")) == expected


@settings(max_examples=50, deadline=None)
@given(TEXTS)
def test_arrays_of_strings(texts):
    def write(writer):
        writer.extend_strings("s", texts[:3])
        writer.extend_strings("s", texts[3:])
        return {}

    strings = write_arrays(write).strings("s")
    assert isinstance(strings, StringArray) and len(strings) == len(texts)
    assert list(strings) == [strings[i] for i in range(len(strings))] == texts


def test_batches_do_not_depend_on_the_size_of_blocks(tmp_path, monkeypatch):
    (tmp_path / "p.tsv").write_text("".join(f"a{i % 7} b\tc{i % 5} d{i}\n\n" for i in range(300)))
    (tmp_path / "f.csv").write_text(
        "date,a,b\n" + "".join(f"2020-01-{i % 28 + 1:02d},{i * i % 17},{i}.5\n" for i in range(300))
    )
    (tmp_path / "t.conll").write_text("".join(f"w{i % 9} T{i % 4}\n" + "\n" * (i % 5 == 0) for i in range(400)))
    (tmp_path / "c.csv").write_text("text,label\n" + "".join(f'"w{i % 9}, x\ny{i}",L{i % 3}\n' for i in range(200)))

    def batches():
        names = {"pairs": "p.tsv", "forecast": "f.csv", "tag": "t.conll", "classify": "c.csv"}
        for name, file in names.items():
            task = rnnzoo.create_task(name, data=str(tmp_path / file))
            yield (
                name,
                [part for s in (0, 5) for part in (task.batch(1, s).inputs, task.batch(1, s).targets)],
                task.spec,
            )
            yield name, list(task.evaluation("test")), task.baselines()

    whole = list(batches())
    monkeypatch.setattr(tables, "BLOCK_CHARS", 50)
    monkeypatch.setattr(tables, "BLOCK_ROWS", 3)
    monkeypatch.setattr("rnnzoo.data.mapped.BLOCK_VALUES", 4)
    monkeypatch.setattr("rnnzoo.data.mapped.RELEASE_BYTES", 1)
    for before, after in zip(whole, batches(), strict=True):
        np.testing.assert_equal(after, before)
