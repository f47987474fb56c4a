// The tables of messages in the embedded store.
import { quarantineAfter } from '../quarantine.ts';

/**
 * A message's bytes are written once and never rewritten. The state that changes while it waits and runs (ready, claimed, scheduled) is in
 * small rows of other tables, which halves the log that a task costs.
 *
 * A trigger gives a dead worker's messages back, so that the process that notices the death does it in the transaction that evicts the worker.
 */
export const messageSchema: readonly string[] = [
  `
CREATE TABLE message (
  seq INTEGER PRIMARY KEY,             -- the order in its queue
  queue TEXT NOT NULL,
  priority INTEGER NOT NULL,           -- 0 is most urgent
  crashes INTEGER NOT NULL DEFAULT 0,  -- owners that died holding it
  deferrals INTEGER NOT NULL DEFAULT 0,    -- times it was deferred
  redelivered INTEGER NOT NULL DEFAULT 0,
  envelope NOT NULL                    -- kombu's JSON: TEXT if we wrote it, a BLOB if anybody else's bytes
);
CREATE TABLE ready (
  queue TEXT NOT NULL, priority INTEGER NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (queue, priority, seq)
) WITHOUT ROWID;
CREATE TABLE quarantined (             -- ready, but two owners died holding it: see isQuarantined
  queue TEXT NOT NULL, priority INTEGER NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (queue, priority, seq)
) WITHOUT ROWID;
CREATE TABLE scheduled (
  due INTEGER NOT NULL,                -- milliseconds since 1970
  seq INTEGER NOT NULL,
  PRIMARY KEY (due, seq)
) WITHOUT ROWID;
CREATE TABLE claim (
  seq INTEGER PRIMARY KEY,
  owner INTEGER NOT NULL               -- peer.id
);
CREATE TABLE waiting (                 -- consumers that found their queues empty and want to be notified, once
  queue TEXT NOT NULL, owner INTEGER NOT NULL, consumer INTEGER NOT NULL,
  PRIMARY KEY (queue, owner, consumer)
) WITHOUT ROWID;
CREATE TABLE dead (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  queue TEXT NOT NULL, priority INTEGER NOT NULL, crashes INTEGER NOT NULL,
  reason TEXT NOT NULL, detail TEXT NOT NULL, died_at INTEGER NOT NULL,
  envelope NOT NULL
);
CREATE TRIGGER evict_worker AFTER DELETE ON peer BEGIN
  UPDATE message SET crashes = crashes + 1, redelivered = 1
    WHERE seq IN (SELECT seq FROM claim WHERE owner = OLD.id);
  INSERT INTO ready SELECT queue, priority, seq FROM message
    WHERE seq IN (SELECT seq FROM claim WHERE owner = OLD.id) AND crashes < ${quarantineAfter};
  INSERT INTO quarantined SELECT queue, priority, seq FROM message
    WHERE seq IN (SELECT seq FROM claim WHERE owner = OLD.id) AND crashes >= ${quarantineAfter};
  DELETE FROM claim WHERE owner = OLD.id;
  DELETE FROM waiting WHERE owner = OLD.id;
END;`,
];
