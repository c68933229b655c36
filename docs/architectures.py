"""Writes docs/architectures.md and the diagrams in docs/images from the registered models: python docs/architectures.py

Equations, references and weight counts come from the code; this file adds the diagrams and the uses of each model.
"""

import dataclasses
import inspect
import re
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from diagrams import Diagram

import rnnzoo
from rnnzoo.layers import Attention, Bidirectional, Decoder, DeepInput, DeepOutput, DeepTransition, Stack

HERE = Path(__file__).parent
FEATURES, UNITS = 64, 128
TIMES_SIGN = "\u00d7"
TIMES = ("t-1", "t", "t+1")

LAYERS = {
    "dampened": "DampenedRNN",
    "elman": "ElmanRNN",
    "feedforward": "RNN(FeedforwardCell(...))",
    "gru": "GRU",
    "indrnn": "IndRNN",
    "jordan": "JordanRNN",
    "lstm": "LSTM",
    "lstm-layernorm": "LayerNormLSTM",
    "lstm-peephole": "PeepholeLSTM",
    "stacked": "Stack",
    "deep-input": "DeepInput",
    "deep-transition": "DeepTransition",
    "deep-output": "DeepOutput",
    "bidirectional": "Bidirectional",
    "seq2seq": "Decoder",
    "decoder": "Decoder",
    "recursive": "Recursive",
}
LAYER_CLASSES = {
    "stacked": Stack,
    "deep-input": DeepInput,
    "deep-transition": DeepTransition,
    "deep-output": DeepOutput,
    "bidirectional": Bidirectional,
    "seq2seq": Decoder,
    "decoder": Decoder,
}
SEQ2SEQ = ("seq2seq", "decoder")  # from a source to a sequence

USES = {
    "dampened": "The base of every comparison: it shows what feedback alone does. Each unit decays at the same rate "
    "lambda, so it remembers the recent past only.",
    "elman": "Short memory, and small, fast models; the plain network of the literature. Its gradient shrinks or grows "
    "by a constant factor at each step, which limits its memory to some tens of steps.",
    "feedforward": "The baseline without recurrence. If it performs as well as the others, the task needs no memory "
    "beyond its window.",
    "gru": "An alternative to the LSTM with three quarters of its weights and one state. Prefer `reset_after` (the "
    "default): it needs one product at each step, and has the weights of Keras and torch.",
    "indrnn": "Long sequences with many small layers: stack it (`--layers=4` and more) and bound the recurrent weights "
    "(`--recurrent_max`). Its steps have no matrix product, so it is the fastest.",
    "jordan": "Tasks where the last output matters more than a hidden state: control, and sequences of actions.",
    "lstm": "The first choice for text, tags and series. `--zoneout` and `--recurrent_dropout` reduce overfitting, "
    "`--projection` allows a large cell state with a small hidden state.",
    "lstm-layernorm": "Unstable training or small batches; slower, because it normalizes at every step.",
    "lstm-peephole": "Precise timing: intervals and counts, which the gates read from the cell state.",
    "stacked": "The usual deep network: two or three layers, `--residual` for more, and `--output_dropout` between "
    "them.",
    "deep-input": "Raw, wide inputs such as piano rolls or sensor frames, which need features before memory.",
    "deep-transition": "Transitions that are too complex for one layer. It is harder to train: add `--shortcut`.",
    "deep-output": "Outputs that are a complicated function of the state, such as a distribution over combinations.",
    "bidirectional": "Tasks where the whole sequence is known before the first output: tagging and classification. It "
    "is not causal, so it suits neither streams nor language models.",
    "seq2seq": "Tasks whose output is another sequence: translation, transcription, rewriting. Use `--attention` for "
    "sources longer than a few tokens, `--bidirectional_encoder` for most tasks, and `--attention=none "
    "--reverse_source` to see what a fixed context can hold.",
    "decoder": "One to many: a sequence from a label, such as a name in a language, or from a few numbers.",
    "recursive": "Data with a known tree structure: expressions, syntax trees, parsed sentences. The path from a leaf "
    "to the root is as short as the tree is high. Use `tree-lstm-binary` if the order of children matters, "
    "`tree-lstm-childsum` or `tree-gru` for many children; `tree-rnn` and `rntn` are for comparison.",
}


