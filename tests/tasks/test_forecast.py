"""Forecasting: references, window normalization, quantiles, splits, exports and the command line."""

import csv
import json

import numpy as np
import pytest
import tensorflow as tf

import rnnzoo
from rnnzoo import predict
from rnnzoo.data.forecast_reference import choose_difference, naive_forecast
from rnnzoo.errors import UserError
from rnnzoo.models.forecast_transform import VARIANCE_OFFSET, ForecastTransform
from rnnzoo.run import cli
from rnnzoo.training import Trainer, TrainingOptions, forecast_metrics

RNG = np.random.default_rng(0)


def write_series(path, values, names=("a",)):
    rows = [",".join(names), *(",".join(f"{v:.6f}" for v in row) for row in np.atleast_2d(values.T).T)]
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return str(path)


def trend_with_season(length=160):
    t = np.arange(length)
    return (t * 0.5 + (5 + t * 0.02) * np.sin(t * np.pi / 6) + RNG.normal(size=length) * 0.3)[:, None]


def make_task(tmp_path, values, names=("a",), **options):
    path = write_series(tmp_path / "series.csv", values, names)
    return rnnzoo.create_task("forecast", data=path, **{"window": 24, "horizon": 6, "batch_size": 16, **options})


@pytest.mark.parametrize("normalize", ["train", "window"])
@pytest.mark.parametrize(("difference", "season"), [("none", 0), ("last", 1), ("season", 4)])
@pytest.mark.parametrize("masked", [False, True])
def test_transform_equals_its_equations(normalize, difference, season, masked):
    columns, targets, horizon, time = 3, 2, 6, 9
    spec = rnnzoo.TaskSpec(
        "features", "vector", False, columns, horizon * targets, "mse", labels=("a", "b"),
        output_scale=((0.0,) * 12, (1.0,) * 12), difference=difference, normalize=normalize, seasonal_period=4,
    )  # fmt: skip
    x = RNG.normal(size=(2, time, columns)).astype("float32") * 3 + 5
    lengths = [time, 6] if masked else [time, time]
    mask = np.arange(time) < np.array(lengths)[:, None]
    transform = ForecastTransform(spec)
    features, reference = transform.prepare(tf.constant(x), tf.constant(mask) if masked else None)
    raw = RNG.normal(size=(2, horizon * targets)).astype("float32")
    forecast = transform.finish(tf.constant(raw), reference).numpy().reshape(2, horizon, targets)
    for row, length in enumerate(lengths):
        window = x[row, :length].astype("float64")
        mean, deviation = window.mean(0), np.sqrt(window.var(0) + VARIANCE_OFFSET)
        if normalize == "train":
            mean, deviation = np.zeros(3), np.ones(3)
        window = (window - mean) / deviation
        expected = raw[row].reshape(horizon, targets).astype("float64")
        if season:
            last = window[-season:, :targets]
            expected = expected + last[np.arange(horizon) % season]
            window[:, :targets] -= last.mean(0)
        np.testing.assert_allclose(features[row, :length], window, atol=1e-4)
        np.testing.assert_allclose(forecast[row], mean[:targets] + deviation[:targets] * expected, atol=1e-4)


def test_an_untrained_model_forecasts_its_reference(tmp_path):
    task = make_task(tmp_path, trend_with_season(), seasonal_period=12, difference="season")
    model = rnnzoo.create_model("lstm", task.spec, units=4)
    batch = next(iter(task.evaluation("test")))
    expected = naive_forecast(batch.inputs, 6, 12).reshape(len(batch.inputs), -1)
    np.testing.assert_allclose(model(batch.inputs), expected, atol=0.02)


def test_auto_chooses_by_the_training_part():
    t = np.arange(400)
    walk = np.cumsum(RNG.normal(size=400))[:, None]
    noise = RNG.normal(size=(400, 1))
    season = ((1 + t / 100) * (3 + np.sin(t * np.pi / 6)) + RNG.normal(size=400) * 0.1)[:, None]  # it grows
    scaled = {name: (v - v.mean()) / v.std() for name, v in (("walk", walk), ("noise", noise), ("season", season))}
    assert choose_difference(scaled["noise"], 24, 6, 12) == "none"
    assert choose_difference(scaled["walk"], 24, 6, 7) == "last"
    assert choose_difference(scaled["season"], 24, 6, 12) == "season"
    assert choose_difference(scaled["season"], 10, 6, 12) != "season"  # a season does not fit into the window
    assert choose_difference(scaled["noise"][:32], 24, 6, 12) == "none"  # too few windows


