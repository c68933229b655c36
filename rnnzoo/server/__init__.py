"""A REST server for exports, with the interface of TensorFlow Serving."""