def draw_unrolled(rows, recurrent):
    """Draws three time steps: `rows` from the bottom up, arrows along time in the rows of `recurrent`."""
    d = Diagram()
    for i, time in enumerate(TIMES):
        for y, row in enumerate(rows):
            d.add(f"{row}{i}", 1.5 * i, y, f"{row} {time}", "text" if row in "xy" else "box")
        d.arrow(*(f"{row}{i}" for row in rows))
    for row in recurrent:
        before, after = (d.add(f"{row}{side}", x, rows.index(row), "...", "text") for side, x in (("<", -1), (">", 4)))
        d.arrow(before, *(f"{row}{i}" for i in range(3)), after)
    return d


def recurrent_network(label):
    """Returns a function that draws a network with one recurrent layer."""

    def draw():
        d = draw_unrolled(["x", "h", "y"], [])
        d.add("h<", -1, 1, "...", "text")
        d.add("h>", 4, 1, "...", "text")
        d.arrow("h<", "h0", "h1", "h2", "h>", label=label)
        return d

    return draw


def jordan():
    d = draw_unrolled(["x", "h", "y"], [])
    d.arrow("y0", "h1", label="U")
    d.arrow("y1", "h2", label="U")
    return d


def feedforward():
    d = draw_unrolled(["x", "h", "y"], [])
    for begin, end in ((0, 1), (1, 2), (0, 2)):
        d.arrow(f"x{begin}", f"h{end}")
    return d


def deep_transition():
    d = Diagram()
    d.add("h0", 0, 1, "h t-1")
    for i, time in ((1, "t"), (2, "t+1")):
        x = 2.6 * i
        d.add(f"x{i}", x - 1.3, 0, f"x {time}", "text")
        d.add(f"z{i}", x - 1.3, 1, f"z {time}")
        d.add(f"h{i}", x, 1, f"h {time}")
        d.add(f"y{i}", x, 2, f"y {time}", "text")
        d.arrow(f"x{i}", f"z{i}")
        d.arrow(f"h{i - 1}", f"z{i}", label="U_1")
        d.arrow(f"z{i}", f"h{i}", label="U_2")
        d.arrow(f"h{i}", f"y{i}")
        d.arrow(f"h{i - 1}", f"h{i}", dashed=True, bend=0.45, label="S (shortcut)")
    return d


def bidirectional():
    d = Diagram()
    for i, time in enumerate(TIMES):
        d.add(f"x{i}", 1.8 * i, 0, f"x {time}", "text")
        d.add(f"f{i}", 1.8 * i - 0.4, 1, f"f {time}")
        d.add(f"b{i}", 1.8 * i + 0.4, 2, f"b {time}")
        d.add(f"y{i}", 1.8 * i, 3, f"y {time}", "text")
        for way in "fb":
            d.arrow(f"x{i}", f"{way}{i}", f"y{i}")
    d.arrow("f0", "f1", "f2")
    d.arrow("b2", "b1", "b0")
    return d


def lstm(peephole=False, norm=False):
    def draw():
        d = Diagram()
        d.add("in", 2.2, 0, "x t , h t-1", "text")
        for name, x in (("f", 0.9), ("i", 1.9), ("g", 2.9), ("o", 4.4)):
            d.add(name, x, 1.2, {"g": "tanh g"}.get(name, f"sigma {name}") if not norm else f"LN {name}")
            d.arrow("in", name)
        d.add("c'", 0, 3, "c t-1", "text")
        d.add("keep", 0.9, 3, TIMES_SIGN, "circle")
        d.add("write", 2.4, 2.1, TIMES_SIGN, "circle")
        d.add("sum", 2.4, 3, "+", "circle")
        d.add("c", 5.6, 3, "c t", "text")
        d.add("squash", 4.4, 3.8, "tanh LN" if norm else "tanh")
        d.add("show", 5.2, 2.1, TIMES_SIGN, "circle")
        d.add("h", 6.2, 2.1, "h t", "text")
        d.arrow("c'", "keep", "sum", "c")
        d.arrow("f", "keep")
        d.arrow("i", "write")
        d.arrow("g", "write", "sum")
        d.arrow("sum", "squash", "show", "h")
        d.arrow("o", "show")
        if peephole:
            d.arrow("c'", "f", dashed=True, label="p_f")
            d.arrow("c'", "i", dashed=True, label="p_i")
            d.arrow("sum", "o", dashed=True, label="p_o")
        return d

    return draw


