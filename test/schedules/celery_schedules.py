"""Says when Celery's own schedules are due: questions as JSON on standard input, answers on standard output."""
import json
import sys
from datetime import datetime, timedelta, timezone

from celery import Celery
from celery.schedules import crontab, solar

app = Celery(set_as_current=False)
app.conf.timezone = 'UTC'
app.conf.enable_utc = True


def crontab_times(question):
    minute, hour, day_of_month, month_of_year, day_of_week = question['crontab'].split(' ')
    now = datetime.fromtimestamp(question['after'], timezone.utc)
    schedule = crontab(minute, hour, day_of_week, day_of_month, month_of_year, app=app, nowfun=lambda: now)
    times = []
    while len(times) < question['count']:
        last, delta, _ = schedule.remaining_delta(now)
        try:
            now = last + delta
        except Exception:  # it looks a few years ahead only
            break
        times.append(int(now.timestamp()))
    return times


def solar_time(question):
    now = datetime.fromtimestamp(question['after'], timezone.utc)
    schedule = solar(question['solar'], question['latitude'], question['longitude'], app=app, nowfun=lambda: now)
    try:
        return (now + schedule.remaining_estimate(now)).timestamp()
    except TypeError:  # it stumbles where it believes that the sun does not set
        return None


print(json.dumps([crontab_times(q) if 'crontab' in q else solar_time(q) for q in json.load(sys.stdin)]))
