"""Smaller weights of ONNX models: products of int8, and weights stored as int8 or float16."""

from pathlib import Path
from typing import Any

import numpy as np

MIN_SIZE = 1024  # elements of a weight that is worth compressing
INT8_MAX = 127


def quantize_products(model: Any, folder: Path) -> Any:
    """Quantizes the products with constant weights to int8, with scales of the activations computed at run time.

    Products in the bodies of loops keep their weights.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    source, target = folder / "float.onnx", folder / "int8.onnx"
    onnx.save(model, source)
    quantize_dynamic(source, target, weight_type=QuantType.QInt8, per_channel=True)
    return onnx.load(target)


def compress_weights(graph: Any, kind: str) -> None:
    """Stores the large weights of a graph as `kind`, "int8" or "float16", from which a node computes float32.

    The node stands outside of loops, and runs once at each call.
    """
    import onnx

    nodes = []
    for weight in list(graph.initializer):
        values = onnx.numpy_helper.to_array(weight)
        if values.dtype != np.float32 or values.size < MIN_SIZE:
            continue
        graph.initializer.remove(weight)
        stored = f"{weight.name}/{kind}"
        if kind == "float16":
            graph.initializer.append(onnx.numpy_helper.from_array(values.astype(np.float16), stored))
            nodes.append(onnx.helper.make_node("Cast", [stored], [weight.name], to=onnx.TensorProto.FLOAT))
            continue
        scale = np.abs(values).reshape(-1, values.shape[-1]).max(0) / INT8_MAX
        scale = np.where(scale > 0, scale, 1).astype(np.float32)
        rounded = np.round(values / scale).astype(np.int8)
        for name, array in ((stored, rounded), (f"{stored}/scale", scale)):
            graph.initializer.append(onnx.numpy_helper.from_array(array, name))
        inputs, axis = [stored, f"{stored}/scale"], values.ndim - 1
        nodes.append(onnx.helper.make_node("DequantizeLinear", inputs, [weight.name], axis=axis))
    for node in reversed(nodes):
        graph.node.insert(0, node)
