-- Counts the messages of a queue that are due between two times each. Changes nothing.
--
-- KEYS[1]   the set of the consumers, by which a cluster finds the server
-- ARGV[1]   the prefix of all keys
-- ARGV[2]   the queue
-- ARGV[3…]  the times, ms since 1970, ascending
-- Reply     how many are due from each time to before the next

--- @include queues
local counts, key = {}, schedule_key(ARGV[2])
for i = 3, #ARGV - 1 do counts[#counts + 1] = redis.call('ZCOUNT', key, ARGV[i], '(' .. ARGV[i + 1]) end
return counts
