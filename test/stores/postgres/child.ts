// Another process that keeps one result.
import { openPostgresBackend } from '../../../src/stores/postgres/postgres-backend.ts';

const [url = '', schema = '', n = ''] = process.argv.slice(2);
const backend = await openPostgresBackend(url, { expiresMs: null, driver: { schema } });
await backend.put({
  taskId: n,
  status: 'SUCCESS',
  result: n,
  traceback: null,
  children: [],
  dateDone: new Date(),
});
await backend.close();
