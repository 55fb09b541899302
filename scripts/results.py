"""Reads the report of one test suite; prints "passed failed skipped" and, on stderr, what a person must see.

usage: results.py SUITE EXIT_CODE REPORT LOG
A report ends in .xml (CTest's JUnit), .json (CTRF, written by xunit) or .none (the exit code is the only test).
A suite that failed without a failed test in its report (it crashed, or ran out of time) counts as one failure.
"""

import json
import sys
import xml.etree.ElementTree as ElementTree


def tell(text):
    print(text, file=sys.stderr)


def lines_with_reason(output):
    return [line.strip() for line in (output or "").splitlines() if line.strip().upper().startswith("SKIP")]


def read_junit(path, suite):
    """Yields (name, status, message) of each CTest test; notes of parts that a passed test skipped are told."""
    for case in ElementTree.parse(path).getroot().iter("testcase"):
        name = case.get("name", "?")
        output = case.findtext("system-out")
        reasons = lines_with_reason(output)
        if case.find("failure") is not None or case.get("status") == "fail":
            yield name, "failed", "see the log"
        elif case.find("skipped") is not None or case.get("status") in ("notrun", "disabled"):
            yield name, "skipped", "; ".join(reasons) or "no reason given"
        else:
            for reason in reasons:
                tell(f"note: {suite}: {name}: {reason}")
            yield name, "passed", ""


def read_ctrf(path, _suite):
    """Yields (name, status, message) of each xunit test; anything but passed and skipped is a failure."""
    with open(path, encoding="utf-8") as file:
        tests = json.load(file)["results"]["tests"]
    for test in tests:
        status = test.get("status")
        if status in ("skipped", "pending"):
            status = "skipped"
        elif status != "passed":
            status = "failed"
        message = test.get("message") or test.get("extra", {}).get("reason") or ""
        yield test.get("name", "?"), status, message.strip()


def read_report(path, suite):
    if path.endswith(".none"):
        return []
    reader = read_junit if path.endswith(".xml") else read_ctrf
    try:
        return list(reader(path, suite))
    except (OSError, ValueError, KeyError, ElementTree.ParseError):
        return []


def main(suite, exit_code, report, log):
    tests = read_report(report, suite)
    if report.endswith(".none") and exit_code == 0:
        tests = [(suite, "passed", "")]
    counts = {status: sum(1 for test in tests if test[1] == status) for status in ("passed", "failed", "skipped")}
    for name, status, message in tests:
        if status == "failed":
            tell(f"FAILED: {suite}: {name}: {message.splitlines()[0] if message else ''}")
        elif status == "skipped":
            tell(f"skipped: {suite}: {name}: {message}")
    if exit_code != 0 and counts["failed"] == 0:
        reason = "ran out of time" if exit_code in (124, 137) else f"ended with exit code {exit_code}"
        tell(f"FAILED: {suite}: {reason}")
        counts["failed"] = 1
    if exit_code != 0:
        tell(f"  log: {log}")
    print(counts["passed"], counts["failed"], counts["skipped"])


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), sys.argv[3], sys.argv[4])