def test_pinball_loss_and_coverage_equal_their_definition():
    quantiles, columns, horizon, batch = (0.1, 0.5, 0.9), 2, 3, 4
    spec = rnnzoo.TaskSpec(
        "features", "vector", False, 2, horizon * columns * 3, "pinball", labels=("a", "b"),
        output_scale=((0.0,) * 6, (2.0, 10.0) * 3), quantiles=quantiles,
    )  # fmt: skip
    y = RNG.normal(size=(batch, horizon * columns)).astype("float32")
    f = np.sort(RNG.normal(size=(batch, horizon * columns, 3)).astype("float32"), -1)
    outputs = tf.constant(f.reshape(batch, -1))
    expected = [
        np.mean([max(q * (a - b), (q - 1) * (a - b)) for a, row in zip(y[i], f[i], strict=True)
                 for b, q in zip(row, quantiles, strict=True)]) for i in range(batch)
    ]  # fmt: skip
    np.testing.assert_allclose(forecast_metrics.pinball_losses(spec, outputs, tf.constant(y)), expected, rtol=1e-5)
    weights = np.array([1, 1, 0, 1], "float32")
    totals = forecast_metrics.count_errors(spec, outputs, tf.constant(y), tf.constant(weights))
    totals = {name: np.asarray(value) for name, value in totals.items()} | {"count": 3.0}
    kept = [0, 1, 3]
    errors = f[kept, :, 1] - y[kept]
    metrics = forecast_metrics.compute_metrics(totals)
    inside = (f[kept, :, 0] <= y[kept]) & (y[kept] <= f[kept, :, 2])
    np.testing.assert_allclose([metrics["mse"], metrics["mae"]], [np.mean(errors**2), np.mean(abs(errors))], rtol=1e-5)
    np.testing.assert_allclose(metrics["coverage"], inside.mean(), rtol=1e-6)
    columns_metrics = forecast_metrics.compute_column_metrics(spec, totals)
    np.testing.assert_allclose(columns_metrics["b"]["rmse"], 10 * np.sqrt(np.mean(errors[:, 1::2] ** 2)), rtol=1e-5)


def test_quantiles_do_not_cross_and_cover(tmp_path):
    task = make_task(tmp_path, RNG.normal(size=(600, 1)), quantiles="0.1,0.5,0.9", horizon=2, window=4)
    model = rnnzoo.create_model("gru", task.spec, units=8)
    trainer = Trainer(model, task, TrainingOptions(steps=150, learning_rate=0.01))
    list(trainer.run())
    metrics = trainer.evaluate("test")
    assert list(metrics) == ["loss", "pinball", "mse", "mae", "coverage"]
    assert 0.65 < metrics["coverage"] < 0.95
    model.head.bias.assign([5.0, 0.0, -5.0] * 2)  # the lowest quantile is now the largest
    forecasts = model(next(iter(task.evaluation("test"))).inputs).numpy().reshape(-1, 3)
    assert (np.diff(forecasts, axis=-1) >= 0).all()


def test_exogenous_columns_are_read_and_not_forecast(tmp_path):
    values = RNG.normal(size=(200, 3))
    task = make_task(tmp_path, values, ("a", "b", "c"), exogenous="b")
    assert (task.spec.labels, task.spec.feature_names) == (("a", "c"), ("a", "c", "b"))
    batch = task.batch(0, 0)
    assert batch.inputs.shape == (16, 24, 3)
    assert batch.targets.shape == (16, 12)
    model = rnnzoo.create_model("lstm", task.spec, units=4)
    changed = batch.inputs.copy()
    changed[..., 2] += 1
    assert not np.allclose(model(batch.inputs), model(changed))


def test_separate_files_are_complete_splits(tmp_path):
    train, test = RNG.normal(size=(100, 2)), RNG.normal(size=(40, 2))
    data = write_series(tmp_path / "train.csv", train, ("a", "b"))
    other = write_series(tmp_path / "test.csv", test[:, ::-1], ("b", "a"))
    task = rnnzoo.create_task("forecast", data=data, test_data=other, window=10, horizon=3)
    mean, deviation = np.array(task.spec.input_scale)
    starts = np.arange(10, 38)
    batch = next(iter(task.evaluation("test")))
    assert batch.weights.sum() == len(starts)
    expected = (test[starts[:, None] + np.arange(3)] - mean) / deviation
    np.testing.assert_allclose(batch.targets[: len(starts)].reshape(-1, 3, 2), expected, atol=1e-4)
    with pytest.raises(UserError, match="has no column 'b'"):
        missing = write_series(tmp_path / "missing.csv", test[:, :1], ("a",))
        rnnzoo.create_task("forecast", data=data, test_data=missing, window=10, horizon=3)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"difference": "season", "seasonal_period": 30}, "a season of 30 steps does not fit into --window=24"),
        ({"quantiles": "0.9,0.1"}, "must be increasing numbers between 0 and 1"),
        ({"quantiles": "0,0.5"}, "must be increasing"),
        ({"quantiles": "x"}, "must be increasing"),
        ({"exogenous": "z"}, "--exogenous=z.*no such column"),
        ({"columns": "a", "exogenous": "a"}, "named twice"),
    ],
)
def test_bad_options(tmp_path, options, message):
    with pytest.raises(UserError, match=message):
        make_task(tmp_path, RNG.normal(size=(200, 2)), ("a", "b"), **options)


