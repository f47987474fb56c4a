-- Writes a schedule, if it is still at the revision that was seen. Its anchor is forgotten.
--
-- KEYS[1]   the lead
-- KEYS[2]   entries
-- KEYS[3]   states
-- KEYS[4]   revisions
-- ARGV[1]   its name
-- ARGV[2]   its text
-- ARGV[3]   the revision that is expected (empty: there is none)
-- Reply     1; 0: it is at another

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
