-- Adds a member to a chord. A repeated call (the task runs again, or a reply was lost) adds nothing.
--
-- KEYS[1]   the base of the chord's keys
-- ARGV[1]   the same
-- ARGV[2]   the task's id
-- ARGV[3]   ttl, ms (empty: for ever)
-- Reply     1; 0: the member was added before, or the chord is done

local base, ttl = ARGV[1], ARGV[3]
if redis.call('EXISTS', base .. '.d') == 1 then return 0 end
-- Checks the right to count before the member is added, since a member in the set is not counted again.
redis.call('INCRBY', base .. '.t', 0)
local added = redis.call('SADD', base .. '.x', ARGV[2])
if added == 1 then redis.call('INCRBY', base .. '.t', 1) end
if ttl ~= '' then
  redis.call('PEXPIRE', base .. '.x', ttl)
  redis.call('PEXPIRE', base .. '.t', ttl)
end
return added
