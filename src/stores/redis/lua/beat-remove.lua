-- Removes a schedule.
--
-- KEYS[1]   the lead
-- KEYS[2]   entries
-- KEYS[3]   states
-- KEYS[4]   revisions
-- KEYS[5]   the schedule's history
-- ARGV[1]   the schedule's name
-- Reply     whether the schedule existed

if redis.call('HDEL', KEYS[2], ARGV[1]) == 0 then return 0 end
redis.call('HDEL', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('DEL', KEYS[5])
redis.call('HSET', KEYS[1], 'floor', redis.call('HINCRBY', KEYS[1], 'revision', 1))
return 1
