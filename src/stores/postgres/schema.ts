/** The current function, which versions 2 and 3 create. */
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
];
