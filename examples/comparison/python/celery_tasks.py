import os
import time

from celery_app import celery_app


@celery_app.task(
    bind=True, name='process_task', max_retries=3, default_retry_delay=float(os.environ.get('RETRY_DELAY', 1))
)
def process_task(self, task_num, timeout, worker_id='celery', failures=0):
    for step in range(1, 6):
        time.sleep(timeout / 5)
        if step == 2 and self.request.retries < failures:
            raise self.retry(exc=RuntimeError('it fails, as it was asked to'))
        if step < 5:
            self.send_event('task-progress', progress={'share': step / 5})
    return {'status': 'success', 'task_num': task_num, 'worker_id': worker_id}


@celery_app.task(name='process_data')
def process_data(data):
    return {'status': 'success', 'items': len(data)}
