-- Reads messages that wait in a queue, one after another, since all together may be a gigabyte. Changes nothing.
--
-- KEYS[1]   the set of the consumers, by which a cluster finds the server
-- ARGV[1]   the prefix of all keys
-- ARGV[2]   the queue
-- ARGV[3]   ready, scheduled, or heads: the first ready message of each list
-- ARGV[4]   next or last: which end comes first
-- ARGV[5]   how many messages
-- ARGV[6]   how many bytes: messages that would exceed this sum are left out
-- ARGV[7…]  the steps of priority
-- Reply     the number of messages in this place; for each: its time (empty: it is ready), and the stored text (nothing: left out)

--- @include queues
local queue, is_next, most, left = ARGV[2], ARGV[4] == 'next', tonumber(ARGV[5]), tonumber(ARGV[6])
local reply = {0}
local function show(due_ms, stored)
  local fits = #stored <= left
  if fits then left = left - #stored end
  reply[#reply + 1] = due_ms
  reply[#reply + 1] = fits and stored
end
local function without_step(stored) return string.match(stored, '^%d+:(.*)$') or stored end
if ARGV[3] == 'scheduled' then
  local key = schedule_key(queue)
  reply[1] = redis.call('ZCARD', key)
  for n = 0, math.min(most, reply[1]) - 1 do
    local found = redis.call(is_next and 'ZRANGE' or 'ZREVRANGE', key, n, n, 'WITHSCORES')
    show(found[2], without_step(found[1]))
  end
  return reply
end
-- The next message is at the end of its list.
local lists = {quarantine_key(queue)}
for i = 7, #ARGV do lists[#lists + 1] = list_key(queue, ARGV[i]) end
for at = 1, #lists do
  local key = lists[is_next and at or #lists + 1 - at]
  local length = redis.call('LLEN', key)
  reply[1] = reply[1] + length
  local heads = ARGV[3] == 'heads'
  for n = 0, math.min(most, heads and 1 or length, length) - 1 do
    local stored = redis.call('LINDEX', key, (is_next or heads) and -1 - n or n)
    show('', key == lists[1] and without_step(stored) or stored)
  end
  most = math.max(0, most - length)
end
return reply
