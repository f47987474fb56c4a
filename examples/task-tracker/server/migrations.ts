// What has been done to the tables, step by step. A step that has been released is never changed: another one follows it.
import { type Kysely, type Migration, sql } from 'kysely';

/** By their names, in whose order they are run. */
export function migrations(postgres: boolean): Record<string, Migration> {
  const time = postgres ? sql`timestamptz` : ('text' as const);

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
          .addColumn('name', 'text', (name) => name.notNull())
          .addColumn('password_hash', 'text', (hash) => hash.notNull())
          .addColumn('timezone', 'text', (zone) => zone.notNull())
          .addColumn('revision', 'integer', (revision) => revision.notNull().defaultTo(0))
          .addColumn('created_at', time, (at) => at.notNull())
          .execute();
        await db.schema
          .createTable('sessions')
          .addColumn('token_hash', 'text', (hash) => hash.primaryKey())
          .addColumn('user_id', 'integer', (id) => id.notNull().references('users.id').onDelete('cascade'))
          .addColumn('expires_at', time, (at) => at.notNull())
          .execute();
        await numbered(db, 'tasks')
          .addColumn('owner_id', 'integer', (id) => id.notNull().references('users.id').onDelete('cascade'))
          .addColumn('title', 'text', (title) => title.notNull())
          .addColumn('description', 'text', (text) => text.notNull())
          .addColumn('status', 'text', (status) =>
            status.notNull().check(sql`status in ('todo', 'doing', 'done')`),
          )
          .addColumn('priority', 'integer', (priority) =>
            priority.notNull().check(sql`priority between 0 and 3`),
          )
          .addColumn('deadline', time)
          .addColumn('overdue_at', time)
          .addColumn('created_at', time, (at) => at.notNull())
          .addColumn('updated_at', time, (at) => at.notNull())
          .addColumn('completed_at', time)
          .execute();
        await db.schema
          .createIndex('tasks_of_owner')
          .on('tasks')
          .columns(['owner_id', 'status', 'deadline'])
          .execute();
        await db.schema
          .createTable('reminders')
          .addColumn('id', 'text', (id) => id.primaryKey())
          .addColumn('task_id', 'integer', (id) => id.notNull().references('tasks.id').onDelete('cascade'))
          .addColumn('deadline', time, (at) => at.notNull())
          .addColumn('sent_at', time)
          .addUniqueConstraint('one_reminder_of_a_deadline', ['task_id', 'deadline'])
          .execute();
        await db.schema
          .createTable('outbox')
          .addColumn('id', 'text', (id) => id.primaryKey())
          .addColumn('task', 'text', (task) => task.notNull())
          .addColumn('args', 'text', (args) => args.notNull())
          .addColumn('eta', time)
          .addColumn('created_at', time, (at) => at.notNull())
          .execute();
      },
    },
    '0002 exports and bulk updates': {
      async up(db: Kysely<unknown>) {
        await db.schema
          .createTable('jobs')
          .addColumn('id', 'text', (id) => id.primaryKey())
          .addColumn('user_id', 'integer', (id) => id.notNull().references('users.id').onDelete('cascade'))
          .addColumn('kind', 'text', (kind) => kind.notNull())
          .addColumn('created_at', time, (at) => at.notNull())
          .addColumn('detail', 'text', (detail) => detail.notNull())
          .addColumn('content', 'text')
          .addColumn('rows', 'integer')
          .execute();
        await db.schema.createIndex('jobs_of_user').on('jobs').columns(['user_id', 'created_at']).execute();
      },
    },
  };
}
