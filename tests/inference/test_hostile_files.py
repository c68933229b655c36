"""Hostile files are refused before they have an effect; the message names the offending part."""

import json
import os
import socket
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import op_def_pb2
from tensorflow.python.framework import op_def_registry  # noqa: F401  (all operations are registered)

import rnnzoo
from rnnzoo.inference.safety import allowed_operations
from tests.helpers import normal
from tests.inference import hostile, operations

PATIENCE = 30  # seconds after which a load counts as hanging


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """An export with tables, variables and loops."""
    symbols = ("<pad>", "<unk>", "<s>", *"abc ")
    spec = rnnzoo.TaskSpec("tokens", "token", True, 7, 7, "cross_entropy", ("loss",), symbols)
    model = rnnzoo.create_model("lstm", spec, units=3, embedding=2)
    return rnnzoo.export_saved_model(model, tmp_path_factory.mktemp("whole") / "export")


def refused(path, *parts):
    """Loads in a thread, which must not hang; the error must be one line that contains all `parts`."""
    caught = []

    def run():
        try:
            rnnzoo.load(path)
        except Exception as error:
            caught.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    assert not thread.is_alive(), "loading hangs"
    assert caught and isinstance(caught[0], rnnzoo.UserError), caught
    message = str(caught[0])
    assert "\n" not in message and str(path) in message
    for part in parts:
        assert part in message, message


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def write(mark):
    return lambda: tf.io.write_file(tf.constant(str(mark)), "here")


def nested(mark):
    """Inside a branch inside a loop."""

    def act():
        def body(i):
            tf.cond(i > 0, write(mark), lambda: tf.no_op())
            return i + 1

        tf.while_loop(lambda i: i < 2, body, [tf.constant(0)])

    return act


def restore_operation(mark):
    """Reads a checkpoint of another place."""
    tf.raw_ops.RestoreV2(prefix=str(mark), tensor_names=["x"], shape_and_slices=[""], dtypes=[tf.float32])


def server():
    from tensorflow.distribute.experimental.rpc.kernels import gen_rpc_ops

    gen_rpc_ops.rpc_server_start(gen_rpc_ops.rpc_server(server_address=f"localhost:{free_port()}"))


ACTS = {  # the operation that must be named, and what does it
    "WriteFile": write,
    "WriteFile, nested": nested,
    "ReadFile": lambda mark: lambda: tf.io.read_file(tf.constant("/etc/passwd")),
    "MatchingFiles": lambda mark: lambda: tf.io.matching_files("/etc/*"),
    "PrintV2": lambda mark: lambda: tf.print("here"),
    "EagerPyFunc": lambda mark: lambda: tf.py_function(lambda: mark.touch(), [], []),
    "SaveV2": lambda mark: (
        lambda: tf.raw_ops.SaveV2(
            prefix=str(mark), tensor_names=["x"], shape_and_slices=[""], tensors=[tf.constant(1.0)]
        )
    ),
    "Save": lambda mark: lambda: tf.raw_ops.Save(filename=str(mark), tensor_names=["x"], data=[tf.constant(1.0)]),
    "SaveSlices": lambda mark: (
        lambda: tf.raw_ops.SaveSlices(
            filename=str(mark), tensor_names=["x"], shapes_and_slices=[""], data=[tf.constant(1.0)]
        )
    ),
    "RestoreV2": lambda mark: lambda: restore_operation(mark),
    "ImmutableConst": lambda mark: (
        lambda: tf.raw_ops.ImmutableConst(dtype=tf.uint8, shape=[10], memory_region_name="/etc/passwd")
    ),
    "Abort": lambda mark: lambda: tf.raw_ops.Abort(error_msg="gone", exit_without_error=True),
    "GenerateVocabRemapping": lambda mark: (
        lambda: tf.raw_ops.GenerateVocabRemapping(
            new_vocab_file="/etc/passwd", old_vocab_file="/etc/passwd", new_vocab_offset=0, num_new_vocab=1
        )
    ),
    "RpcServer": lambda mark: server,
    "TextLineDataset": lambda mark: (
        lambda: tf.raw_ops.TextLineDataset(filenames=["/etc/passwd"], compression_type="", buffer_size=0)
    ),
    "MutableHashTableV2": lambda mark: lambda: tf.raw_ops.MutableHashTableV2(key_dtype=tf.string, value_dtype=tf.int64),
    "AssignVariableOp": lambda mark: (
        lambda: tf.raw_ops.AssignVariableOp(resource=tf.raw_ops.VarHandleOp(dtype=tf.float32, shape=[]), value=1.0)
    ),
    "RandomUniform": lambda mark: lambda: tf.random.uniform([2]),
}


