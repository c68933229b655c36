"""The whole suite runs in two processes where pytest-xdist is installed: most of it is tracing, on one core."""

import os

import pytest

PROCESSES = 2
DIVIDED = "RNNZOO_TESTS_DIVIDED"  # set for the processes that are started, which start none themselves


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    if DIVIDED in os.environ or "PYTEST_XDIST_WORKER" in os.environ:
        return
    os.environ[DIVIDED] = "1"
    whole = config.args_source == pytest.Config.ArgsSource.TESTPATHS and not config.option.collectonly
    if whole and getattr(config.option, "numprocesses", 0) is None and not config.option.usepdb:
        config.option.numprocesses = PROCESSES
