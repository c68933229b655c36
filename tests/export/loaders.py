"""Programs that load an export: the command-line tool, the C library, TF Serving's REST interface."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf


def saved_model_cli(path, signature, **inputs):
    """Outputs of `saved_model_cli run`, by name, as arrays that it writes to files."""
    out = Path(path).parent / "cli"
    out.mkdir(exist_ok=True)
    given = ";".join(f"{name}={np.asarray(value).tolist()!r}" for name, value in inputs.items())
    command = [Path(sys.executable).parent / "saved_model_cli", "run", "--dir", path, "--tag_set", "serve"]
    command += ["--signature_def", signature, "--input_exprs", given, "--outdir", out, "--overwrite"]
    done = subprocess.run(
        [*map(str, command)],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return {file.stem: np.load(file, allow_pickle=True) for file in out.glob("*.npy")}


C_PROGRAM = r"""
import ctypes, json, sys

import numpy as np

library, path, requests = sys.argv[1:]
tf = ctypes.CDLL(library, mode=ctypes.RTLD_GLOBAL)
P, N = ctypes.c_void_p, ctypes.c_size_t
for name, result, *arguments in [
    ("TF_NewStatus", P), ("TF_GetCode", ctypes.c_int, P), ("TF_Message", ctypes.c_char_p, P), ("TF_NewGraph", P),
    ("TF_NewSessionOptions", P), ("TF_NewBuffer", P),
    ("TF_LoadSessionFromSavedModel", P, P, P, ctypes.c_char_p, P, ctypes.c_int, P, P, P),
    ("TF_GraphOperationByName", P, P, ctypes.c_char_p),
    ("TF_AllocateTensor", P, ctypes.c_int, P, ctypes.c_int, N), ("TF_TensorData", P, P), ("TF_TensorByteSize", N, P),
    ("TF_TensorType", ctypes.c_int, P), ("TF_NumDims", ctypes.c_int, P), ("TF_Dim", ctypes.c_int64, P, ctypes.c_int),
    ("TF_SessionRun", None, P, P, P, P, ctypes.c_int, P, P, ctypes.c_int, P, ctypes.c_int, P, P),
    ("TF_StringInit", None, P), ("TF_StringCopy", None, P, ctypes.c_char_p, N),
    ("TF_StringGetDataPointer", ctypes.c_char_p, P), ("TF_StringGetSize", N, P),
]:
    function = getattr(tf, name)
    function.restype, function.argtypes = result, arguments


class Output(ctypes.Structure):
    _fields_ = [("operation", P), ("index", ctypes.c_int)]


TYPES = {1: "float32", 3: "int32", 9: "int64", 10: "bool"}
STRING, STRING_SIZE = 7, 24
status = tf.TF_NewStatus()


def check():
    if tf.TF_GetCode(status):
        sys.exit(tf.TF_Message(status).decode())


def place(graph, name):
    operation, _, index = name.partition(":")
    found = tf.TF_GraphOperationByName(graph, operation.encode())
    assert found, name
    return Output(found, int(index))


def tensor(value):
    array = np.asarray(value["values"], dtype=object if value["dtype"] == "string" else value["dtype"])
    dims = (ctypes.c_int64 * array.ndim)(*array.shape)
    if value["dtype"] == "string":
        made = tf.TF_AllocateTensor(STRING, dims, array.ndim, STRING_SIZE * array.size)
        for i, text in enumerate(array.ravel()):
            at, text = tf.TF_TensorData(made) + i * STRING_SIZE, text.encode()
            tf.TF_StringInit(at)
            tf.TF_StringCopy(at, text, len(text))
        return made
    code = next(code for code, name in TYPES.items() if name == array.dtype.name)
    made = tf.TF_AllocateTensor(code, dims, array.ndim, array.nbytes)
    ctypes.memmove(tf.TF_TensorData(made), np.ascontiguousarray(array).ctypes.data, array.nbytes)
    return made


def values(made):
    shape = [tf.TF_Dim(made, i) for i in range(tf.TF_NumDims(made))]
    if tf.TF_TensorType(made) == STRING:
        first = tf.TF_TensorData(made)
        places = [first + i * STRING_SIZE for i in range(int(np.prod(shape)))]
        texts = [ctypes.string_at(tf.TF_StringGetDataPointer(p), tf.TF_StringGetSize(p)).decode() for p in places]
        return np.array(texts, object).reshape(shape).tolist()
    dtype = np.dtype(TYPES[tf.TF_TensorType(made)])
    data = ctypes.string_at(tf.TF_TensorData(made), tf.TF_TensorByteSize(made))
    return np.frombuffer(data, dtype).reshape(shape).tolist()


