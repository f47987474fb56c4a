// Every route there is. A new one: a file beside this, and its line here.
import {
  discardDeadLetter,
  discardDeadLetters,
  replayDeadLetter,
  replayDeadLetters,
} from './change-dead-letters.ts';
import { deadLetterBytes, listDeadLetters, showDeadLetter } from './dead-letters.ts';
import { docsAsset, docsPage, home } from './docs-page.ts';
import { health } from './health.ts';
import { listTasks } from './list-tasks.ts';
import { ready } from './ready.ts';
import type { HttpRoute } from './route.ts';
import { sendTask } from './send-task.ts';
import { showMetrics } from './show-metrics.ts';
import { showOpenApi } from './show-openapi.ts';
import { showTask } from './show-task.ts';
import { taskEvents } from './task-events.ts';
import { taskResult } from './task-result.ts';

export const routes: readonly HttpRoute[] = [
  sendTask,
  listTasks,
  showTask,
  taskResult,
  taskEvents,
  listDeadLetters,
  // Before the one with an id, which would take their names for ids.
  replayDeadLetters,
  discardDeadLetters,
  showDeadLetter,
  deadLetterBytes,
  replayDeadLetter,
  discardDeadLetter,
  health,
  ready,
  showMetrics,
  showOpenApi,
  docsPage,
  docsAsset,
  home,
];