def gru():
    d = Diagram()
    d.add("in", 1.6, 0, "x t , h t-1", "text")
    d.add("r", 0.6, 1.2, "sigma r")
    d.add("g", 2.2, 2.1, "tanh g")
    d.add("z", 4.6, 1.2, "sigma z")
    d.add("h'", 0, 3, "h t-1", "text")
    d.add("hU", 1.2, 2.1, TIMES_SIGN, "circle")
    d.add("keep", 2.2, 3, TIMES_SIGN, "circle")
    d.add("new", 3.2, 2.1, TIMES_SIGN, "circle")
    d.add("sum", 3.8, 3, "+", "circle")
    d.add("h", 5, 3, "h t", "text")
    d.arrow("in", "r", "hU", "g", "new", "sum")
    d.arrow("h'", "hU")
    d.arrow("in", "g")
    d.arrow("in", "z")
    d.arrow("h'", "keep", "sum", "h")
    d.arrow("z", "new", label="1-z")
    d.arrow("z", "keep", dashed=True, bend=-0.5)
    return d


def seq2seq():
    d = Diagram()
    for i, time in enumerate(("1", "2", "3")):
        d.add(f"x{i}", 1.3 * i, 0, f"x {time}", "text")
        d.add(f"e{i}", 1.3 * i, 1, f"m {time}")
        d.arrow(f"x{i}", f"e{i}")
    for i, time in enumerate(TIMES):
        x = 4.6 + 1.5 * i
        d.add(f"p{i}", x, 0, f"y {('t-2', 't-1', 't')[i]}", "text")
        d.add(f"d{i}", x, 1, f"h {time}")
        d.add(f"y{i}", x, 3, f"y {time}", "text")
        d.arrow(f"p{i}", f"d{i}", f"y{i}")
    d.add("a", 3, 2.2, "attention")
    d.arrow("e0", "e1", "e2")
    d.arrow("e2", "d0", label="context")
    d.arrow("d0", "d1", "d2")
    for i in range(3):
        d.arrow(f"e{i}", "a", dashed=True)
    d.arrow("d1", "a", dashed=True)
    d.arrow("a", "y1")
    return d


def decoder():
    d = Diagram()
    d.add("x", 0, 1, "source", "text")
    d.add("c", 1.4, 1, "context")
    d.arrow("x", "c")
    for i, time in enumerate(("1", "2", "3")):
        d.add(f"h{i}", 3 + 1.4 * i, 1, f"h {time}")
        d.add(f"y{i}", 3 + 1.4 * i, 2, f"y {time}", "text")
        d.arrow(f"h{i}", f"y{i}")
    d.arrow("c", "h0", "h1", "h2")
    for i in (1, 2):
        d.arrow("c", f"h{i}", dashed=True, bend=-0.5)
    return d


def recursive():
    d = Diagram()
    for i, name in enumerate("abcd"):
        d.add(f"x{i}", 1.5 * i, 0, f"x {name}", "text")
        d.add(f"s{i}", 1.5 * i, 1, f"s {name}")
        d.arrow(f"x{i}", f"s{i}")
    for name, x, y, below in (("p", 2.25, 2, ("s1", "s2")), ("q", 1.1, 3, ("s0", "p")), ("r", 2.9, 4, ("q", "s3"))):
        d.add(name, x, y, f"s {name}")
        for child in below:
            d.arrow(child, name)
    d.add("y", 2.9, 5, "y", "text")
    d.arrow("r", "y")
    return d


DIAGRAMS = {
    "dampened": recurrent_network("λ"),
    "elman": recurrent_network("U"),
    "feedforward": feedforward,
    "gru": gru,
    "indrnn": recurrent_network("u *"),
    "jordan": jordan,
    "lstm": lstm(),
    "lstm-layernorm": lstm(norm=True),
    "lstm-peephole": lstm(peephole=True),
    "stacked": lambda: draw_unrolled(["x", "h¹", "h²", "y"], ["h¹", "h²"]),
    "deep-input": lambda: draw_unrolled(["x", "z", "h", "y"], ["h"]),
    "deep-transition": deep_transition,
    "deep-output": lambda: draw_unrolled(["x", "h", "z", "y"], ["h"]),
    "bidirectional": bidirectional,
    "seq2seq": seq2seq,
    "decoder": decoder,
    "recursive": recursive,
}


