"""A real browser for tests of pages: Debian's chromium."""

import contextlib
import os
import shutil

import pytest


@contextlib.contextmanager
def open_browser(*, dark: bool = False, width: int = 1100, height: int = 900):
    """Yields the driver of a browser without a window; skips the test where there is none, but not in CI."""
    if not os.environ.get("CI") and not all(map(shutil.which, ("chromium", "chromedriver"))):
        pytest.skip("chromium or chromedriver is not installed")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or ""
    arguments = ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"]
    for argument in [*arguments, f"--window-size={width},{height}"]:
        options.add_argument(argument)
    driver = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        scheme = {"name": "prefers-color-scheme", "value": "dark" if dark else "light"}
        driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": [scheme]})
        yield driver
    finally:
        driver.quit()


def severe_messages(driver):
    """Returns the errors that the browser logged."""
    return [entry for entry in driver.get_log("browser") if entry["level"] == "SEVERE"]
