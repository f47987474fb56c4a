-- Removes a schedule.
--
-- KEYS[1]   the lead
-- KEYS[2]   entries
-- KEYS[3]   states
-- KEYS[4]   revisions
-- KEYS[5]   its history
-- ARGV[1]   its name
-- Reply     whether there was one

if redis.call('HDEL', KEYS[2], ARGV[1]) == 0 then return 0 end
redis.call('HDEL', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('DEL', KEYS[5])
redis.call('HSET', KEYS[1], 'floor', redis.call('HINCRBY', KEYS[1], 'revision', 1))
return 1