OTHER = {"AssignVariableOp": "VarHandleOp"}  # what it needs is found before it
PLACES = {"at_load": "(_initialize of a table)", "in_signature": "(a signature)"}


@pytest.mark.parametrize("case", ACTS)
@pytest.mark.parametrize("place", ["at_load", "in_signature"])
def test_operations_are_refused_by_name_and_place(case, place, tmp_path):
    mark = tmp_path / "mark"
    try:
        path = getattr(hostile, place)(tmp_path / "model", ACTS[case](mark))
    except (AttributeError, TypeError, ValueError) as error:
        pytest.fail(f"the hostile file could not be made: {error}")
    mark.unlink(missing_ok=True)
    assert (path / "saved_model.pb").exists()
    refused(path, f"it holds the operation {OTHER.get(case, case.partition(',')[0])} (", PLACES[place])
    assert not mark.exists()


def test_infinite_loop_at_load_is_refused(tmp_path):
    def act():
        tf.while_loop(lambda i: i >= 0, lambda i: [tf.maximum(i, 0)], [tf.constant(0)])

    refused(hostile.at_load(tmp_path / "model", act), "While (", "(_initialize of a table)")


@pytest.mark.slow
def test_main_operation_of_tensorflow_1_is_refused(tmp_path):
    mark = tmp_path / "mark"

    def main_op():
        region = tf.raw_ops.ImmutableConst(dtype=tf.uint8, shape=[10], memory_region_name="/etc/passwd")
        return tf.raw_ops.SaveV2(prefix=str(mark), tensor_names=["x"], shape_and_slices=[""], tensors=[region])

    path = hostile.in_main_op(tmp_path / "model", main_op)
    for file in tmp_path.glob("mark*"):
        file.unlink()
    refused(path, "the operation ImmutableConst ('ImmutableConst' in the graph)")
    assert not list(tmp_path.glob("mark*"))
    code = f"import tensorflow as tf; tf.saved_model.load({str(path)!r})"  # it is hostile indeed
    subprocess.run([sys.executable, "-c", code], env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"}, capture_output=True)
    assert list(tmp_path.glob("mark*"))


def add_node(op, name, inputs=(), **attributes):
    def change(meta):
        node = meta.graph_def.node.add(op=op, name=name, input=list(inputs))
        for key, value in attributes.items():
            node.attr[key].CopyFrom(value)

    return change


def run_in_main_op(meta):
    add_node("WriteFile", "write")(meta)
    next(node for node in meta.graph_def.node if node.op == "NoOp").input.append("^write")


def run_signature_in_main_op(meta):
    node = next(n for n in meta.graph_def.node if n.op == "NoOp")
    calls = (n for n in meta.graph_def.node if "signature_wrapper" in n.attr["f"].func.name)
    node.input.append("^" + next(calls).name)


def in_function(part, op):
    def change(meta):
        function = next(f for f in meta.graph_def.library.function if part in f.signature.name)
        function.node_def.add(op=op, name="added")

    return change


def other_file_name(meta):
    call = next(n for n in meta.graph_def.node if "traced_restore" in n.attr["f"].func.name)
    meta.graph_def.node.add(op="Const", name="elsewhere").attr["value"].tensor.string_val.append(b"/etc/x")
    call.input[0] = "elsewhere"


def file_name_inside(meta):
    function = next(f for f in meta.graph_def.library.function if "traced_save" in f.signature.name)
    join = next(n for n in function.node_def if n.op == "StringJoin")
    function.node_def.add(op="Const", name="away").attr["value"].tensor.string_val.append(b"/../../x")
    join.input.append("away:output:0")


def own_file_name(meta):
    function = next(f for f in meta.graph_def.library.function if "traced_restore" in f.signature.name)
    function.node_def.add(op="Const", name="own").attr["value"].tensor.string_val.append(b"x")
    next(n for n in function.node_def if n.op == "RestoreV2").input[0] = "own:output:0"


def huge_constant(meta):
    node = next(n for n in meta.graph_def.node if n.op == "Const")
    tensor = node.attr["value"].tensor
    tensor.Clear()
    tensor.dtype = 1
    tensor.float_val.append(0)
    for _ in range(2):
        tensor.tensor_shape.dim.add(size=10**9)


def saver_as_signature(meta):
    name = next(f.signature.name for f in meta.graph_def.library.function if "traced_save" in f.signature.name)
    objects = meta.object_graph_def.nodes
    next(n for n in objects if n.WhichOneof("kind") == "bare_concrete_function").bare_concrete_function.CopyFrom(
        type(objects[0].bare_concrete_function)(concrete_function_name=name)
    )


def asset(meta):
    meta.asset_file_def.add(filename="../../secret.txt").tensor_info.name = "x:0"


def saveable(meta):
    meta.object_graph_def.nodes[0].saveable_objects["x"].restore_function = 3


def kind_of_object(meta):
    meta.object_graph_def.nodes[0].user_object.identifier = "_tf_keras_model"


def collection(meta):
    meta.collection_def["legacy_init_op"].node_list.value.append("NoOp")


def missing_function(meta):
    next(n for n in meta.graph_def.node if "f" in n.attr).attr["f"].func.name = "nowhere"


def duplicate(meta):
    meta.graph_def.node.add().CopyFrom(meta.graph_def.node[0])


def table(meta):
    """Returns the object of a table, and its children by name."""
    node = next(n for n in meta.object_graph_def.nodes if n.WhichOneof("kind") == "resource")
    return node, {child.local_name: child for child in node.children}


def other_kind_of_initializer(meta):
    objects = meta.object_graph_def.nodes
    bare = next(i for i, n in enumerate(objects) if n.WhichOneof("kind") == "bare_concrete_function")
    table(meta)[1]["_initialize"].node_id = bare


def initializer_from_the_end(meta):
    table(meta)[1]["_initialize"].node_id = -1


def object_that_is_called(meta):
    meta.object_graph_def.nodes[0].children.add(node_id=1, local_name="_maybe_initialize_trackable")


def child_of_a_table(meta):
    table(meta)[0].children.add(node_id=1, local_name="_destruction_context")


def class_of_another_kind(meta):
    meta.object_graph_def.nodes[0].registered_name = "tf.StaticHashTable"


def creator_as_a_dependency(meta):
    node, children = table(meta)
    node.dependencies.add(node_id=children["_create_resource"].node_id, local_name="_create_resource")


def function_with_the_name_of_an_operation(meta):
    meta.graph_def.library.function[0].signature.name = "NoOp"


def saver_as_an_initializer(meta):
    saver = next(f.signature.name for f in meta.graph_def.library.function if "traced_save" in f.signature.name)
    function = meta.object_graph_def.nodes[table(meta)[1]["_initialize"].node_id].function
    function.concrete_functions[0] = saver


def constant_of_another_operation(meta):
    node = next(n for n in meta.graph_def.node if n.op == "Placeholder")
    tensor = node.attr["value"].tensor
    tensor.dtype = 1
    tensor.float_val.append(0)
    tensor.tensor_shape.dim.add(size=1_500_000_000)


def one_constant_for_many(meta):
    constant = next(n for n in meta.object_graph_def.nodes if n.WhichOneof("kind") == "constant")
    node = next(n for n in meta.graph_def.node if n.name == constant.constant.operation)
    tensor = node.attr["value"].tensor
    tensor.Clear()
    tensor.dtype = 1
    tensor.float_val.append(0)
    tensor.tensor_shape.dim.add(size=60_000_000)
    for _ in range(20):
        meta.object_graph_def.nodes.add().CopyFrom(constant)


def computed_constant(op, *sizes):
    """An operation on constants, which TensorFlow computes when it reads the function."""

    def change(meta):
        function = next(f for f in meta.graph_def.library.function if "signature_wrapper" in f.signature.name)
        for i, size in enumerate(sizes):
            tensor = function.node_def.add(op="Const", name=f"constant_{i}").attr["value"].tensor
            tensor.dtype = 1
            tensor.float_val.append(1)
            tensor.tensor_shape.dim.add(size=size)
        function.node_def.add(op=op, name="large", input=[f"constant_{i}:output:0" for i in range(len(sizes))])

    return change


def variable_beyond_its_file(meta):
    node = next(n for n in meta.object_graph_def.nodes if n.WhichOneof("kind") == "variable")
    node.variable.shape.dim[0].size = 2_000_000_000


EDITS = {
    "an initializer of another kind": (other_kind_of_initializer, "LookupTableImportV2"),
    "an initializer counted from the end": (initializer_from_the_end, "'_initialize' that is no object"),
    "an object that is called": (object_that_is_called, "_maybe_initialize_trackable"),
    "a child of a table": (child_of_a_table, "_destruction_context"),
    "a class of another kind": (class_of_another_kind, "tf.StaticHashTable"),
    "a creator as a dependency": (creator_as_a_dependency, "a table with dependencies"),
    "a function named NoOp": (function_with_the_name_of_an_operation, "NoOp"),
    "the saver as an initializer": (saver_as_an_initializer, "(_initialize of a table)"),
    "a constant of another operation": (constant_of_another_operation, "constants of more than"),
    "one constant for many objects": (one_constant_for_many, "constants of more than"),
    "a Fill of constants": (computed_constant("Fill", 1, 1), "the operation Fill of constants ('large' in function"),
    "a sum of constants that grows": (computed_constant("AddV2", 10_000, 10_000), "the operation AddV2 of constants"),
    "a variable beyond its file": (variable_beyond_its_file, "variables of"),
    "a main operation that writes": (run_in_main_op, "WriteFile"),
    "a main operation that calls a signature": (run_signature_in_main_op, "main_op"),
    "an operation of the graph": (add_node("ReadFile", "read"), "ReadFile ('read' in the graph)"),
    "a server of the graph": (add_node("RpcServer", "serve"), "RpcServer ('serve' in the graph)"),
    "a loop that fills a table": (in_function("initializer", "While"), "While ('added' in function"),
    "a table from a file": (in_function("initializer", "InitializeTableFromTextFileV2"), "_initialize of a table"),
    "a creator that writes": (in_function("creator", "WriteFile"), "_create_resource of a table"),
    "a saver that reads": (in_function("traced_restore", "ReadFile"), "the saver"),
    "a signature that saves": (in_function("signature_wrapper", "SaveV2"), "SaveV2"),
    "another file to restore": (other_file_name, "does not take its file name from its caller"),
    "a file name that leads away": (file_name_inside, "/../../x"),
    "a file name of its own": (own_file_name, "RestoreV2"),
    "a huge constant": (huge_constant, "constants of more than"),
    "the saver as a signature": (saver_as_signature, "a signature"),
    "an asset outside": (asset, "../../secret.txt"),
    "a function that restores": (saveable, "save and restore"),
    "an object of Keras": (kind_of_object, "_tf_keras_model"),
    "another collection": (collection, "legacy_init_op"),
    "a function that is not there": (missing_function, "nowhere"),
    "an operation twice": (duplicate, "two operations"),
}


@pytest.mark.parametrize("case", EDITS)
def test_edited_exports_are_refused(case, whole, tmp_path):
    change, part = EDITS[case]
    refused(hostile.edited(tmp_path / "export", whole, change), part)


def test_other_formats_and_special_files_are_refused(whole, tmp_path):
    path = hostile.edited(tmp_path / "text", whole, lambda meta: None)
    assert rnnzoo.load(path).signatures  # the copy itself is fine
    (path / "saved_model.cpb").write_bytes(b"")
    refused(path, "saved_model.cpb")
    (path / "saved_model.cpb").unlink()
    (path / "debug").mkdir()
    refused(path, "it holds debug")
    (path / "debug").rmdir()
    (path / "assets" / "elsewhere").symlink_to(path.parent)
    refused(path, "assets/elsewhere is a link to a folder")
    (path / "assets" / "elsewhere").unlink()
    os.mkfifo(path / "variables" / "more")
    refused(path, "variables/more is neither a file nor a folder")
    (path / "variables" / "more").unlink()
    (path / "saved_model.pb").write_bytes((path / "saved_model.pb").read_bytes() * 2)
    refused(path, "2 graphs instead of one")


def set_units(config):
    config["config"]["options"]["units"] = 2_000_000_000


def set_some_units(config):
    config["config"]["options"]["units"] = 9_000


def set_layers(config):
    config["config"]["options"]["layers"] = 1_000_000_000


def set_width(config):
    config["config"]["spec"]["word_length"] = 1_000_000_000


def many_objects(config):
    config["config"]["more"] = [{"class_name": "Dense"}] * 30_000


KERAS = {
    "units": (set_units, {}, "'units' is 2,000,000,000"),
    "units that fit in no file": (set_some_units, {}, "of weights"),
    "layers": (set_layers, {}, "'layers' is 1,000,000,000"),
    "another size": (set_width, {}, "'word_length' is 1,000,000,000"),
    "blanks": (None, {"config.json": b" " * (80 << 20)}, "config.json would be 83,886,080 bytes"),
    "metadata": (None, {"metadata.json": b" " * (2 << 20)}, "metadata.json would be"),
    "another file": (None, {"../outside.txt": b"x"}, "'../outside.txt'"),
    "an asset that leads out": (None, {"assets/../../x": b"x"}, "'assets/../../x'"),
    "depth": (None, {"config.json": b"[" * 200_000}, "damaged"),
    "a damaged archive": (None, {"config.json": None}, "is not a .keras file"),
    "a number": (None, {"config.json": b"3"}, "dict expected"),
    "objects": (many_objects, {}, "objects"),
}


@pytest.mark.parametrize("case", KERAS)
def test_hostile_keras_files_are_refused(case, tmp_path):
    change, more, part = KERAS[case]
    refused(hostile.keras_file(tmp_path / "model.keras", change, **more), part)


def test_large_units_in_keras_files_are_refused(tmp_path):
    refused(hostile.own_layers(tmp_path / "m.keras", 2_000_000_000), "'units' is 2,000,000,000")
    assert rnnzoo.load(hostile.own_layers(tmp_path / "fine.keras", 2)).count_params() == 48


def own_models():
    """Users' models with layers of this package, whose configurations hold numbers of all kinds."""
    inputs = keras.Input([7, 3])
    lstm = rnnzoo.layers.LSTM
    yield keras.Model(inputs, keras.layers.Dense(1)(lstm(2)(inputs)))
    yield keras.Model(inputs, lstm(2)(lstm(2, return_sequences=True)(inputs)))
    yield keras.Model(inputs, rnnzoo.layers.Bidirectional(lstm(2, dropout=0.1, seed=2**31))(inputs))
    yield keras.Sequential([inputs, keras.layers.Rescaling(1 / 86400, -1_600_000_000), lstm(2)])
    yield keras.Sequential([keras.Input([3]), keras.layers.RepeatVector(5), rnnzoo.layers.IndRNN(3000)])
    ids = keras.Input([None], dtype="int32")
    yield keras.Model(ids, lstm(2)(keras.layers.Embedding(300_000, 1, mask_zero=True)(ids)))


@pytest.mark.parametrize("number", range(6))
def test_models_of_users_are_loaded(number, tmp_path):
    model = list(own_models())[number]
    model.save(tmp_path / "mine.keras")
    assert rnnzoo.load(tmp_path / "mine.keras").count_params() == model.count_params()


@pytest.mark.parametrize("name", ["indrnn", "dampened", "feedforward"])
def test_wide_cells_without_a_matrix_are_loaded(name, tmp_path):
    model = rnnzoo.create_model(name, hostile.SPEC, units=3000)
    model.save(tmp_path / "wide.keras")
    assert rnnzoo.load(tmp_path / "wide.keras").count_params() == model.count_params()


def test_folder_names_with_patterns_are_refused(whole, tmp_path):
    for name in ("with space", "ünï 日本", "%41"):
        assert rnnzoo.load(hostile.edited(tmp_path / name, whole, lambda meta: None)).signatures
    (tmp_path / "link").symlink_to(whole)
    assert rnnzoo.load(tmp_path / "link").signatures
    refused(hostile.edited(tmp_path / "br[1]acket", whole, lambda meta: None), "with *, ? or [")
    with pytest.raises(rnnzoo.UserError, match="cannot read a SavedModel from a path"):
        rnnzoo.export_saved_model(rnnzoo.create_model("elman", hostile.SPEC, units=2), tmp_path / "e[1]")


def test_special_files_do_not_hang(tmp_path):
    os.mkfifo(tmp_path / "pipe.keras")
    refused(tmp_path / "pipe.keras", "neither a file nor a folder")


class DawsonCell(rnnzoo.cells.AffineCell):
    """A cell of a user, with an operation that no cell of this package has."""

    def step(self, x, r, state, consts):
        h = tf.tanh(x + tf.math.special.dawsn(r))
        return h, (h,)


@pytest.fixture
def dawson():
    """The model of that cell, registered for a test."""
    rnnzoo.CELLS.register("dawson")(DawsonCell)
    yield rnnzoo.create_model("dawson", hostile.SPEC, units=3)
    del rnnzoo.CELLS._entries["dawson"], rnnzoo.MODELS._entries["dawson"]


@pytest.mark.slow
def test_operations_of_a_users_cell_can_be_allowed(dawson, tmp_path):
    model = dawson
    path = rnnzoo.export_saved_model(model, tmp_path / "own")
    refused(path, "the operation Dawsn", "allow_ops")
    x = normal(2, 5, 3)
    loaded = rnnzoo.load(path, allow_ops="Dawsn").signatures["serving_default"](features=tf.constant(x))
    np.testing.assert_allclose(loaded["predictions"], model(x), atol=1e-5)
    path = hostile.at_load(tmp_path / "write", write(tmp_path / "mark"))
    (tmp_path / "mark").unlink(missing_ok=True)
    with pytest.raises(rnnzoo.UserError):  # what runs at load cannot be allowed
        rnnzoo.load(path, allow_ops=["WriteFile", "MutableHashTableV2"])
    assert not (tmp_path / "mark").exists()


def registered_operations():
    from tensorflow.python.client import pywrap_tf_session
    from tensorflow.python.framework import c_api_util  # noqa: F401

    actual = op_def_pb2.OpList()
    actual.ParseFromString(pywrap_tf_session.TF_GetBuffer(pywrap_tf_session.TF_GetAllOpList()))
    return {op.name: op for op in actual.op}


HARMFUL = (
    "File",
    "Dataset",
    "Reader",
    "Rpc",
    "Server",
    "Socket",
    "Py",
    "Print",
    "Debug",
    "Abort",
    "Immutable",
    "Infeed",
)
HARMFUL += ("Send", "Recv", "Collective", "Remote", "TPU", "Xla", "Queue", "Barrier", "Staging", "Summary", "Save")
HARMFUL += ("Restore", "Checkpoint", "Vocab", "Iterator", "Record", "LMDB", "Cache", "Worker", "Fetch", "Load", "Audio")


def test_list_of_operations_matches_tensorflow():
    registered = registered_operations()
    assert len(registered) > 1500
    listed = allowed_operations.COMPUTATION | allowed_operations.GRAPH | allowed_operations.SAVER
    assert not listed - registered.keys()
    harmful = {op for op in registered if any(part in op for part in HARMFUL)}
    assert len(harmful) > 300 and {"WriteFile", "RpcServerStart", "ImmutableConst", "PyFunc"} <= harmful
    assert not allowed_operations.COMPUTATION & harmful
    stateful = {op for op in allowed_operations.COMPUTATION if registered[op].is_stateful}
    assert stateful == {
        *("Assert", "Case", "CheckNumerics", "If", "LookupTableFindV2", "LookupTableSizeV2", "ReadVariableOp"),
        *("ResourceGather", "ResourceGatherNd", "StatefulPartitionedCall", "StatelessRandomGetAlg", "While"),
    }  # each was looked at: none keeps anything, or reaches out of the graph


LISTS = {
    "the graph": allowed_operations.GRAPH,
    "_create_resource of a table": allowed_operations.TABLE_CREATOR,
    "_initialize of a table": allowed_operations.TABLE_INITIALIZER,
    "_destroy_resource of a table": allowed_operations.TABLE_DESTROYER,
    "the saver": allowed_operations.SAVER,
    "a signature": allowed_operations.COMPUTATION,
}


def inside(actual):
    assert actual.keys() == LISTS.keys()
    for place, names in actual.items():
        assert names and set(names) <= LISTS[place], (place, set(names) - LISTS[place])


@pytest.mark.parametrize("version", ["2.18", "2.19", "2.20", "2.21"])
def test_exports_of_all_versions_use_allowed_operations(version):
    recorded = json.loads(operations.FILE.read_text())
    inside(next(actual for name, actual in recorded.items() if name.startswith(version)))


@pytest.mark.slow
def test_exports_use_allowed_operations():
    """Those of every version, of all models, are in the file of the test above."""
    inside(operations.of_exports(every=20))
