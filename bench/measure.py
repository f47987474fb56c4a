"""The twin of measure.mjs for Celery: `measure.py celery <part> <address> <count> [more]`, the same parts and figures.

Celery sends one message after the other; it has no sends in flight and no bulk, so `flight` and `bulk` are a plain loop.
Its worker runs in the `solo` pool, in one process as its peers do (`BENCH_POOL=prefork`: two children).
"""

import json
import os
import resource
import sys
import threading
import time

from celery import Celery

_, name, part, address, count_text, *rest = sys.argv
count = int(count_text)
more = rest[0] if rest else ""
place, _, results = (text.strip() for text in address.partition("|"))
results = results or place
queue = os.environ.get("BENCH_QUEUE", "celery")
pool = os.environ.get("BENCH_POOL", "solo")

app = Celery("bench", broker=place, backend=None if results == "none" else results)
app.conf.update(
    task_default_queue=queue,
    # Acknowledged after the run, as ours. On Redis with its default prefetch: 64 was not faster. On RabbitMQ without a limit: with
    # four it stands still for 40 ms every four messages, and sometimes for minutes.
    task_acks_late=os.environ.get("BENCH_ACKS_LATE", "1") == "1",
    worker_prefetch_multiplier=int(os.environ.get("BENCH_PREFETCH", "0" if place.startswith("amqp") else "4")),
    worker_hijack_root_logger=False,
    worker_redirect_stdouts=False,
    task_ignore_result=results == "none",
    broker_transport_options={"confirm_publish": True} if place.startswith("amqp") else {},
)

latencies = []
lateness = []
rss = []
first_at = 0.0
seen = 0
all_ran = threading.Event()


def clock():
    return time.time() * 1000


@app.task(name="bench.noop")
def noop(data):
    global first_at, seen
    now = clock()
    if not first_at:
        first_at = now
    if data.get("at"):
        latencies.append(now - data["at"])
    if data.get("due"):
        lateness.append(now - data["due"])
    seen += 1
    if seen == count:
        all_ran.set()
    # What a child of a pool has seen, its parent reads from the result.
    return now - data["due"] if data.get("due") else None


def send(data):
    noop.apply_async((data,))


def waiting():
    with app.connection_for_read() as connection:
        channel = connection.default_channel
        return channel._size(queue) if hasattr(channel, "_size") else (
            channel.queue_declare(queue, passive=True).message_count
        )


def done():
    """Results in Redis; null where they are not kept."""
    if not results.startswith("redis:"):
        return None
    return sum(1 for _ in app.backend.client.scan_iter("celery-task-meta-*", count=10_000))


def values():
    keys = list(app.backend.client.scan_iter("celery-task-meta-*", count=10_000))
    return [json.loads(value)["result"] for value in app.backend.client.mget(keys)]


def counts():
    return {"waiting": waiting(), "done": done()}


def report(**figures):
    print(json.dumps(figures), flush=True)


def rate(run):
    started = time.perf_counter()
    run()
    seconds = time.perf_counter() - started
    report(rate=count / seconds, counts=counts())


def loop():
    for _ in range(count):
        send({"at": 0})


def cpu():
    own, children = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime


def rss_mb():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1024 / 1024


def start_worker(at_end, at_start=lambda: None):
    """The worker in this thread, as its pool wants it; the rest in another."""
    worker = app.Worker(
        pool=pool,
        concurrency=2 if pool == "prefork" else 1,
        loglevel="ERROR",
        queues=[queue],
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        quiet=True,
    )

    def watch():
        at_start()
        wait_until_settled()
        at_end()
        sys.stdout.flush()
        if place.startswith("amqp"):
            # It writes its last acknowledgements when it hears something again; what is not acknowledged would wait once more.
            for _ in range(5):
                app.control.ping(timeout=0.2)
        # A warm end takes seconds, and nothing is measured any more.
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()
    worker.start()


def wait_until_settled():
    if pool == "solo":
        all_ran.wait()
    # The last result is written a moment after its task; with other pools all of this is seen from here only.
    if results.startswith("redis:"):
        client = app.backend.client
        while results_at_most(client) < count:
            time.sleep(0.001 if pool == "solo" else 0.02)
        while done() < count:
            time.sleep(0.001)


def results_at_most(client):
    """All keys: cheap to ask, and never fewer than results."""
    return client.dbsize()


def drain():
    before = cpu()
    started = time.perf_counter()

    def end():
        seconds = time.perf_counter() - started
        used = cpu() - before
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        report(rate=count / seconds, cpuPer1000=used / (count / 1000), rssMb=peak)

    start_worker(end)


def worker():
    def sample():
        while more == "rss":
            rss.append({"at": clock(), "mb": rss_mb()})
            time.sleep(0.05)

    def begin():
        threading.Thread(target=sample, daemon=True).start()

    def end():
        done_at = clock()
        if pool != "solo":
            lateness.extend(late for late in values() if late is not None)
        report(firstAt=first_at, doneAt=done_at, latencies=latencies, lateness=lateness, rss=list(rss), counts=counts())

    from celery.signals import worker_ready

    @worker_ready.connect(weak=False)
    def ready(**_):
        print("ready", flush=True)

    start_worker(end, begin)


def producer():
    started = clock()
    loop()
    report(startedAt=started, sentAt=clock())


def pinger():
    for sent in range(count // 2):
        time.sleep((4 + sent % 7) / 1000)
        send({"at": clock()})
    time.sleep(0.1)
    round_trips = []
    for sent in range(count // 2):
        time.sleep((4 + sent % 7) / 1000)
        at = clock()
        sent_one = noop.apply_async(({"at": 0},))
        if results != "none":
            sent_one.get(timeout=10)
            round_trips.append(clock() - at)
    report(roundTrips=round_trips)


def planner():
    from datetime import datetime, timezone

    for _ in range(1000):
        send({"at": 0})
    time.sleep(2)
    started = clock()
    first_due = int(started + float(more)) + 1
    for planned in range(count):
        due = first_due + planned * 3000 // count
        noop.apply_async(({"at": 0, "due": due},), eta=datetime.fromtimestamp(due / 1000, timezone.utc))
    if clock() > first_due:
        sys.exit("celery was still sending when the first task was due")
    report(startedAt=started)


{
    "one": lambda: rate(loop),
    "flight": lambda: rate(loop),
    "bulk": lambda: rate(loop),
    "drain": drain,
    "counts": lambda: report(counts=counts()),
    "worker": worker,
    "producer": producer,
    "pinger": pinger,
    "planner": planner,
}[part]()