@pytest.mark.slow
def test_run_predict_and_result_in_units_of_the_data(tmp_path, capfd):
    """A run beats the naive baselines on a trend with a season; its export answers a CSV file by a CSV file."""
    values = 100 + 10 * trend_with_season()
    rows = [f"{i + 1990}-01;{f'{v:.3f}'.replace('.', ',')}" for i, v in enumerate(values[:, 0])]
    data = tmp_path / "sales.csv"
    data.write_text("when;sales\n" + "\n".join(rows) + "\n", encoding="utf-8")
    run, export = tmp_path / "run", tmp_path / "export"
    flags = ["--task=forecast", f"--data={data}", "--decimal=,", "--window=24", "--horizon=12", "--units=16"]
    assert cli.main(["train.py", *flags, "--steps=200", f"--run_dir={run}", f"--export_dir={export}"]) == 0
    result = json.loads((run / "result.json").read_text())
    best = min(baseline["mse"] for baseline in result["baselines"].values())
    assert result["metrics"]["test"]["mse"] < 0.75 * best
    deviation = values[: len(values) - 32].std()
    np.testing.assert_allclose(
        result["test_details"]["columns"]["sales"]["rmse"],
        np.sqrt(result["metrics"]["test"]["mse"]) * deviation, rtol=0.05,
    )  # fmt: skip
    assert "test, in units of the data" in capfd.readouterr().out
    assert (run / "forecast.png").is_file()
    files = [f"--input={data}", f"--output={tmp_path / 'next.csv'}"]
    assert predict.main(["predict", str(export), "--decimal=,", *files]) == 0
    header, *steps = csv.reader((tmp_path / "next.csv").open(), delimiter=";")
    assert header == ["step", "sales"]
    assert [row[0] for row in steps] == [str(i) for i in range(1, 13)]
    forecasts = np.array([float(row[1].replace(",", ".")) for row in steps])
    model = tf.saved_model.load(str(export)).signatures["serving_default"]
    window = tf.constant(values[None, -24:].round(3), tf.float32)
    np.testing.assert_allclose(forecasts, model(features=window)["predictions"][0, :, 0], rtol=1e-4)


@pytest.mark.slow
def test_a_run_that_is_no_better_than_a_baseline_says_so(tmp_path, capfd):
    walk = np.cumsum(RNG.normal(size=(300, 1)), 0)
    data = write_series(tmp_path / "walk.csv", walk)
    flags = ["--task=forecast", f"--data={data}", "--difference=none", "--horizon=1", "--units=2", "--steps=3"]
    assert cli.main(["train.py", *flags, f"--run_dir={tmp_path / 'run'}", f"--export_dir={tmp_path / 'export'}"]) == 0
    lines = capfd.readouterr().out.strip().splitlines()
    assert any(
        line.startswith("warning: the test mse, ") and "does not beat the baseline 'last value'" in line
        for line in lines[-2:]
    )


def test_files_are_read_by_the_names_of_a_trained_model(tmp_path):
    values = RNG.normal(size=(120, 3))
    task = make_task(tmp_path, values[:, :2], ("a", "b"))
    other = write_series(tmp_path / "other.csv", values[:, [2, 1, 0]], ("c", "b", "a"))
    options = {"window": 24, "horizon": 6, "batch_size": 16}
    again = rnnzoo.create_task("forecast", spec=task.spec, data=other, **options)
    np.testing.assert_allclose(again.batch(0, 0).inputs, task.batch(0, 0).inputs, atol=1e-5)
    missing = write_series(tmp_path / "missing.csv", values[:, :1], ("a",))
    with pytest.raises(UserError, match="has no column 'b'"):
        rnnzoo.create_task("forecast", spec=task.spec, data=missing, **options)
    with pytest.raises(UserError, match="--horizon is 6 in this model, got 3"):
        rnnzoo.create_task("forecast", spec=task.spec, data=other, window=24, horizon=3)
