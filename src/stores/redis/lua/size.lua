-- Counts the messages of a queue.
--
-- KEYS[1]   the set of the consumers, by which a cluster finds the server
-- ARGV[1]   the prefix of all keys
-- ARGV[2]   the queue
-- ARGV[3…]  the steps of priority
-- Reply     ready, scheduled, claimed

--- @include queues
local queue = ARGV[2]
local ready = redis.call('LLEN', quarantine_key(queue))
local now = text(server_ms())
local overdue = redis.call('ZCOUNT', schedule_key(queue), '-inf', now)
ready = ready + overdue
for i = 3, #ARGV do ready = ready + redis.call('LLEN', list_key(queue, ARGV[i])) end
local claimed = 0
for _, set in ipairs({consumers, evicted}) do
  for _, id in ipairs(redis.call('ZRANGE', set, 0, -1)) do
    for _, field in ipairs(redis.call('HKEYS', claimed_key(id))) do
      local _, _, of = parse_field(field)
      if of == queue then claimed = claimed + 1 end
    end
    for i = 3, #ARGV do claimed = claimed + redis.call('LLEN', taken_key(id, ARGV[i], queue)) end
  end
end
return {ready, redis.call('ZCARD', schedule_key(queue)) - overdue, claimed}
