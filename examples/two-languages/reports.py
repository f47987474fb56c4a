"""The Python half: celery -A reports worker -Q python (with PYTHONPATH=examples/two-languages)"""
import os

from celery import Celery

app = Celery(
    'reports',
    broker=os.environ.get('UMBEL_BROKER_URL', 'redis://localhost:6379/0'),
    backend=os.environ.get('UMBEL_RESULT_BACKEND', 'redis://localhost:6379/1'),
)
app.conf.task_acks_late = True


@app.task(name='py.mean')
def mean(numbers):
    return sum(numbers) / len(numbers)


@app.task(name='py.square')
def square(number):
    return number * number
