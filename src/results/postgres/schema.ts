/** The tables of results; each entry leads to the next version. */
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
];
