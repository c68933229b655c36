"""The cache folder: what is encoded once, and what happens when it is damaged, old, shared or read-only."""

import os
import subprocess
import sys
import time

import numpy as np
import pytest

import rnnzoo
from rnnzoo.data import cache
from rnnzoo.data.file_recorder import record_files
from rnnzoo.data.mapped import ArrayFolder


@pytest.fixture
def pairs(tmp_path):
    path = tmp_path / "pairs.tsv"
    path.write_text("".join(f"a{i % 7} b\tc{i % 5} d{i}\n" for i in range(400)), encoding="utf-8")
    return path


def entries(folder):
    return sorted(path.name for path in folder.iterdir())


def batch_of(path, folder, **options):
    task = rnnzoo.create_task("pairs", data=str(path), cache_dir=str(folder), **options)
    return np.concatenate([part.ravel() for part in (*task.batch(0, 3).inputs, task.batch(0, 3).targets)])


def test_a_file_is_encoded_once_for_each_format(pairs, tmp_path, monkeypatch):
    folder = tmp_path / "cache"
    first = batch_of(pairs, folder)
    (entry,) = entries(folder)
    monkeypatch.setattr(cache, "_write", lambda *args: pytest.fail("it was encoded again"))
    np.testing.assert_array_equal(batch_of(pairs, folder), first)
    np.testing.assert_array_equal(batch_of(pairs, folder, vocabulary_size=20, batch_size=64)[:1], first[:1])
    copy = tmp_path / "copy.tsv"
    copy.write_bytes(pairs.read_bytes())
    np.testing.assert_array_equal(batch_of(copy, folder), first)  # the digest counts, not the name
    monkeypatch.undo()
    batch_of(pairs, folder, level="char")
    assert len(entries(folder)) == 2 and entry in entries(folder)
    pairs.write_text(pairs.read_text() + "x y\tz\n")
    batch_of(pairs, folder)
    assert len(entries(folder)) == 3


def test_the_file_counts_as_read_when_it_is_in_the_cache(pairs, tmp_path):
    for _ in range(2):
        with record_files() as recorder:
            batch_of(pairs, tmp_path / "cache")
        assert recorder.bytes_read == recorder.total_bytes == 2 * pairs.stat().st_size


@pytest.mark.parametrize(
    "damage", ["cut", "missing", "{}", "", "[]", "null", '{"version": 1, "facts": {}, "arrays": []}']
)
def test_a_damaged_entry_is_made_again(pairs, tmp_path, damage):
    folder = tmp_path / "cache"
    first = batch_of(pairs, folder)
    entry = folder / entries(folder)[0]
    if damage == "cut":
        os.truncate(entry / "source", 8)
    elif damage == "missing":
        (entry / "target").unlink()
    else:
        (entry / "arrays.json").write_text(damage)
    np.testing.assert_array_equal(batch_of(pairs, folder), first)
    ArrayFolder(entry)


def test_old_entries_are_removed_and_other_folders_are_not(pairs, tmp_path):
    folder = tmp_path / "cache"
    old, unfinished, recent = folder / ("0" * 32), folder / "writing-abc", folder / ("1" * 32)
    for path in (old, unfinished, recent, folder / "native"):
        path.mkdir(parents=True)
        os.utime(path, (0, 0) if path != recent else None)
    (folder / ("2" * 32)).write_text("a file")
    (folder / ("3" * 32)).symlink_to(tmp_path)
    os.utime(folder / ("2" * 32), (0, 0))
    batch_of(pairs, folder)
    left = entries(folder)
    assert {"native", "1" * 32, "2" * 32, "3" * 32} < set(left) and len(left) == 5
    mine = next(name for name in left if len(set(name)) > 2 and name != "native")
    os.utime(folder / mine, (time.time() - 20 * 86400,) * 2)
    batch_of(pairs, folder)  # is used: counts as new
    assert time.time() - (folder / mine).stat().st_mtime < 60


def test_an_entry_of_another_user_is_used(pairs, tmp_path, monkeypatch):
    def refuse(*args):
        raise PermissionError(1, "Operation not permitted")

    first = batch_of(pairs, tmp_path / "cache")
    monkeypatch.setattr(os, "utime", refuse)
    monkeypatch.setattr(cache, "_write", lambda *args: pytest.fail("it was encoded again"))
    np.testing.assert_array_equal(batch_of(pairs, tmp_path / "cache"), first)


def test_small_files_are_not_kept_by_default(pairs, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))
    rnnzoo.create_task("pairs", data=str(pairs))
    assert not (tmp_path / "home").exists()
    monkeypatch.setattr(cache, "MIN_BYTES", 10)
    rnnzoo.create_task("pairs", data=str(pairs))
    assert len(entries(tmp_path / "home" / "rnnzoo")) == 1
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))  # where no folder can be made
    assert len(rnnzoo.create_task("pairs", data=str(pairs)).pairs["train"]) == 320
    with pytest.raises(rnnzoo.UserError, match=r"--cache_dir=.*file/x: Not a directory"):
        rnnzoo.create_task("pairs", data=str(pairs), cache_dir=str(tmp_path / "file" / "x"))


def test_a_full_disk_is_one_line(pairs, tmp_path, monkeypatch):
    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cache.ArrayWriter, "extend", fail)
    with pytest.raises(rnnzoo.UserError, match=r"cannot write the encoded data to .*cache: No space.*--cache_dir"):
        batch_of(pairs, tmp_path / "cache")
    assert not entries(tmp_path / "cache")


def test_bad_data_leaves_nothing_in_the_cache(pairs, tmp_path):
    pairs.write_text("a\tb\nno tab\n")
    with pytest.raises(rnnzoo.UserError, match="line 2: expected a source, a tab"):
        batch_of(pairs, tmp_path / "cache")
    assert not entries(tmp_path / "cache")


@pytest.mark.slow
def test_two_processes_encode_the_same_file(pairs, tmp_path):
    folder = tmp_path / "cache"
    code = (
        "import sys, rnnzoo; task = rnnzoo.create_task('pairs', data=sys.argv[1], cache_dir=sys.argv[2]);"
        "print(task.batch(0, 3).targets.sum())"
    )
    command = [sys.executable, "-c", code, str(pairs), str(folder)]
    both = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    outputs = {process.communicate(timeout=120)[0] for process in both}
    assert len(outputs) == 1 and len(entries(folder)) == 1
