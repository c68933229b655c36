"""Conversion of an export: written to a temporary folder, run in its own runtime, compared, then moved."""

import json
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import rnnzoo
from rnnzoo.conversion.comparison import compare_with_saved_model
from rnnzoo.conversion.description import describe_model, describe_signature
from rnnzoo.conversion.files import DESCRIPTION, ConvertedFiles, prepare_targets
from rnnzoo.conversion.formats import FORMATS, ConversionError, Format
from rnnzoo.conversion.numeric import NumericSignature, make_numeric_signatures
from rnnzoo.conversion.quality import MAX_LOSS, Quality, measure_quality
from rnnzoo.errors import UserError
from rnnzoo.export.saved_model import make_serving
from rnnzoo.export.signatures import ServedModel
from rnnzoo.inference.model_names import find_model
from rnnzoo.inference.trained_model import load_export
from rnnzoo.inference.trained_task import create_trained_task
from rnnzoo.tasks.base import Task

TOLERANCE = {"none": 1e-4, "float16": 1e-2, "int8": float("inf")}  # of int8 the metric of the task decides


class ConvertedFile(NamedTuple):
    """A converted signature.

    Attributes:
        signature: its name.
        path: its file.
        size: bytes of its files.
        difference: the largest difference from the SavedModel's answers, relative to 1 plus their size.
    """

    signature: str
    path: Path
    size: int
    difference: float


class Conversion(NamedTuple):
    """A finished conversion.

    Attributes:
        files: the converted signatures.
        description: the JSON file with vocabulary, labels and the order of states.
        quality: the metric of the task before and after quantization, if it was measured.
    """

    files: list[ConvertedFile]
    description: Path
    quality: Quality | None


def convert_export(
    path: str | os.PathLike,
    to: str,
    out: str | os.PathLike,
    *,
    signatures: Sequence[str] = (),
    quantize: str = "none",
    task_options: dict[str, Any] | None = None,
    allow_loss: bool = False,
    overwrite: bool = False,
) -> Conversion:
    """Converts the numeric signatures of an export to ONNX, LiteRT or OpenVINO.

    Each file is run in its own runtime, on two batch sizes and lengths, with padding and without; a difference from
    the SavedModel above 1e-4 (with 16-bit weights 1e-2) leaves no file. After quantization to int8 the first metric of
    the task is measured on 200 test examples.

    Args:
        path: the folder of an export.
        to: "onnx", "litert" or "openvino".
        out: a file with the suffix of the format, for one signature, or else a folder with a file for each.
        signatures: names of signatures, see `rnnzoo.conversion.numeric`; default: all, and for a file
            `serving_default`.
        quantize: how weights are stored: "none" (float32), "float16" or "int8".
        task_options: options of the model's task, such as `data`, a file of labelled examples.
        allow_loss: whether a metric that is more than 2 % worse is accepted.
        overwrite: whether existing files are replaced.

    Raises:
        UserError: bad input, a missing package, or a file that exists.
        ConversionError: the format has no form of the model, or answers differ too much.
    """
    out, target_format = Path(out), FORMATS[to]
    source = _read_source(find_model(path), target_format)
    chosen = _choose_signatures(source.signatures, signatures, out.suffix == target_format.suffix)
    targets, description = prepare_targets(chosen, out, target_format, overwrite)
    task = _create_task(source, quantize, task_options or {})
    with tempfile.TemporaryDirectory(dir=description.parent, prefix=f".{out.name}-", ignore_cleanup_errors=True) as tmp:
        files = ConvertedFiles(Path(tmp), target_format, quantize, source.signatures)
        return _convert(source, files, targets, description, lambda: _measure(source, task, files, chosen, allow_loss))


class _Source(NamedTuple):
    """An export: its folder, configuration, SavedModel, and the signatures of the model rebuilt from it."""

    path: Path
    config: dict[str, Any]
    loaded: Any
    serving: ServedModel
    signatures: dict[str, NumericSignature]


def _read_source(path: Path, target_format: Format) -> _Source:
    model, loaded, config = load_export(path)
    target_format.check_installed()
    serving = make_serving(model)
    return _Source(path, config, loaded, serving, make_numeric_signatures(serving))


def _create_task(source: _Source, quantize: str, options: dict[str, Any]) -> Task | None:
    """Returns the task to measure the loss of a quantization by; None if it needs not be measured."""
    if quantize == "int8" or (quantize == "float16" and options):
        return create_trained_task(source.serving.model, source.config, source.path, options)
    return None


def _convert(
    source: _Source,
    files: ConvertedFiles,
    targets: dict[str, Path],
    description: Path,
    measure: Callable[[], Quality | None],
) -> Conversion:
    """Writes, compares and measures the files of the signatures, then moves them to `targets`."""
    known, tolerance = source.signatures, TOLERANCE[files.quantize]
    differences = {
        name: compare_with_saved_model(known[name], files, source.serving, source.loaded, tolerance) for name in targets
    }
    quality = measure()
    contents: dict[str, Any] = {"rnnzoo": rnnzoo.__version__, "source": source.path.resolve().name}
    contents |= {"format": files.format.name, "quantize": files.quantize}
    contents |= describe_model(source.serving, source.config)
    contents["signatures"] = {
        name: {"file": target.name, **describe_signature(known[name], source.serving)}
        for name, target in targets.items()
    }
    reports = [ConvertedFile(n, target, files.move(n, target), differences[n]) for n, target in targets.items()]
    written = files.folder / DESCRIPTION
    written.write_text(json.dumps(contents, indent=1, ensure_ascii=False), encoding="utf-8")
    written.replace(description)
    return Conversion(reports, description, quality)


def _measure(
    source: _Source, task: Task | None, files: ConvertedFiles, chosen: list[str], allow_loss: bool
) -> Quality | None:
    """Measures the metric of a task by `step` and by the other signatures; returns the worse one.

    Raises:
        ConversionError: it is more than `MAX_LOSS` worse than before, and `allow_loss` is False.
    """
    if task is None:
        return None
    by_steps = {name == "step" for name in chosen}
    qualities = [measure_quality(source.serving, task, files.run, way) for way in sorted(by_steps)]
    quality = max(qualities, key=lambda quality: quality.loss)
    if quality.loss > MAX_LOSS and not allow_loss:
        raise ConversionError(f"{describe_quality(quality)}; add --allow_loss to accept it")
    return quality


def describe_quality(quality: Quality) -> str:
    """Describes a quality in one line."""
    change = f"{abs(quality.loss):.1%} {'worse' if quality.loss > 0 else 'better'}"
    return f"{quality.metric} {quality.before:.4f} -> {quality.after:.4f} on {quality.examples} test examples, {change}"


def _choose_signatures(known: dict[str, NumericSignature], names: Sequence[str], single: bool) -> list[str]:
    listed = ", ".join(known)
    if unknown := set(names) - known.keys():
        raise UserError(f"--signature={min(unknown)}: the numeric signatures of this model are {listed}")
    if not single:
        return [name for name in known if not names or name in names]
    names = names or [name for name in ("serving_default",) if name in known]
    if len(names) != 1:
        raise UserError(f"one file holds one signature: name one of {listed} by --signature, or give a folder by --out")
    return list(names)
