"""The twin of workflows.mjs for Celery: `workflows.py worker|sender celery <url>`. One process, the `solo` pool."""

import sys
import time

from celery import Celery, chain, chord
from celery.signals import worker_ready

_, role, _, url = sys.argv
app = Celery("bench", broker=url, backend=url)
app.conf.update(task_acks_late=True, worker_hijack_root_logger=False, broker_connection_retry_on_startup=True)


@app.task(name="bench.add")
def add(x, y):
    return x + y


@app.task(name="bench.count")
def count(values):
    return len(values)


@worker_ready.connect
def ready(**_):
    sys.__stdout__.write("ready\n")
    sys.__stdout__.flush()


if role == "worker":
    sys.stdout = sys.stderr  # its banner
    app.worker_main(["worker", "--pool", "solo", "--loglevel", "ERROR", "--without-gossip", "--without-mingle"])
else:
    print("ready", flush=True)
    for line in sys.stdin:
        what, size = line.split()
        size = int(size)
        started = time.monotonic()
        if what == "chord":
            value = chord([add.s(n, 1) for n in range(size)])(count.s()).get(timeout=280)
            assert value == size, value
        else:
            value = chain(add.s(0, 0), *[add.s(1) for _ in range(size - 1)]).apply_async().get(timeout=280)
            assert value == size - 1, value
        print("ms", (time.monotonic() - started) * 1000, flush=True)
