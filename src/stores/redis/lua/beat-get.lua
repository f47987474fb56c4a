-- Reads one schedule.
--
-- KEYS[1]   entries
-- KEYS[2]   states
-- KEYS[3]   revisions
-- ARGV[1]   the schedule's name
-- Reply     text, revision, state; nothing when the schedule does not exist

local text = redis.call('HGET', KEYS[1], ARGV[1])
if not text then return {} end
return { text, redis.call('ZSCORE', KEYS[3], ARGV[1]), redis.call('HGET', KEYS[2], ARGV[1]) or '' }
