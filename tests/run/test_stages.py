"""The stages of a run, and the loggers that consume its events."""

import dataclasses
import importlib.util
import io
import json

import pytest

import rnnzoo
from rnnzoo.run import events, execution, stages
from rnnzoo.run.console import ConsoleLogger
from rnnzoo.run.events import Logger, LoggerList
from rnnzoo.run.settings import changed_options, make_settings
from rnnzoo.training.baselines import compare_with_baselines
from rnnzoo.training.metrics import score

NAMES = ["read data", "build model", "restore", "train", "evaluate", "save model", "inspect", "export", "write result"]


class EventRecorder(Logger):
    """Keeps all events."""

    def __init__(self):
        self.events = []

    def log(self, event):
        self.events.append(event)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Runs all stages once: `(folder, events, result, text on the console)`."""
    folder = tmp_path_factory.mktemp("stages")
    options = {"model": "elman", "task": "temporal_order", "units": 4, "steps": 4, "eval_every": 2, "batch_size": 8}
    folders = {"run_dir": str(folder / "run"), "export_dir": str(folder / "export"), "jit_compile": False}
    recorder, console = EventRecorder(), ConsoleLogger(2, io.StringIO())
    result = execution.execute(make_settings({**options, **folders}), LoggerList(console, recorder))
    return folder, recorder.events, result, console.stream.getvalue()


def of_type(kind, logged):
    return [event for event in logged if isinstance(event, kind)]


def test_every_stage_is_entered_in_order(finished):
    assert [name for name, _ in stages.STAGES] == NAMES
    assert [event.name for event in of_type(events.StageStarted, finished[1])] == NAMES


def test_events_of_a_run(finished):
    folder, logged, result, _ = finished
    (started,) = of_type(events.TrainingStarted, logged)
    assert started.num_weights == result["parameters"] and started.run_dir == folder / "run"
    assert started.config == {k: v for k, v in stored_config(folder).items() if k in started.config}
    assert [event.result.step for event in of_type(events.StepFinished, logged)] == [1, 2, 3, 4]
    assert [event.entry["step"] for event in of_type(events.EvaluationFinished, logged)] == [2, 4]
    assert logged[-1].result == result and isinstance(logged[-1], events.RunFinished)


def stored_config(folder):
    return json.loads((folder / "run" / "config.json").read_text(encoding="utf-8"))


def test_json_lines_are_the_evaluations(finished):
    lines = (finished[0] / "run" / "log.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [e.entry for e in of_type(events.EvaluationFinished, finished[1])]


def test_tensorboard_events_are_written_if_it_is_installed(finished):
    installed = importlib.util.find_spec("tensorboard") is not None
    assert (finished[0] / "run" / "events").is_dir() == installed


def test_the_console_shows_all_stages_and_results(finished):
    text = finished[3]
    assert [line for line in text.splitlines() if line.startswith("stage: ")] == [f"stage: {name}" for name in NAMES]
    assert "baseline" in text and str(finished[0] / "export") in text


def test_warnings_on_the_results_are_the_last_lines_of_the_console(finished):
    finish = finished[1][-1]
    name, values = finish.result["selected_by"], finish.result["metrics"]["test"]
    worse = values[name] + score(name, 1.0)
    beaten = {**finish.result, "baselines": {"equal": {name: values[name]}, "worse": {name: worse}, "other": {}}}
    (warning,) = compare_with_baselines(beaten)
    assert "does not beat the baseline 'equal'" in warning and f"the test {name}, {values[name]:.4g}," in warning
    console = ConsoleLogger(1, io.StringIO())
    console.log(dataclasses.replace(finish, result=beaten, warnings=(warning,)))
    assert console.stream.getvalue().splitlines()[-1] == warning


def test_a_silent_console_shows_nothing(finished):
    console = ConsoleLogger(0, io.StringIO())
    for event in finished[1]:
        console.log(event)
    assert not console.stream.getvalue()


def test_all_loggers_get_each_event():
    first, second = EventRecorder(), EventRecorder()
    loggers = LoggerList(first, second)
    loggers.message("hello")
    loggers.log(events.StageStarted("train"))
    assert first.events == second.events == [events.Message("hello"), events.StageStarted("train")]
    with pytest.raises(NotImplementedError, match="Logger does not define"):
        Logger().log(events.Message("x"))


def test_defaults_of_a_task_for_models():
    settings = make_settings({"task": "sst", "model": "recursive"})
    assert settings.model.dropout == rnnzoo.TASKS["sst"].model_defaults["dropout"]
    assert make_settings({"task": "sst", "model": "recursive", "dropout": 0.0}).model.dropout == 0
    assert make_settings({"task": "listops", "model": "recursive"}).model.dropout == 0


def test_options_that_did_not_exist_count_with_what_was_done_then():
    settings = make_settings({"task": "forecast"})
    before = settings.to_json()
    del before["task_options"]["difference"], before["task_options"]["quantiles"], before["training"]["select_by"]
    assert list(changed_options(before, settings)) == [("difference", "none", "auto")]
