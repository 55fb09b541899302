"""python/wayang/client over TLS, with threads and with asyncio. Prints a line "ok ..." for each check.

$WAYANG_ENDPOINT: tls://HOST:PORT; $WAYANG_TEST_TOKEN; $WAYANG_TEST_CA; $WAYANG_TEST_CERT and $WAYANG_TEST_KEY: a certificate that the node knows.
"""

import asyncio
import os
import sys
import threading

sys.path.insert(0, os.path.join(os.path.dirname(__file__), "..", "..", "..", "python"))

from wayang import client as wayang  # noqa: E402

TOKEN = os.environ["WAYANG_TEST_TOKEN"]
AUTHORITY = os.environ["WAYANG_TEST_CA"]
OWN = {"ca_file": AUTHORITY, "cert_file": os.environ["WAYANG_TEST_CERT"], "key_file": os.environ["WAYANG_TEST_KEY"]}
LARGE = os.urandom(3 << 20)


def echo(client, data):
    return client.run(wayang.Task.command("/bin/cat", stdin=data)).stdout


def check_threads():
    with wayang.Client(token=TOKEN, ca_file=AUTHORITY) as client:
        answers = {}

        def work(number):
            answers[number] = [echo(client, b"%d-%d" % (number, i)) for i in range(20)]

        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert answers == {number: [b"%d-%d" % (number, i) for i in range(20)] for number in range(8)}, answers
        assert echo(client, LARGE) == LARGE
    print("ok threads over TLS", flush=True)


async def check_asyncio():
    async with wayang.AsyncClient(token=TOKEN, ca_file=AUTHORITY) as client:
        ends = await asyncio.gather(*(client.run(wayang.Task.command("/bin/cat", stdin=b"%d" % i)) for i in range(60)))
        assert [end.stdout for end in ends] == [b"%d" % i for i in range(60)]
        assert (await client.run(wayang.Task.command("/bin/cat", stdin=LARGE))).stdout == LARGE
    print("ok asyncio over TLS", flush=True)


async def check_identity():
    with wayang.Client(**OWN) as client:
        assert echo(client, b"known") == b"known"
    async with wayang.AsyncClient(**OWN) as client:
        assert (await client.run(wayang.Task.command("/bin/cat", stdin=b"known"))).stdout == b"known"
    print("ok known by a certificate", flush=True)


def check_refusals():
    def refused(act):
        try:
            act()
        except wayang.Unauthenticated as error:
            return str(error)
        raise AssertionError("was not refused")

    assert "no encrypted connection" in refused(lambda: wayang.Client(token=TOKEN))
    assert "no encrypted connection" in refused(lambda: asyncio.run(wayang.AsyncClient(token=TOKEN).connect()))
    refused(lambda: wayang.Client(token="wrong", ca_file=AUTHORITY))
    print("ok who is not believed is told", flush=True)


check_threads()
asyncio.run(check_asyncio())
asyncio.run(check_identity())
check_refusals()
