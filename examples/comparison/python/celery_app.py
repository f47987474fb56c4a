"""The same tasks for a worker of Python's: celery -A celery_app worker --loglevel=info --concurrency=3 (in this folder)"""
import os

from celery import Celery

celery_app = Celery(
    'tasks',
    broker=os.environ.get('UMBEL_BROKER_URL', 'amqp://guest:guest@localhost:5672/'),
    backend=os.environ.get('UMBEL_RESULT_BACKEND', 'rpc://'),
    include=['celery_tasks'],
)
celery_app.conf.task_acks_late = True  # a killed worker's tasks run again
celery_app.conf.worker_prefetch_multiplier = 1
celery_app.conf.worker_send_task_events = True  # the page hears of them
