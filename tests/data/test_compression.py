"""Compressed input files, and data from standard input."""

import bz2
import gzip
import io
import lzma
import subprocess
import sys
from pathlib import Path

import pytest

import rnnzoo
from rnnzoo.data import files
from rnnzoo.data.compression import plain_suffix
from rnnzoo.errors import UserError

zstandard = pytest.importorskip("zstandard")
ROOT = Path(rnnzoo.__file__).parent.parent
COMPRESS = {
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: zstandard.ZstdCompressor().compress(data),
}
TEXT = "".join(f"Line {i} of Ελλάς\r\n" for i in range(5000)).encode()
PAIRS = "".join(f"{i % 7} {i % 5}\t{i % 5} {i % 7}\n" for i in range(200)).encode()


@pytest.mark.parametrize("suffix", COMPRESS)
def test_compressed_files_are_read_as_their_contents(suffix, tmp_path):
    (tmp_path / "book.txt").write_bytes(TEXT)
    (tmp_path / f"book.txt{suffix}").write_bytes(COMPRESS[suffix](TEXT))
    plain, packed = (
        rnnzoo.create_task("char_lm", data=str(tmp_path / name)) for name in ("book.txt", f"book.txt{suffix}")
    )
    assert plain.spec == packed.spec
    assert (plain.batch(0, 3).inputs == packed.batch(0, 3).inputs).all()
    (tmp_path / f"pairs.tsv{suffix}").write_bytes(COMPRESS[suffix](PAIRS))
    task = rnnzoo.create_task("pairs", data=str(tmp_path / f"pairs.tsv{suffix}"))
    assert len(task.pairs["train"]) == 160


@pytest.mark.parametrize("suffix", COMPRESS)
def test_damaged_files_are_refused(suffix, tmp_path):
    whole = COMPRESS[suffix](TEXT)
    cut = tmp_path / f"cut.txt{suffix}"
    cut.write_bytes(whole[: len(whole) // 2])
    other = tmp_path / f"other.txt{suffix}"
    other.write_bytes(TEXT)
    broken = tmp_path / f"broken.txt{suffix}"
    broken.write_bytes(whole[:20] + bytes(80) + whole[100:])
    for path, message in ((cut, "is a damaged"), (broken, "is a damaged"), (other, "does not begin as one")):
        with pytest.raises(UserError, match=message) as error:
            rnnzoo.create_task("char_lm", data=str(path))
        assert str(path) in str(error.value)


def test_a_text_that_begins_like_a_compressed_file_is_a_text(tmp_path):
    (tmp_path / "book").write_bytes(b"BZh9 BZh9 " + TEXT)
    assert "B" in rnnzoo.create_task("char_lm", data=str(tmp_path / "book")).spec.vocabulary


def test_a_folder_may_hold_compressed_texts(tmp_path):
    (tmp_path / "a.txt.gz").write_bytes(gzip.compress(TEXT))
    (tmp_path / "b.txt").write_bytes(TEXT)
    (tmp_path / "c.txt~").write_bytes(b"\xff")
    task = rnnzoo.create_task("char_lm", data=str(tmp_path))
    assert len(task.encoded["train"].first_windows) == 3  # two documents


def test_suffixes():
    assert [plain_suffix(Path(name)) for name in ("a.tsv", "a.tsv.gz", "a.gz", "a")] == [".tsv", ".tsv", "", ""]


@pytest.mark.slow
def test_standard_input(tmp_path):
    flags = ["--task=char_lm", "--data=-", "--units=4", "--embedding=4", "--steps=2", "--run_dir=run", "--export_dir=e"]
    done = subprocess.run(
        [sys.executable, str(ROOT / "train.py"), *flags],
        cwd=tmp_path,
        input=gzip.compress(TEXT),
        capture_output=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr.decode()
    assert '"name": "stdin"' in (tmp_path / "run/config.json").read_text()


def test_standard_input_that_is_empty_or_a_terminal(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    files.copy_standard_input.cache_clear()
    monkeypatch.setattr(sys, "stdin", Terminal())
    with pytest.raises(UserError, match="nothing is sent there"):
        rnnzoo.create_task("char_lm", data="-")
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"")))
    with pytest.raises(UserError, match="is empty"):
        rnnzoo.create_task("char_lm", data="-")
    files.copy_standard_input.cache_clear()
