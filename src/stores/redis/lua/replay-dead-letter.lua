-- Puts a dead letter back to the end of its queue, or only deletes it.
--
-- KEYS[1]   the set of the consumers, by which a cluster finds the server
-- ARGV[1]   the prefix of all keys
-- ARGV[2]   the letter's number
-- ARGV[3]   whether it goes back (`1`)
-- Reply     whether there was one

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
