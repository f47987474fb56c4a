-- Writes a schedule, if it still has the revision that the caller read. Its anchor is deleted.
--
-- KEYS[1]   the lead
-- KEYS[2]   entries
-- KEYS[3]   states
-- KEYS[4]   revisions
-- ARGV[1]   the schedule's name
-- ARGV[2]   the schedule's text
-- ARGV[3]   the expected revision (empty: the schedule must not exist)
-- Reply     1; 0: it has another revision

local revision = redis.call('ZSCORE', KEYS[4], ARGV[1])
if ARGV[3] == '' and revision then return 0 end
if ARGV[3] ~= '' and tonumber(revision or '-1') ~= tonumber(ARGV[3]) then return 0 end
local new = redis.call('HINCRBY', KEYS[1], 'revision', 1)
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[4], new, ARGV[1])
local state = redis.call('HGET', KEYS[3], ARGV[1])
if state then
  local due, run, sent, task = string.match(state, '^([^|]*)|([^|]*)|([^|]*)|[^|]*|(.*)$')
  redis.call('HSET', KEYS[3], ARGV[1], due .. '|' .. run .. '|' .. sent .. '||' .. task)
end
return 1
