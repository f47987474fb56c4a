/** The current function, which each version creates that has it. */
const addChordPart = `
CREATE OR REPLACE FUNCTION $schema.add_chord_part(g text, t text, at bigint, entry text, body text, is_last int, kept_ms float8)
RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  due timestamptz := clock_timestamp() + kept_ms * interval '1 millisecond';
  c $schema.chord;
  added bigint;
BEGIN
  SELECT * INTO c FROM $schema.chord WHERE group_id = g FOR UPDATE;
  IF c.done THEN RETURN 'done'; END IF;
  IF c.closer IS NOT NULL THEN RETURN CASE WHEN c.closer = t THEN 'complete' ELSE 'open' END; END IF;
  INSERT INTO $schema.chord (group_id, expires) VALUES (g, due)
    ON CONFLICT (group_id) DO UPDATE SET expires = due RETURNING * INTO c;
  -- Somebody else may have made it, and closed it, since it was looked for.
  IF c.done THEN RETURN 'done'; END IF;
  IF c.closer IS NOT NULL THEN RETURN CASE WHEN c.closer = t THEN 'complete' ELSE 'open' END; END IF;
  INSERT INTO $schema.chord_part AS p (group_id, task_id, place, part) VALUES (g, t, at, entry)
    ON CONFLICT (group_id, task_id) DO UPDATE SET place = excluded.place, part = excluded.part WHERE p.part IS NULL;
  GET DIAGNOSTICS added = ROW_COUNT;
  UPDATE $schema.chord SET count = count + added WHERE group_id = g RETURNING * INTO c;
  IF is_last < 0 THEN RETURN 'open'; END IF;
  IF c.size IS NULL AND (is_last = 0 OR EXISTS (
    SELECT 1 FROM $schema.result WHERE task_id = body AND rank > 0 AND (expires IS NULL OR expires > clock_timestamp())
  )) THEN RETURN 'open'; END IF;
  IF c.size IS NOT NULL AND is_last = 0 AND c.count < c.size + c.extra THEN RETURN 'open'; END IF;
  UPDATE $schema.chord SET closer = t WHERE group_id = g;
  RETURN 'complete';
END $$;`;

/** The tables of results. Each entry is the migration to the next version. */
export const resultSchema: readonly string[] = [
  `
CREATE TABLE $schema.result (
  task_id text COLLATE "C" PRIMARY KEY, -- or a digest of it: see keyOf
  status text NOT NULL,                 -- for people; meta has the truth
  rank smallint NOT NULL,               -- 0: has not ended; 1: ended; 2: SUCCESS, which nothing replaces
  expires timestamptz,                  -- null: never
  meta text NOT NULL                    -- Celery's JSON, in ASCII, which every database can hold
);
CREATE INDEX result_expires ON $schema.result (expires) WHERE expires IS NOT NULL;
CREATE TABLE $schema.chore (            -- what one of all processes does now and then
  name text PRIMARY KEY,
  due timestamptz NOT NULL
);
INSERT INTO $schema.chore VALUES ('expire results', now());`,
  `
CREATE TABLE $schema.chord (
  group_id text COLLATE "C" PRIMARY KEY,
  size bigint,                          -- null: not known yet
  extra bigint NOT NULL DEFAULT 0,      -- members that members have added
  count bigint NOT NULL DEFAULT 0,      -- parts that are there
  closer text,                          -- the member that made it complete, and sends the body
  done boolean NOT NULL DEFAULT false,  -- the body was sent; all that is left is this note
  expires timestamptz                   -- null: never
);
CREATE INDEX chord_expires ON $schema.chord (expires) WHERE expires IS NOT NULL;
CREATE TABLE $schema.chord_part (
  group_id text COLLATE "C" NOT NULL REFERENCES $schema.chord ON DELETE CASCADE,
  task_id text COLLATE "C" NOT NULL,
  n bigint GENERATED ALWAYS AS IDENTITY,
  place bigint,                         -- null: after all others
  part text,                            -- null: added by a member, has not ended
  PRIMARY KEY (group_id, task_id)
);
${addChordPart}
CREATE FUNCTION $schema.extend_chord(g text, t text, kept_ms float8) RETURNS void LANGUAGE plpgsql AS $$
DECLARE added bigint;
BEGIN
  INSERT INTO $schema.chord (group_id, expires) VALUES (g, clock_timestamp() + kept_ms * interval '1 millisecond')
    ON CONFLICT (group_id) DO NOTHING;
  IF (SELECT done FROM $schema.chord WHERE group_id = g FOR UPDATE) THEN RETURN; END IF;
  INSERT INTO $schema.chord_part (group_id, task_id) VALUES (g, t) ON CONFLICT DO NOTHING;
  GET DIAGNOSTICS added = ROW_COUNT;
  UPDATE $schema.chord SET extra = extra + added WHERE group_id = g;
END $$;`,
  addChordPart,
  `
CREATE TABLE $schema.pause (            -- what no worker takes
  kind text NOT NULL,                   -- queue, task
  name text COLLATE "C" NOT NULL,
  since timestamptz NOT NULL,
  by text NOT NULL,
  reason text NOT NULL,
  PRIMARY KEY (kind, name)
);`,
  `
CREATE TABLE $schema.audit (            -- who did what
  id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  at timestamptz NOT NULL,
  "user" text NOT NULL,
  role text NOT NULL,
  action text NOT NULL,
  target text NOT NULL,
  reason text NOT NULL,
  address text NOT NULL
);`,
  addChordPart,
  'ALTER TABLE $schema.chord ADD COLUMN manifest text', // its body and the ids of its members, as JSON
];

