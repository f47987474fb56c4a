-- Moves messages that are scheduled for exactly one of these times to the front of their queue.
--
-- KEYS[1]   the set of the consumers, by which a cluster finds the server
-- ARGV[1]   the prefix of all keys
-- ARGV[2]   the queue
-- ARGV[3…]  the times, ms since 1970
-- Reply     how many messages were moved

--- @include queues
unrefused()
local queue, count = ARGV[2], 0
local key = schedule_key(queue)
for i = 3, #ARGV do
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', key, ARGV[i], ARGV[i])) do
    local step, stored = string.match(member, '^(%d+):(.*)$')
    local _, crashes = unmark(stored)
    put_front(queue, step, stored, crashes)
    redis.call('ZREM', key, member)
    count = count + 1
  end
end
return count
