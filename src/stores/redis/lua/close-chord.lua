-- Completes a chord with the parts that are there.
--
-- KEYS[1]   the base of the chord's keys
-- ARGV[1]   the same
-- ARGV[2]   the id of the task that completes it
-- ARGV[3]   ttl, ms (empty: for ever)
-- Reply     1: the caller sends the body; 0: another task has completed it, it is done, or there is none

local base, task, ttl = ARGV[1], ARGV[2], ARGV[3]
local closer = redis.call('GET', base .. '.c')
if closer then return closer == task and 1 or 0 end
if redis.call('EXISTS', base .. '.d') == 1 or redis.call('EXISTS', base .. '.s', base .. '.j') == 0 then return 0 end
redis.call('SET', base .. '.c', task)
if ttl ~= '' then redis.call('PEXPIRE', base .. '.c', ttl) end
return 1
