"""Forecasts of an exported model for a CSV file."""

import csv
import io
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from rnnzoo.data.number_format import NumberFormat
from rnnzoo.data.numeric_table import ColumnChoice, NumericTable
from rnnzoo.errors import UserError
from rnnzoo.inference.predict_options import PredictOptions
from rnnzoo.spec import TaskSpec


def forecast_table(signatures: Any, spec: TaskSpec, path: Path, options: PredictOptions) -> bytes:
    """Forecasts the rows that follow those of a CSV file.

    Args:
        signatures: the signatures of the export.
        spec: the specification of its task.
        path: the file, with the columns of the training data; the last rows, as many as a window has, are read.
        options: the format of its numbers, which is also that of the result.

    Returns:
        A CSV file: the number of each step from 1, and the forecast of each column, or of each of its quantiles.

    Raises:
        UserError: the file has fewer rows than a window, or lacks a column.
    """
    number_format = NumberFormat(options.decimal, options.thousands)
    choice = ColumnChoice(spec.feature_names, time_column=options.time_column)
    table = NumericTable(path, options.encoding, number_format, choice)
    if len(table) < spec.window:
        raise UserError(f"{path} has {len(table)} rows, and the model reads a window of {spec.window}")
    features = tf.constant(table.read(slice(-spec.window, None))[None], tf.float32)
    forecasts = signatures["serving_default"](features=features)["predictions"].numpy()[0]
    header = [f"{name} {q:g}" for name in spec.labels for q in spec.quantiles] or list(spec.labels)
    rows = forecasts.reshape(len(forecasts), len(header))
    separator = ";" if options.decimal == "," else ","
    text = io.StringIO()
    writer = csv.writer(text, delimiter=separator, lineterminator="\n")
    writer.writerow(["step", *header])
    for step, row in enumerate(rows, 1):
        writer.writerow([step, *(np.format_float_positional(v, trim="-").replace(".", options.decimal) for v in row)])
    return text.getvalue().encode()
