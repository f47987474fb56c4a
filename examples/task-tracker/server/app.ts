// What workers run, and when. `umbel -A ./server/app.ts worker`
import './outbox.ts';
import './reminders.ts';
import './chores.ts';
import './jobs.ts';

export { app } from './umbel.ts';
