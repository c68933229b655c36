"""The vanishing gradient: one picture, five networks, up to 1,000 steps back.

The norm of dL/ds_t against the distance of step t from the loss, on the adding problem (Bengio, Simard & Frasconi 1994;
Pascanu, Mikolov & Bengio 2013), before training and after 300 steps of 50 sequences of length 100; sequences of length
1,000 are then read. 32 units each, one seed. `rnnzoo.inspect` measures and draws the same of any run.

Measured after training: 100 steps back 3e-8 is left in the LSTM, 2e-9 in Elman's network, 8e-10 in the GRU, 7e-4 in the
IndRNN, less than single precision holds in the dampened one (lambda 0.9, logistic units); at 1,000 in all but the
IndRNN, which keeps 6e-25. These are networks that have not learned to remember; `python -m rnnzoo.inspect` on one that
has shows another course. 20 s.
"""

import numpy as np

import rnnzoo
from experiments.common import Found, main, train
from rnnzoo.inspect import TrainedModel, gradients, read_sequences

NETWORKS = {
    "dampened": {"dampening": 0.9},
    "elman": {},
    "indrnn": {},
    "gru": {},
    "lstm": {},
}
LENGTH = 1000


def run(quick: bool) -> Found:
    """What is left of the gradient 10, 100 and 1,000 steps back."""
    length = 100 if quick else LENGTH
    rows, measured = [], {}
    far = rnnzoo.create_task("adding", seq_length=length, batch_size=16, eval_size=16)
    near = rnnzoo.create_task("adding", seq_length=min(length, 100), batch_size=50, eval_size=50)
    for name, options in NETWORKS.items():
        made = train(name, near, 10 if quick else 300, 0.002, options={"units": 32, **options})
        trained = TrainedModel(name, made.model, far)
        measured[name] = gradients.measure(trained, read_sequences(trained))
        for when in ("before", "after"):
            part = measured[name][when]["layer 1"]
            norm = np.array(part["norm"]) / part["norm"][0]
            left = [f"{norm[k]:.0e}" if norm[k] else "< 1e-37" for k in (10, length // 10, length - 1)]
            rows.append((name, when, *left, part["jacobian_norm"], part["spectral_radius"]))
    head = ("network", "training", "left 10 steps back", f"{length // 10} steps back", f"{length - 1} steps back")
    return Found(
        (*head, "norm of the Jacobian", "spectral radius"),
        rows,
        {"vanishing": lambda figure: gradients.draw(measured, figure)},
        "Norms relative to that at the loss, as far as single precision goes; Jacobians are means over 16 steps.",
    )


if __name__ == "__main__":
    main("vanishing", run)
