-- Takes the lock of a unique task.
--
-- KEYS[1]   the lock
-- ARGV[1]   the task's id
-- ARGV[2]   ttl, ms
-- ARGV[3]   whether to take it from another task (`0`: no)
-- Reply     the id of the task that has the lock instead, or nil

local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] and ARGV[3] == '0' then return owner end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return nil
