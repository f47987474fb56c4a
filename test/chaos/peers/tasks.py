# A Celery application of the probe.
import os
import time

from celery import Celery

app = Celery("probe", broker=os.environ["PROBE_URL"], backend=os.environ["PROBE_URL"])
app.conf.update(broker_connection_retry_on_startup=True)


@app.task(name="probe.work")
def work(number, ms):
    with open(os.environ["PROBE_LEDGER"], "a") as ledger:
        ledger.write(f"start {number}\n")
    time.sleep(ms / 1000)
    with open(os.environ["PROBE_LEDGER"], "a") as ledger:
        ledger.write(f"end {number}\n")


if __name__ == "__main__":
    for number in range(int(os.environ["PROBE_COUNT"])):
        work.delay(number, 20)
