-- Gives messages back that consumers hold: those whose stored text has this SHA-1. It counts no crash. The consumer is marked: from now on its batches look
-- whether each message that they settle is still its own (the fence), which they need not as long as nobody takes single messages from it.
--
-- KEYS[1]   the set of the consumers, by which a cluster finds the server
-- ARGV[1]   the prefix of all keys
-- ARGV[2]   the queue
-- ARGV[3…]  the SHA-1 of each stored text
-- Reply     how many messages were given back

--- @include queues
unrefused()
may_unhold()
local queue, wanted, count = ARGV[2], {}, 0
for i = 3, #ARGV do wanted[ARGV[i]] = true end
for _, id in ipairs(redis.call('ZRANGE', consumers, 0, -1)) do
  for _, field in ipairs(redis.call('HKEYS', claimed_key(id))) do
    local _, step, of = parse_field(field)
    local stored = of == queue and redis.call('HGET', claimed_key(id), field)
    if stored and wanted[redis.sha1hex(stored)] then
      local raw, crashes, deferrals = unmark(stored)
      redis.call('HSET', consumer_key(id), 'released', '1')
      put_front(queue, step, mark(raw, crashes, deferrals), crashes)
      redis.call('HDEL', claimed_key(id), field)
      count = count + 1
    end
  end
end
return count
