-- Gives the lead up, if this holder has it.
--
-- KEYS[1]   the lead
-- ARGV[1]   the holder
-- Reply     1

if redis.call('HGET', KEYS[1], 'holder') == ARGV[1] then redis.call('HSET', KEYS[1], 'holder', '') end
return 1
