-- Gives back all messages of a consumer in the order of their claims, without counting a crash, and removes the consumer from the list. Messages
-- that its blocking reads may still take are recovered like those of an evicted consumer.
--
-- KEYS[1], ARGV[1]   the prefix of all keys
-- ARGV[2]   the consumer's id
-- ARGV[3]   ms for which its blocking reads may still take messages
-- ARGV[4…]  queue, step of each list that it reads
-- Reply     1; 0: the consumer is not registered

--- @include queues
local id = ARGV[2]
if not redis.call('ZSCORE', consumers, id) then return 0 end
unrefused()
for i = 4, #ARGV, 2 do
  while give_back_next(taken_key(id, ARGV[i + 1], ARGV[i]), ARGV[i], ARGV[i + 1]) do end
end
give_back_all(id)
redis.call('ZADD', evicted, text(server_ms() + tonumber(ARGV[3])), id)
redis.call('ZREM', consumers, id)
return 1
