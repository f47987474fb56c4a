// What has been done to the tables, step by step. A step that has been released is never changed: another one follows it.
import { type ColumnDefinitionBuilder as Column, type Kysely, type Migration, sql } from 'kysely';

/** By their names, in whose order they are run. */
export function migrations(postgres: boolean): Record<string, Migration> {
  const time = postgres ? sql`timestamptz` : ('text' as const);

  const required = (column: Column) => column.notNull();
  const key = (column: Column) => column.primaryKey();
  /** Goes with its user, or its task. */
  const of = (table: string) => (column: Column) =>
    column.notNull().references(`${table}.id`).onDelete('cascade');

  /** A table whose rows are numbered. */
  const numbered = (db: Kysely<unknown>, name: string) =>
    db.schema
      .createTable(name)
      .addColumn('id', 'integer', (id) =>
        postgres ? id.primaryKey().generatedByDefaultAsIdentity() : id.primaryKey().autoIncrement(),
      );

  return {
    '0001 users, tasks and their reminders': {
      async up(db: Kysely<unknown>) {
        await numbered(db, 'users')
          .addColumn('email', 'text', (email) => email.notNull().unique())
          .addColumn('name', 'text', required)
          .addColumn('password_hash', 'text', required)
          .addColumn('timezone', 'text', required)
          .addColumn('revision', 'integer', (revision) => revision.notNull().defaultTo(0))
          .addColumn('created_at', time, required)
          .execute();
        await db.schema
          .createTable('sessions')
          .addColumn('token_hash', 'text', key)
          .addColumn('user_id', 'integer', of('users'))
          .addColumn('expires_at', time, required)
          .execute();
        await numbered(db, 'tasks')
          .addColumn('owner_id', 'integer', of('users'))
          .addColumn('title', 'text', required)
          .addColumn('description', 'text', required)
          .addColumn('status', 'text', (it) => it.notNull().check(sql`status in ('todo', 'doing', 'done')`))
          .addColumn('priority', 'integer', (it) => it.notNull().check(sql`priority between 0 and 3`))
          .addColumn('deadline', time)
          .addColumn('overdue_at', time)
          .addColumn('created_at', time, required)
          .addColumn('updated_at', time, required)
          .addColumn('completed_at', time)
          .execute();
        const index = db.schema.createIndex('tasks_of_owner').on('tasks');
        await index.columns(['owner_id', 'status', 'deadline']).execute();
        await db.schema
          .createTable('reminders')
          .addColumn('id', 'text', key)
          .addColumn('task_id', 'integer', of('tasks'))
          .addColumn('deadline', time, required)
          .addColumn('sent_at', time)
          .addUniqueConstraint('one_reminder_of_a_deadline', ['task_id', 'deadline'])
          .execute();
        await db.schema
          .createTable('outbox')
          .addColumn('id', 'text', key)
          .addColumn('call', 'text', required)
          .addColumn('created_at', time, required)
          .execute();
      },
    },
    '0002 exports and bulk updates': {
      async up(db: Kysely<unknown>) {
        await db.schema
          .createTable('jobs')
          .addColumn('id', 'text', key)
          .addColumn('user_id', 'integer', of('users'))
          .addColumn('kind', 'text', required)
          .addColumn('created_at', time, required)
          .addColumn('detail', 'text', required)
          .addColumn('content', 'text')
          .addColumn('rows', 'integer')
          .execute();
        await db.schema.createIndex('jobs_of_user').on('jobs').columns(['user_id', 'created_at']).execute();
      },
    },
  };
}