/** The tables of the history of tasks. Each entry is the migration to the next version. Times are milliseconds since 1970. */
export const historySchema: readonly string[] = [
  `
CREATE TABLE $schema.history_task (
  seq bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  seen float8 NOT NULL, updated float8 NOT NULL,
  sent float8, received float8, started float8, ended float8, eta float8, expires float8,
  runtime float8, wait float8, retries float8, priority float8,
  id text COLLATE "C" NOT NULL UNIQUE,
  state text COLLATE "C" NOT NULL,
  name text COLLATE "C", queue text COLLATE "C", worker text COLLATE "C", client text COLLATE "C",
  root_id text COLLATE "C", parent_id text COLLATE "C", group_id text COLLATE "C", chord_id text COLLATE "C",
  args_repr text COLLATE "C", kwargs_repr text COLLATE "C",
  args text COLLATE "C", kwargs text COLLATE "C", stamps text COLLATE "C", -- JSON
  result text COLLATE "C", exception text COLLATE "C", traceback text COLLATE "C",
  marks text COLLATE "C" NOT NULL       -- JSON: the moments of which all but the texts above follows
);
CREATE INDEX history_task_seen ON $schema.history_task (seen);
CREATE INDEX history_task_state ON $schema.history_task (state, seen);
CREATE INDEX history_task_name ON $schema.history_task (name, seen);
CREATE INDEX history_task_queue ON $schema.history_task (queue, seen) WHERE queue IS NOT NULL;
CREATE INDEX history_task_worker ON $schema.history_task (worker, seen) WHERE worker IS NOT NULL;
CREATE INDEX history_task_ended ON $schema.history_task (ended NULLS FIRST, seq);
CREATE INDEX history_task_root ON $schema.history_task (root_id) WHERE root_id IS NOT NULL;
CREATE INDEX history_task_parent ON $schema.history_task (parent_id) WHERE parent_id IS NOT NULL;
CREATE INDEX history_task_group ON $schema.history_task (group_id) WHERE group_id IS NOT NULL;
CREATE TABLE $schema.history_recording ( -- times in which a recorder listened
  id text COLLATE "C" PRIMARY KEY,
  began float8 NOT NULL,
  until float8 NOT NULL
);
CREATE TABLE $schema.history_identity (id text NOT NULL);
INSERT INTO $schema.history_identity VALUES (substr(md5(random()::text || clock_timestamp()::text || pg_backend_pid()), 1, 16));
CREATE TABLE $schema.history_job (      -- runs tasks of the history again
  id text COLLATE "C" PRIMARY KEY,
  state text NOT NULL, pause_reason text NOT NULL,
  settings text NOT NULL,               -- JSON
  created float8 NOT NULL,
  runner text, alive float8 NOT NULL,
  change text                           -- the last change, known again if it is repeated
);
CREATE TABLE $schema.history_job_item (
  job text COLLATE "C" NOT NULL REFERENCES $schema.history_job ON DELETE CASCADE,
  n bigint GENERATED ALWAYS AS IDENTITY,
  original text COLLATE "C" NOT NULL, new_id text COLLATE "C" NOT NULL,
  state text COLLATE "C" NOT NULL, problem text COLLATE "C" NOT NULL,
  claim text,                           -- the call that claimed it, known again if it is repeated
  PRIMARY KEY (job, original)
);
CREATE INDEX history_job_item_state ON $schema.history_job_item (job, state, n);`,
];
