"""Plugin of pytest: a line of JSON for each test that has ended."""
import json
import os

ended = {}


def pytest_runtest_logreport(report):
    status = ended.get(report.nodeid, "passed")
    if report.failed:
        status = "failed"
    elif report.skipped and status == "passed":
        status = "skipped"
    ended[report.nodeid] = status
    expected = getattr(report, "wasxfail", None)
    reason = report.longrepr[2] if report.skipped and isinstance(report.longrepr, tuple) else report.longreprtext
    detail = f"expected to fail: {expected}" if expected is not None and report.skipped else reason
    with open(os.environ["STRATA_REPORT"], "a") as file:
        print(json.dumps({"name": report.nodeid, "when": report.when, "status": status, "detail": detail}), file=file)
