-- Deletes all waiting and scheduled messages of a queue.
--
-- KEYS[1]   the set of the consumers, by which a cluster finds the server
-- ARGV[1]   the prefix of all keys
-- ARGV[2]   the queue
-- ARGV[3…]  the steps of priority
-- Reply     how many messages were deleted

--- @include queues
local queue = ARGV[2]
local count = redis.call('LLEN', quarantine_key(queue)) + redis.call('ZCARD', schedule_key(queue))
redis.call('DEL', quarantine_key(queue), schedule_key(queue))
redis.call('ZREM', due, queue)
for i = 3, #ARGV do
  count = count + redis.call('LLEN', list_key(queue, ARGV[i]))
  redis.call('DEL', list_key(queue, ARGV[i]))
end
return count
