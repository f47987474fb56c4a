// The whole API. Its paths are tried in this order; `handlers` in api.ts does what it says.
import { z } from '@hono/zod-openapi';
import * as shape from '../shared/shapes.ts';
import { get, patch, post, remove } from './http.ts';

const { BulkResult, Export, OfJob, OfTask, Task } = shape;

export const routes = {
  register: post('/auth/register', 'Make an account', { body: shape.Registration }, shape.Session, 201),
  login: post('/auth/login', 'Sign in: gives a cookie and a token', { body: shape.Login }, shape.Session),
  logout: post('/auth/logout', 'Sign out', {}, null),
  me: get('/auth/me', 'Who you are', {}, shape.User),
  changeMe: patch('/auth/me', 'Change your name or time zone', { body: shape.Profile }, shape.User),
  list: get('/tasks', 'Your tasks', { query: shape.TaskQuery }, shape.TaskPage),
  create: post('/tasks', 'A new task; of its deadline you are reminded', { body: shape.NewTask }, Task, 201),
  statistics: get('/tasks/statistics', 'Your tasks as numbers', {}, shape.Statistics),
  beginExport: post('/tasks/export', 'Begin an export', { query: shape.ExportQuery }, Export, 202),
  exports: get('/tasks/exports', 'Your exports, the latest first', {}, z.array(Export)),
  exportStatus: get('/tasks/export-status/{task_id}', 'How far an export is', { params: OfJob }, Export),
  exportEvents: get('/tasks/export-events/{task_id}', 'The same, live', { params: OfJob }, 'events'),
  exportFile: get('/tasks/export-download/{task_id}', 'What was exported', { params: OfJob }, 'file'),
  beginBulk: post('/tasks/bulk-update', 'Change many tasks', { body: shape.BulkUpdate }, BulkResult, 202),
  bulkStatus: get('/tasks/bulk-update/{task_id}', 'What became of each', { params: OfJob }, BulkResult),
  task: get('/tasks/{id}', 'A task', { params: OfTask }, Task),
  update: patch('/tasks/{id}', 'Change a task', { params: OfTask, body: shape.TaskChanges }, Task),
  remove: remove('/tasks/{id}', 'Delete a task', { params: OfTask }, null),
  events: get('/events', 'Says when something of yours has changed', {}, 'events'),
  health: get('/health', 'Whether it works', {}, shape.Health),
  cacheStatus: get('/cache/status', 'Whether the cache works', {}, shape.CacheStatus),
};