graph, tags = tf.TF_NewGraph(), (ctypes.c_char_p * 1)(b"serve")
session = tf.TF_LoadSessionFromSavedModel(
    tf.TF_NewSessionOptions(), None, path.encode(), tags, 1, graph, tf.TF_NewBuffer(), status
)
check()
answers = []
for request in json.loads(requests):
    inputs = (Output * len(request["inputs"]))(*(place(graph, name) for name in request["inputs"]))
    given = (P * len(inputs))(*(tensor(value) for value in request["inputs"].values()))
    outputs = (Output * len(request["outputs"]))(*(place(graph, name) for name in request["outputs"].values()))
    found = (P * len(outputs))()
    tf.TF_SessionRun(session, None, inputs, given, len(inputs), outputs, found, len(outputs), None, 0, None, status)
    check()
    answers.append({name: values(made) for name, made in zip(request["outputs"], found)})
assert "tensorflow" not in sys.modules
print(json.dumps(answers))
"""


def c_library(path, requests):
    """Answers by TensorFlow's C library from a process that never imports TensorFlow's Python.

    `requests` are pairs of a signature and its inputs, `{name: array}`; the answers are dictionaries of arrays.
    """
    with tf.compat.v1.Session(graph=tf.Graph()) as session:
        signatures = tf.compat.v1.saved_model.load(session, ["serve"], str(path)).signature_def
    sent = []
    for signature, inputs in requests:
        actual = signatures[signature]
        arrays = {name: np.asarray(value) for name, value in inputs.items()}
        sent.append(
            {
                "inputs": {actual.inputs[name].name: _described(array) for name, array in arrays.items()},
                "outputs": {name: info.name for name, info in actual.outputs.items()},
            }
        )
    library = Path(tf.__file__).parent / "libtensorflow_cc.so.2"
    done = subprocess.run(
        [sys.executable, "-c", C_PROGRAM, str(library), str(path), json.dumps(sent)],
        capture_output=True,
        text=True,
        env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    answers = json.loads(done.stdout.splitlines()[-1])
    return [{name: np.array(value) for name, value in answer.items()} for answer in answers]


def _described(array):
    strings = array.dtype.kind in "OSU"
    values = [t.decode() if isinstance(t, bytes) else str(t) for t in array.ravel()] if strings else array.ravel()
    values = np.array(values, object if strings else array.dtype).reshape(array.shape).tolist()
    return {"dtype": "string" if strings else array.dtype.name, "values": values}


class RestError(ValueError):
    """An error that TF Serving answers with an error status."""


def rest(loaded, body, signature="serving_default"):
    """The answer of TF Serving's REST interface to a JSON request, as JSON, by the rules of its documentation.

    A request has either `instances`, a list of rows, each a value or an object of named values, or `inputs`, a value
    or an object of named ones with the batch first. Bytes are `{"b64": text}`. In the row format all inputs and
    outputs must have the same 0th dimension. `loaded` is a SavedModel in memory.
    """
    request = json.loads(body)
    function = loaded.signatures[signature]
    specs = function.structured_input_signature[1]
    if ("instances" in request) == ("inputs" in request):
        raise RestError("Missing 'inputs' or 'instances' key")
    rows = "instances" in request
    if rows:
        instances = request["instances"]
        if not isinstance(instances, list) or not instances:
            raise RestError("'instances' must be a non-empty list")
        if not all(isinstance(i, dict) and set(i) != {"b64"} for i in instances):
            instances = [{_only(specs): instance} for instance in instances]
        if any(set(instance) != set(instances[0]) for instance in instances):
            raise RestError("instances differ in their keys")
        columns = {name: [instance[name] for instance in instances] for name in instances[0]}
    else:
        columns = request["inputs"]
        if not isinstance(columns, dict) or set(columns) == {"b64"}:
            columns = {_only(specs): columns}
    if set(columns) != set(specs):
        raise RestError(f"inputs {sorted(columns)} are not {sorted(specs)}")
    given = {name: tf.constant(_decoded(value), specs[name].dtype) for name, value in columns.items()}
    actual = {name: value.numpy() for name, value in function(**given).items()}
    if rows:
        sizes = {len(value) if value.ndim else None for value in actual.values()}
        if sizes != {len(request["instances"])}:
            raise RestError(f"outputs have inconsistent batch sizes {sizes}")
    answers = {name: _encoded(name, value) for name, value in actual.items()}
    if not rows:
        return json.dumps({"outputs": answers if len(answers) > 1 else next(iter(answers.values()))}, allow_nan=False)
    each = [dict(zip(answers, row, strict=True)) for row in zip(*answers.values(), strict=True)]
    return json.dumps({"predictions": each if len(answers) > 1 else next(iter(answers.values()))}, allow_nan=False)


def _only(specs):
    if len(specs) != 1:
        raise RestError(f"values without a name, but the signature has the inputs {sorted(specs)}")
    return next(iter(specs))


def _decoded(value):
    if isinstance(value, dict):
        return base64.b64decode(value["b64"])
    return [_decoded(item) for item in value] if isinstance(value, list) else value


def _encoded(name, value):
    if value.dtype != object:
        return value.tolist()
    if name.endswith("_bytes"):
        texts = [{"b64": base64.b64encode(text).decode()} for text in value.ravel()]
    else:
        texts = [text.decode() for text in value.ravel()]
    return np.array(texts, object).reshape(value.shape).tolist()
