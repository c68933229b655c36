"""The vanishing gradient: gradient norms of five networks up to 1,000 steps before the loss.

The norm of dL/ds_t against the distance of step t from the loss, on the adding problem (Bengio, Simard & Frasconi 1994;
Pascanu, Mikolov & Bengio 2013), before training and after 300 steps of 50 sequences of length 100; sequences of length
1,000 are then read. 32 units each, one seed. `rnnzoo.inspect` measures and draws the same of any run.

Measured after training, relative to the norm at the loss: 100 steps back 3e-8 in the LSTM, 2e-9 in Elman's network,
8e-10 in the GRU, 7e-4 in the IndRNN, and less than single precision holds in the dampened network (lambda 0.9, logistic
units); 1,000 steps back 6e-25 in the IndRNN, and less than single precision holds in the others. These networks have
not learned to remember; for one that has, see `python -m rnnzoo.inspect`. 20 s.
"""

import numpy as np

import rnnzoo
from experiments.common import Result, main, train
from rnnzoo.inspect import TrainedModel, gradients, read_sequences

LENGTH = 1000
NETWORKS = {  # name: model and its options
    "dampened": ("dampened", {"dampening": 0.9}),
    "elman": ("elman", {}),
    "gru": ("gru", {}),
    "lstm, forget bias 1": ("lstm", {"forget_bias": 1.0}),
    "lstm of 1997, no forget gate": ("lstm", {"forget_gate": False}),
    f"lstm, chrono {LENGTH}": ("lstm", {"chrono": LENGTH}),
}


def run(quick: bool) -> Result:
    """Measures the gradient norms 10, 100 and 1,000 steps before the loss."""
    length = 100 if quick else LENGTH
    rows, measured = [], {}
    long_task = rnnzoo.create_task("adding", seq_length=length, batch_size=16, eval_size=16)
    short_task = rnnzoo.create_task("adding", seq_length=min(length, 100), batch_size=50, eval_size=50)
    for name, (model, options) in NETWORKS.items():
        trainer = train(model, short_task, 10 if quick else 300, 0.002, options={"units": 32, **options})
        trained = TrainedModel(name, trainer.model, long_task)
        measured[name] = gradients.measure(trained, read_sequences(trained))
        for when in ("before", "after"):
            part = measured[name][when]["layer 1"]
            norm = np.array(part["norm"]) / part["norm"][0]
            norms = [f"{norm[k]:.0e}" if norm[k] else "< 1e-37" for k in (10, length // 10, length - 1)]
            rows.append((name, when, *norms, part["jacobian_norm"], part["spectral_radius"]))
    header = ("network", "training", "norm 10 steps back", f"{length // 10} steps back", f"{length - 1} steps back")
    return Result(
        (*header, "norm of the Jacobian", "spectral radius"),
        rows,
        {"vanishing": lambda figure: gradients.draw(measured, figure)},
        "Norms relative to that at the loss, as far as single precision goes; Jacobians are means over 16 steps.",
    )


if __name__ == "__main__":
    main("vanishing", run)
