"""Data of recipes: files of `--data_dir`, checked by their digest, copied or converted for training."""

import hashlib
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

from rnnzoo.errors import UserError
from rnnzoo.zoo.recipes import Source

GENDERS = ("female", "male")


def prepare_data(source: Source, data_dir: Path | None, folder: Path) -> None:
    """Writes the file that the flags of a recipe name to a folder.

    Args:
        source: the data.
        data_dir: the folder of downloaded files; None if it was not given.
        folder: where the file is written.

    Raises:
        UserError: the data are a file, and it is not given, missing, or another version.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if not source.file:
        return
    if source.convert not in CONVERTERS:
        raise UserError(f"{source.title}: convert={source.convert} is unknown; expected {', '.join(CONVERTERS)}")
    if data_dir is None:
        raise UserError(
            f"this recipe needs {source.title}: download {source.address} to DIR/{source.file} and give --data_dir=DIR"
        )
    path = data_dir / source.file
    if not path.is_file():
        raise UserError(f"--data_dir={data_dir}: there is no {source.file}; download it from {source.address}")
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    if digest != source.sha256:
        raise UserError(
            f"{path} is another version of {source.title}: its SHA-256 is {digest}, not {source.sha256}; download it "
            f"from {source.address}"
        )
    partial = folder / f"{source.product}.part"  # another build may be reading the file
    CONVERTERS[source.convert](path, partial)
    partial.replace(folder / source.product)


def convert_names(path: Path, target: Path) -> None:
    """Converts the Names Corpus, a zip file of names by gender, to pairs of gender and name."""
    with zipfile.ZipFile(path) as archive:
        lines = [
            f"{kind}\t{name.strip()}\n"
            for kind in GENDERS
            for name in archive.read(f"names/{kind}.txt").decode("latin-1").splitlines()
            if name.strip()
        ]
    target.write_text("".join(lines), encoding="utf-8")


CONVERTERS: dict[str, Callable[[Path, Path], object]] = {"": shutil.copyfile, "names": convert_names}
