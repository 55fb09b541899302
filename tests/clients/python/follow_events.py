"""Follows a node's events with urllib alone, as server-sent events or (--lines) as lines of JSON, across restarts of the node: "ID TYPE" on a line each.

WAYANG_EVENTS_URL: where, with a query; WAYANG_TEST_TOKEN: a token.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request

LINES = "--lines" in sys.argv[1:]
PAUSE = 0.2


def ask(last):
    address, headers = os.environ["WAYANG_EVENTS_URL"], {"authorization": "Bearer " + os.environ["WAYANG_TEST_TOKEN"]}
    if LINES:
        address += f"&since={last}"
    else:
        headers |= {"accept": "text/event-stream", "last-event-id": str(last)}
    return urllib.request.urlopen(urllib.request.Request(address, headers=headers))


def follow_lines(answer):
    for line in answer:
        if line.strip() and line.endswith(b"\n"):  # a line that was cut is told again
            told = json.loads(line)
            yield told["id"], told


def follow_events(answer):
    number, data = None, []
    for raw in answer:
        line = raw.decode().rstrip("\n")
        if not line:
            if data:
                yield number, json.loads("\n".join(data))
            data = []
        elif line.startswith("id: "):
            number = line[4:]
        elif line.startswith("data: "):
            data.append(line[6:])


def main():
    last = 0
    while True:
        try:
            with ask(last) as answer:
                print("open", flush=True)
                for number, told in (follow_lines if LINES else follow_events)(answer):
                    if number != told["id"]:
                        sys.exit(f"the id of the stream is {number}, the event says {told['id']}")
                    last = int(number)
                    print(number, told["type"], flush=True)
        except urllib.error.HTTPError as refused:
            if refused.code != 503:
                raise
        except (OSError, ValueError, urllib.error.URLError):
            pass  # the node is gone, or went in the middle of a word
        time.sleep(PAUSE)


main()
