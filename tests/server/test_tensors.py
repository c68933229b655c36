"""JSON and tensors, by the rules of TensorFlow Serving's REST interface."""

import json

import numpy as np
import pytest
import tensorflow as tf

from rnnzoo.server.errors import RequestError
from rnnzoo.server.limits import ServeOptions, check_limits
from rnnzoo.server.tensors import format_outputs, parse_inputs

TEXT = {"text": tf.TensorSpec([None], tf.string)}
NUMBERS = {"features": tf.TensorSpec([None, None, 2], tf.float32)}
MIXED = {
    "ids": tf.TensorSpec([None, None], tf.int32),
    "mask": tf.TensorSpec([None, None], tf.bool),
    "text": tf.TensorSpec([None], tf.string),
}
GENERATE = {"prompt": tf.TensorSpec([None], tf.string), "length": tf.TensorSpec([None], tf.int32)}


@pytest.mark.parametrize(
    ("specs", "body", "expected"),
    [
        (TEXT, {"instances": ["a", "é"]}, {"text": [b"a", "é".encode()]}),
        (TEXT, {"instances": [{"text": "a"}, {"text": "b"}]}, {"text": [b"a", b"b"]}),
        (TEXT, {"instances": [{"b64": "/wA="}]}, {"text": [b"\xff\0"]}),
        (TEXT, {"instances": [{"text": {"b64": "YQ=="}}]}, {"text": [b"a"]}),
        (TEXT, {"inputs": ["a"]}, {"text": [b"a"]}),
        (TEXT, {"inputs": {"text": ["a", "b"]}}, {"text": [b"a", b"b"]}),
        (NUMBERS, {"instances": [[[1, 2.5]], [[3, 4]]]}, {"features": [[[1, 2.5]], [[3, 4]]]}),
        (NUMBERS, {"inputs": {"features": [[[1, 2]]]}}, {"features": [[[1, 2]]]}),
        (
            MIXED,
            {"instances": [{"ids": [1, 2], "mask": [True, False], "text": "x"}]},
            {"ids": [[1, 2]], "mask": [[True, False]], "text": [b"x"]},
        ),
    ],
)
def test_rows_and_columns(specs, body, expected):
    arrays, by_rows = parse_inputs(json.loads(json.dumps(body)), specs)
    assert by_rows == ("instances" in body)
    assert {name: array.tolist() for name, array in arrays.items()} == expected
    for name, spec in specs.items():
        tf.constant(arrays[name], spec.dtype)


@pytest.mark.parametrize(
    ("specs", "text", "message"),
    [
        (TEXT, "[]", "must be an object"),
        (TEXT, "{}", "neither 'instances' nor 'inputs'"),
        (TEXT, '{"instances": ["a"], "inputs": ["a"]}', "both 'instances' and 'inputs'"),
        (TEXT, '{"instances": []}', "a list that is not empty"),
        (TEXT, '{"instances": "a"}', "a list that is not empty"),
        (TEXT, '{"instances": [1]}', "input 'text' is of type string, and an integer is given"),
        (TEXT, '{"instances": [null]}', "input 'text' is of type string, and null is given"),
        (TEXT, '{"instances": [["a"]]}', r"the shape \[1, 1\], and \(None,\) is expected"),
        (TEXT, '{"instances": [{"text": "a", "more": 1}]}', "instance 0 has no input 'more'"),
        (TEXT, '{"instances": [{"txt": "a"}]}', "instance 0 lacks the named input 'text'"),
        (TEXT, '{"instances": [{"b64": "?"}]}', "not base64"),
        (TEXT, '{"instances": ["\\ud800"]}', "unpaired surrogate"),
        (TEXT, '{"inputs": {"x": 1}}', "'inputs' lacks the named input 'text'"),
        (NUMBERS, '{"instances": [[[1, 2], [3]]]}', "lists of different lengths"),
        (NUMBERS, '{"instances": [[[1, "2"]]]}', "type float32, and a string is given"),
        (NUMBERS, '{"instances": [[[1, true]]]}', "type float32, and a boolean is given"),
        (NUMBERS, '{"instances": [[[1, 2, 3]]]}', "is expected"),
        (MIXED, '{"instances": [1]}', "an object of the named inputs ids, mask, text"),
        (MIXED, '{"inputs": {"ids": [[1.5]], "mask": [[true]], "text": ["a"]}}', "type int32, and a number is given"),
        (MIXED, '{"inputs": {"ids": [[3000000000]], "mask": [[true]], "text": ["a"]}}', "out of the range of int32"),
        (MIXED, '{"inputs": {"ids": [[1]], "mask": [[1]], "text": ["a"]}}', "type bool, and an integer is given"),
    ],
)
def test_bad_requests(specs, text, message):
    with pytest.raises(RequestError, match=message) as caught:
        parse_inputs(json.loads(text), specs)
    assert caught.value.status == 400


def test_outputs_have_the_format_of_the_inputs():
    text, score = np.array([b"a", "é".encode()], object), np.array([0.5, 1.5], "float32")
    assert format_outputs({"text": text}, True) == {"predictions": ["a", "é"]}
    assert format_outputs({"text": text}, False) == {"outputs": ["a", "é"]}
    both = {"text": text, "score": score}
    assert format_outputs(both, True) == {"predictions": [{"text": "a", "score": 0.5}, {"text": "é", "score": 1.5}]}
    assert format_outputs(both, False) == {"outputs": {"text": ["a", "é"], "score": [0.5, 1.5]}}
    assert format_outputs({"raw_bytes": text}, False) == {"outputs": [{"b64": "YQ=="}, {"b64": "w6k="}]}
    assert format_outputs({"text": np.array([b"\xff"], object)}, False) == {"outputs": [{"b64": "/w=="}]}
    with pytest.raises(RequestError, match="the same number of rows"):
        format_outputs({"text": text, "score": score[:1]}, True)
    with pytest.raises(RequestError, match="the same number of rows"):
        format_outputs({"total": np.float32(3)}, True)


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"prompt": np.array([b"a"] * 5, object)}, "has 5 rows, and the limit is 4"),
        ({"prompt": np.array([b"a" * 30], object)}, "a length of 30, and the limit is 20"),
        ({"x": np.zeros([1, 21])}, "a length of 21"),
        ({"length": np.array([3, 31], "int32")}, "input 'length' is 31, and the limit is 30"),
        ({"beam_size": np.array([9], "int32")}, "input 'beam_size' is 9, and the limit is 8"),
        ({"x": np.zeros([4, 15, 2])}, "the inputs have 120 values, and the limit is 100"),
    ],
)
def test_limits(arrays, message):
    options = ServeOptions(max_batch=4, max_length=20, max_values=100, max_generated=30, max_beam=8)
    with pytest.raises(RequestError, match=message):
        check_limits(arrays, options)
    check_limits({name: array[:1, :1] if array.ndim > 1 else array[:1][:0] for name, array in arrays.items()}, options)
