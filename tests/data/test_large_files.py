"""Readers that never hold a whole file: what they read equals what is read at once, and is encoded once."""

import collections
import functools
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rnnzoo
from rnnzoo.data import array_writer, cache, documents, encoded_corpus, lexicon, mapped, npz, token_ids
from rnnzoo.data.batch import SPLITS
from rnnzoo.data.cache import write_arrays
from rnnzoo.data.file_recorder import record_files
from rnnzoo.data.sorting import sort_lines
from rnnzoo.data.token_ids import Symbols, TokenEncoder
from rnnzoo.spec import UNKNOWN


@settings(deadline=None, max_examples=30)
@given(st.lists(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]))), st.integers(1, 9))
def test_lines_are_sorted_in_parts(texts, max_lines):
    lines = [f"{text}\n" for text in texts]
    with tempfile.TemporaryDirectory() as folder:
        for key in (str, lambda line: line[:1]):
            assert list(sort_lines(iter(lines), key, Path(folder), max_lines)) == sorted(lines, key=key)


def batches(task):
    batch = [task.batch(0, step) for step in range(3)] + list(task.evaluation("test"))
    return np.concatenate([np.ravel(part) for b in batch for part in (*np.atleast_1d(b.inputs), b.targets)])


def write_lexicon(path):
    rng = np.random.default_rng(0)
    words = ["".join(rng.choice(list("abcde'"), rng.integers(1, 4))) for _ in range(300)]
    lines = [f"{word.upper()}({i}) {' '.join(rng.choice(['AA1', 'B', 'T0'], 2))}" for i, word in enumerate(words)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return lines


def test_pronunciations_of_a_word_are_found_anywhere(tmp_path, monkeypatch):
    """The pronunciations of a word, in the order of the file and each once, whatever is between them."""
    lines = write_lexicon(tmp_path / "words.dict")
    expected = collections.defaultdict(list)
    for line in lines:
        word, *phonemes = line.replace("AA1", "AA").split()
        word = word.partition("(")[0].lower()
        if phonemes not in expected[word]:
            expected[word].append(phonemes)
    tasks = [rnnzoo.create_task("g2p", data=str(tmp_path / "words.dict"))]
    monkeypatch.setattr(lexicon, "BLOCK_WORDS", 3)
    monkeypatch.setattr(lexicon, "sort_lines", functools.partial(sort_lines, max_lines=7))
    tasks.append(rnnzoo.create_task("g2p", data=str(tmp_path / "words.dict")))
    for task in tasks:
        for split in SPLITS:
            found = [("".join(p.source), p.target, list(p.alternatives)) for p in task.pairs[split]]
            for word, target, others in found:
                assert sorted([target, *others]) == sorted(expected[word])
                assert split == "train" or [target, *others] == expected[word]
        assert sum(len(task.pairs[split]) for split in SPLITS[1:]) == round(len(expected) * 0.05) + round(
            len(expected) * 0.1
        )
        words = [{"".join(p.source) for p in task.pairs[split]} for split in SPLITS]
        assert sum(map(len, words)) == len(expected) == len(set.union(*words))
    np.testing.assert_array_equal(batches(tasks[0]), batches(tasks[1]))


def write_rolls(path, pieces=9):
    rng = np.random.default_rng(0)
    arrays = {}
    for name in ("train", "valid", "test"):
        lengths = rng.integers(0, 12, pieces)
        arrays |= {name: rng.random((lengths.sum(), 5)) < 0.3, f"{name}_lengths": lengths}
    np.savez_compressed(path, **arrays)
    return arrays


def test_piano_rolls_are_read_in_blocks(tmp_path, monkeypatch):
    arrays = write_rolls(tmp_path / "rolls.npz")
    monkeypatch.setattr(npz, "BLOCK_BYTES", 35)  # seven frames
    task = rnnzoo.create_task("music", data=str(tmp_path / "rolls.npz"))
    for split, name in zip(SPLITS, ("train", "valid", "test"), strict=True):
        rolls = np.split(arrays[name], np.cumsum(arrays[f"{name}_lengths"])[:-1])
        rolls = [roll for roll in rolls if len(roll) > 1]
        assert len(rolls) == len(task.examples[split])
        for roll, example in zip(rolls, task.examples[split], strict=True):
            np.testing.assert_array_equal(example.inputs, roll[:-1])
            np.testing.assert_array_equal(example.targets, roll[1:])
    train, test = (
        [np.concatenate([r[part] for r in np.split(arrays[s], np.cumsum(arrays[f"{s}_lengths"])[:-1]) if len(r)])
         for part in (slice(-1), slice(1, None))]
        for s in ("train", "test")
    )  # fmt: skip
    rates = [(train[1][train[0] == i].sum() + 0.5) / ((train[0] == i).sum() + 1) for i in (0, 1)]
    p = np.where(test[0], rates[1], rates[0])
    nll = -np.where(test[1], np.log(p), np.log(1 - p)).sum(1).mean()
    assert task.baselines()["previous frame"]["nll"] == pytest.approx(nll)


def write_text(path):
    path.write_text("".join(f"line {i} of été\n" for i in range(400)), encoding="utf-8")


CASES = {
    "g2p": ("words.dict", write_lexicon),
    "music": ("rolls.npz", write_rolls),
    "char_lm": ("book.txt", write_text),
    "word_lm": ("book.txt", write_text),
}


@pytest.mark.parametrize("name", CASES)
def test_a_second_run_finds_the_encoded_file(name, tmp_path, monkeypatch):
    file, write = CASES[name]
    write(tmp_path / file)
    options = {"data": str(tmp_path / file), "cache_dir": str(tmp_path / "cache")}
    with record_files() as recorder:
        first = rnnzoo.create_task(name, **options)
    assert 0.5 * recorder.total_bytes < recorder.bytes_read <= recorder.total_bytes
    monkeypatch.setattr(cache, "_write", lambda *args: pytest.fail("it was encoded again"))
    with record_files() as recorder:
        second = rnnzoo.create_task(name, **options)
    assert second.spec == first.spec and second.summary() == first.summary()
    assert second.baselines() == first.baselines()
    np.testing.assert_array_equal(batches(second), batches(first))
    assert recorder.bytes_read == recorder.total_bytes


def test_a_text_is_encoded_once_for_all_vocabularies(tmp_path, monkeypatch):
    write_text(tmp_path / "book.txt")
    options = {"data": str(tmp_path / "book.txt"), "cache_dir": str(tmp_path / "cache")}
    large = rnnzoo.create_task("word_lm", **options)
    monkeypatch.setattr(cache, "_write", lambda *args: pytest.fail("it was encoded again"))
    small = rnnzoo.create_task("word_lm", vocabulary_size=3, **options)
    assert small.spec.vocabulary == large.spec.vocabulary[:6]
    table = np.arange(len(large.spec.vocabulary))
    table[6:] = UNKNOWN
    np.testing.assert_array_equal(small.batch(0, 0).inputs, table[large.batch(0, 0).inputs])


@pytest.mark.parametrize("level", ["char", "word"])
def test_texts_in_pieces(level, tmp_path, monkeypatch):
    """Pieces that divide words, characters of several bytes, and more symbols than a byte can number."""
    rng = np.random.default_rng(0)
    words = [chr(0x4E00 + i) + "é" * (i % 3) for i in range(400)]
    text = "".join(f"{words[i]}{' ' if i % 7 else chr(10)}" for i in rng.integers(0, 400, 2_000))
    paths = [tmp_path / "a.txt", tmp_path / "b.txt"]
    for path in paths:
        path.write_text(text, encoding="utf-8")
        text = text[1000:]
    monkeypatch.setattr(encoded_corpus, "COUNTED_VALUES", 100)
    monkeypatch.setattr(documents, "PIECE_BYTES", 11)
    task = rnnzoo.create_task(f"{level}_lm", data=str(tmp_path), **({"min_count": 1} if level == "char" else {}))
    for split in SPLITS:
        tokens = collections.Counter()
        for document in task.documents[split]:
            part = "".join(document.pieces())
            tokens.update(part if level == "char" else part.replace("\n", " \n ").split(" "))
        del tokens[""]
        counts = task.encoded[split].counts
        known = dict(zip(task.spec.vocabulary, counts.tolist(), strict=True))
        unknown = tokens.total() - sum(n for token, n in tokens.items() if token in task.spec.vocabulary[3:])
        assert known == {t: tokens[t] for t in task.spec.vocabulary} | {"<unk>": unknown, "<pad>": 0, "<s>": 0}
    first = next(iter(task.evaluation("test")))
    read = "".join(task.spec.vocabulary[i] for i in first.targets[0][first.weights[0] > 0])
    document = "".join(task.documents["test"][0].pieces())
    assert read and document.replace(" ", "" if level == "word" else " ").startswith(read)


@settings(deadline=None, max_examples=20)
@given(st.lists(st.lists(st.sampled_from([0, 1, 255, 256, 65535, 65536, 2**32 - 1]), max_size=5), min_size=1))
def test_numbers_are_stored_in_the_narrowest_type(parts):
    parts = [np.array(part, "int64") for part in parts]

    def write(writer):
        for part in parts:
            writer.extend_numbers("n", part)
        return {}

    stored = write_arrays(write).array("n")
    expected = np.concatenate(parts)
    np.testing.assert_array_equal(stored[:], expected)
    assert stored.dtype == np.min_scalar_type(int(expected.max(initial=0)))


@pytest.mark.parametrize("level", ["word", "token", "joiner"])
def test_texts_without_spaces_are_not_remembered(level, monkeypatch):
    monkeypatch.setattr(token_ids, "MAX_CHUNK_CHARS", 100)
    separator = "\n" if level == "word" else "."
    text = separator.join(f"ab{i % 7}" for i in range(20_000))
    encoder = TokenEncoder(level, Symbols())
    ids, lengths = encoder.encode([text, "ab1"])
    assert lengths[0] == len(ids) - 1 and ids[-1] == ids[2]
    for i in range(5):
        encoder.encode([f"{text}{i}"])
    assert sum(map(len, encoder._chunks)) <= (0 if level == "word" else len(text) + 10)


@pytest.mark.parametrize("level", ["word", "token", "joiner"])
def test_a_hole_of_zeros_takes_no_time(level):
    texts = ["a b", "\0" * 200_000 + " x", "a \0 b"]
    ids, lengths = TokenEncoder(level, Symbols()).encode(texts)
    assert lengths[0] == 2 and ids[0] == ids[-lengths[2]] and ids[1] == ids[-1]


def test_documents_keep_the_order_of_the_files(tmp_path):
    """A file too short for a training part comes before a longer one, as its name does."""
    for name, text in (("a", "x"), ("b", "bc d\n" * 200), ("c", "y z\n" * 100)):
        (tmp_path / f"{name}.txt").write_text(text)
    task = rnnzoo.create_task("char_lm", data=str(tmp_path), min_count=1)
    tests = ["".join(document.pieces()) for document in task.documents["test"]]
    assert [text[0] for text in tests] == ["x", "b", "y"]
    starts, lengths = task.encoded["test"].first_windows, list(map(len, tests))
    assert np.diff(starts).tolist() == [-(-n // task.options.seq_length) for n in lengths]


def test_a_file_that_is_named_twice_is_read_once(tmp_path, monkeypatch):
    write_text(tmp_path / "b.txt")
    monkeypatch.chdir(tmp_path)
    with record_files() as recorder:
        task = rnnzoo.create_task("char_lm", data=f"b.txt,{tmp_path},{tmp_path}/*.txt")
    assert len(task.documents["train"]) == 1 and recorder.bytes_read == recorder.total_bytes


@pytest.mark.parametrize("lengths", [[0], [0, 1], [1, 1]])
def test_a_split_of_music_without_two_frames_is_empty(lengths, tmp_path):
    arrays = write_rolls(tmp_path / "rolls.npz")
    arrays |= {"valid": np.zeros((sum(lengths), 5)), "valid_lengths": lengths}
    np.savez(tmp_path / "rolls.npz", **arrays)
    with pytest.raises(rnnzoo.UserError, match="the validation split is empty"):
        rnnzoo.create_task("music", data=str(tmp_path / "rolls.npz"))


def test_the_kind_of_a_music_file_is_checked_before_the_cache(tmp_path):
    write_rolls(tmp_path / "rolls.npz")
    rnnzoo.create_task("music", data=str(tmp_path / "rolls.npz"), cache_dir=str(tmp_path / "cache"))
    (tmp_path / "rolls.npz").rename(tmp_path / "rolls.dat")
    with pytest.raises(rnnzoo.UserError, match=r"neither a \.mat nor an \.npz file"):
        rnnzoo.create_task("music", data=str(tmp_path / "rolls.dat"), cache_dir=str(tmp_path / "cache"))


@pytest.mark.parametrize("name", CASES)
def test_a_full_disk_is_not_blamed_on_the_data(name, tmp_path, monkeypatch):
    file, write = CASES[name]
    write(tmp_path / file)

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(array_writer.np, "ascontiguousarray", fail)
    with pytest.raises(rnnzoo.UserError, match=r"cannot write the encoded data to .*No space left.*--cache_dir"):
        rnnzoo.create_task(name, data=str(tmp_path / file), cache_dir=str(tmp_path / "cache"))


def test_blocks_are_bounded_by_their_values(monkeypatch):
    monkeypatch.setattr(mapped, "BLOCK_VALUES", 40)

    def write(writer):
        writer.extend_sequences("x", np.ones((60, 4)), np.array([0, 5, 5, 0, 20, 30]))
        return {}

    blocks = list(write_arrays(write).sequences("x").blocks())
    assert [lengths.tolist() for _, _, lengths in blocks] == [[0, 5], [5, 0], [20], [30]]
    assert [first for first, _, _ in blocks] == [0, 2, 4, 5] and sum(len(values) for _, values, _ in blocks) == 60


def test_the_summary_of_a_whole_text_names_no_splits(tmp_path):
    write_text(tmp_path / "book.txt")
    spec = rnnzoo.create_task("char_lm", data=str(tmp_path / "book.txt")).spec
    whole = rnnzoo.create_task("char_lm", data=str(tmp_path / "book.txt"), spec=spec)
    length = len((tmp_path / "book.txt").read_text(encoding="utf-8"))
    assert f"book.txt: characters {length:,}; vocabulary of" in whole.summary() and "of the text" in whole.summary()
