"""The whole suite runs in two processes where pytest-xdist is installed: most of it is tracing, on one core.

An export is checked in a fresh process before it is moved to its place, which takes seconds. Tests that export in their
own process do so in `tests/export` and with the fixture `checked_exports`; those of commands check as users do.

With RNNZOO_NO_SKIPS set a test that would be skipped, because an extra is missing, fails instead.
"""

import os

import pytest

PROCESSES = 2
DIVIDED = "RNNZOO_TESTS_DIVIDED"  # set for the processes that are started, which start none themselves
NO_SKIPS = "RNNZOO_NO_SKIPS"
VERIFY: list = []  # the function that checks an export


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config):
    if DIVIDED in os.environ or "PYTEST_XDIST_WORKER" in os.environ:
        return
    os.environ[DIVIDED] = "1"
    whole = config.args_source == pytest.Config.ArgsSource.TESTPATHS and not config.option.collectonly
    if whole and getattr(config.option, "numprocesses", 0) is None and not config.option.usepdb:
        config.option.numprocesses = PROCESSES


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item):
    from rnnzoo.export import saved_model

    VERIFY.append(saved_model._verify)
    if not item.nodeid.startswith("tests/export/") and "checked_exports" not in item.fixturenames:
        saved_model._verify = lambda *_: None


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown():
    from rnnzoo.export import saved_model

    saved_model._verify = VERIFY.pop()


@pytest.fixture
def checked_exports():
    """Exports of the test are checked in a fresh process."""


def refuse_skip(report):
    """Turns a skip into a failure if skips are not allowed."""
    if report.skipped and os.environ.get(NO_SKIPS) and not hasattr(report, "wasxfail"):
        report.outcome, report.longrepr = "failed", f"skipped, and {NO_SKIPS} is set: {report.longrepr}"
    return report


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    return refuse_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(collector):
    return refuse_skip((yield))
