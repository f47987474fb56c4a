-- Gives back all that a consumer holds, without counting a crash, the first to be claimed first, and takes it off the list. What its blocking
-- reads might still take is looked after like that of an evicted one.
--
-- KEYS[1], ARGV[1]   the prefix of all keys
-- ARGV[2]   its id
-- ARGV[3]   ms for which blocking reads may still take something, more than the list's
-- ARGV[4…]  queue, step of each list that it reads
-- Reply     1; 0: it is not registered

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
