-- Puts a dead letter back to the end of its queue, or only deletes it.
--
-- KEYS[1]   the set of the consumers, by which a cluster finds the server
-- ARGV[1]   the prefix of all keys
-- ARGV[2]   the dead letter's number
-- ARGV[3]   `1`: put it back; else only delete it
-- Reply     whether the dead letter existed

--- @include queues
local key = prefix .. 'umbel:dead:' .. ARGV[2]
local letter = redis.call('HMGET', key, 'queue', 'step', 'raw')
if not letter[1] then return 0 end
unrefused()
may_delete()
if ARGV[3] == '1' then redis.call('LPUSH', list_key(letter[1], letter[2]), letter[3]) end
redis.call('DEL', key)
redis.call('ZREM', prefix .. 'umbel:dead', ARGV[2])
redis.call('ZREM', prefix .. 'umbel:dead:of:' .. letter[1], ARGV[2])
return 1
