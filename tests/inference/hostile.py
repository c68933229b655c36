"""SavedModels and `.keras` files that do harm when they are loaded or called."""

import contextlib
import json
import shutil
import zipfile

import keras
import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

import rnnzoo

SPEC = rnnzoo.TaskSpec("features", "vector", False, 3, 1, "mse", ("mse",))


class AtLoad(tf.saved_model.experimental.TrackableResource):
    """A resource whose initializer runs when a SavedModel is loaded, before anything is called."""

    def __init__(self, act):
        super().__init__()
        self.act = act

    def _create_resource(self):
        return tf.raw_ops.HashTableV2(key_dtype=tf.string, value_dtype=tf.int64)

    def _initialize(self):
        self.act()


def at_load(path, act):
    """A SavedModel that acts when it is loaded."""
    module = tf.Module()
    module.resource = AtLoad(act)
    module.resource.resource_handle  # noqa: B018

    @tf.function(input_signature=[tf.TensorSpec([])])
    def f(x):
        module.resource.resource_handle  # noqa: B018
        return x

    module.f = f
    with tf.device("cpu"), contextlib.suppress(Exception):
        tf.saved_model.save(module, str(path), signatures=f)
    return path


def in_signature(path, act):
    """A SavedModel that acts when it is called."""
    module = tf.Module()

    @tf.function(input_signature=[tf.TensorSpec([])])
    def f(x):
        act()
        return x

    module.f = f
    tf.saved_model.save(module, str(path), signatures=f)
    return path


def in_main_op(path, make):
    """A SavedModel of TensorFlow 1 whose main operation acts when it is loaded."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        x = tf.compat.v1.placeholder(tf.float32, [], "x")
        y = tf.identity(x)
        builder = tf.compat.v1.saved_model.Builder(str(path))
        info = (
            {"x": tf.compat.v1.saved_model.build_tensor_info(x)},
            {"y": tf.compat.v1.saved_model.build_tensor_info(y)},
        )
        signature = tf.compat.v1.saved_model.build_signature_def(*info, "tensorflow/serving/predict")
        main = make()
        builder.add_meta_graph_and_variables(session, ["serve"], {"serving_default": signature}, main_op=main)
        builder.save()
    return path


def edited(path, whole, change):
    """A copy of a whole export whose graph `change(meta_graph)` has altered."""
    shutil.copytree(whole, path)
    stored = saved_model_pb2.SavedModel()
    stored.ParseFromString((path / "saved_model.pb").read_bytes())
    change(stored.meta_graphs[0])
    (path / "saved_model.pb").write_bytes(stored.SerializeToString())
    return path


def keras_file(path, change=None, **more):
    """A `.keras` file whose configuration `change(config)` has altered, with further or other parts."""
    rnnzoo.create_model("lstm", SPEC, units=2).save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    config = json.loads(parts["config.json"])
    if change:
        change(config)
    parts["config.json"] = json.dumps(config).encode()
    damaged = [name for name, data in more.items() if data is None]
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in {**parts, **more}.items():
            archive.writestr(name, parts[name] if data is None else data)
        where = [archive.getinfo(name).header_offset + 30 + len(name) for name in damaged]
    for offset in where:  # the first bytes of what is compressed
        whole = bytearray(path.read_bytes())
        whole[offset : offset + 9] = b"\xff" * 9
        path.write_bytes(whole)
    return path


def own_layers(path, units):
    """A `.keras` file of the user's own model with a layer of this package, of so many units."""
    inputs = keras.Input([None, 3])
    keras.Model(inputs, rnnzoo.layers.LSTM(2)(inputs)).save(path)
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    parts["config.json"] = parts["config.json"].replace(b'"units": 2', b'"units": %d' % units)
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    return path