def weight_count(name):
    """Returns the number of weights of the core, without the output layer."""
    spec = rnnzoo.TaskSpec("features", "class", True, FEATURES, 2, "cross_entropy")
    if name == "recursive":
        spec = dataclasses.replace(spec, inputs="tree", per_step=False, arity=2)
        return rnnzoo.create_model(name, spec, units=UNITS, embedding=FEATURES).core.count_params()
    if name in SEQ2SEQ:
        kind = {"inputs": "pair", "outputs": "vector", "source": "features", "source_length": 1, "output_length": 2}
        model = rnnzoo.create_model(name, dataclasses.replace(spec, **kind, loss="mse"), units=UNITS)
        return model.count_params() - model.head.count_params()
    return rnnzoo.create_model(name, spec, units=UNITS).core.count_params()


def describe_model(name):
    """Returns first line, equations and references of a model, from its docstrings."""
    if name == "recursive":
        first, equations, *_, reference = inspect.getdoc(rnnzoo.MODELS[name]).split("\n\n")
        return first.replace("\n", " "), equations + "\n" + describe_compositions(), " ".join(reference.split())
    documented = LAYER_CLASSES.get(name) or rnnzoo.CELLS[name]
    text = inspect.getdoc(documented)
    if name in SEQ2SEQ:
        first, *_, reference = inspect.getdoc(rnnzoo.MODELS[name]).split("\n\n")
        equations = inspect.getdoc(Attention).split("\n\n")[1] if name == "seq2seq" else ""
        return first, equations, " ".join(reference.split())
    if name == "deep-transition":
        text = inspect.getdoc(rnnzoo.cells.DeepTransitionCell)
    paragraphs = text.split("\n\n")
    equations = [p for p in paragraphs[1:] if all(line.startswith("    ") for line in p.split("\n"))]
    equations = [p for p in equations if "=" in p and ">>>" not in p]
    return paragraphs[0].replace("\n", " "), "\n".join(equations), " ".join(paragraphs[-1].split())


def describe_compositions():
    """Returns the first line and the equations of each composition."""
    parts = []
    for name in rnnzoo.COMPOSITIONS:
        first, equations, *_ = inspect.getdoc(rnnzoo.COMPOSITIONS[name]).split("\n\n")
        parts.append(f"\n`{name}`: {' '.join(first.split())}\n\n{equations}")
    return "\n".join(parts)


def section(name):
    first, equations, reference = describe_model(name)
    count = weight_count(name)
    of_lstm = name in ("bidirectional", *SEQ2SEQ)
    own = " (composition `tree-lstm-binary`)" if name == "recursive" else ""
    cell = own if name not in LAYER_CLASSES else f" (cell `{'lstm' if of_lstm else 'elman'}`)"
    lines = [f"## `{name}`", "", first, "", f"![{name}](images/{name}.svg)", ""]
    lines += [equations, ""] if equations else []
    lines += [f"Layer `rnnzoo.layers.{LAYERS[name]}`; {count:,} weights{cell}.", "", USES[name], "", reference, ""]
    return "\n".join(lines)


HEAD = f"""# Architectures

This page is written by `python docs/architectures.py` from the registered models: equations and references come from
the code, weight counts are those for {FEATURES} inputs and {UNITS} units, without the output layer. Every model accepts
the flags of the four deep models (`--layers --input_depth --transition_depth --shortcut --output_depth`), and the deep
models accept any cell (`--cell`): `--model=deep-transition --transition_depth=2 --shortcut --output_depth=2` is
DOT(S)-RNN. In the diagrams t is the time step; an arrow between boxes of different time steps is the recurrence.

"""


def page():
    """Returns the text of docs/architectures.md."""
    order = [*(n for n in LAYERS), *(n for n in rnnzoo.list_models() if n not in LAYERS)]
    return re.sub(r"\n{3,}", "\n\n", HEAD + "\n".join(section(name) for name in order))


def pictures():
    """Returns the text of each diagram, by file name."""
    return {f"{name}.svg": draw().svg() for name, draw in DIAGRAMS.items()}


if __name__ == "__main__":
    (HERE / "architectures.md").write_text(page(), encoding="utf-8")
    for file, text in pictures().items():
        (HERE / "images" / file).write_text(text, encoding="utf-8")
