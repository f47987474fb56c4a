-- Reads the next messages of a queue that are not due yet, one after another, since all together may be a gigabyte.
--
-- KEYS[1]   the set of the consumers, by which a cluster finds the server
-- ARGV[1]   the prefix of all keys
-- ARGV[2]   the queue
-- ARGV[3]   how many messages
-- ARGV[4]   how many bytes: messages that would exceed this sum are left out
-- Reply     for each: its time and the stored text

--- @include queues
local reply, left = {}, tonumber(ARGV[4])
local key, after = schedule_key(ARGV[2]), '(' .. text(server_ms())
for n = 0, tonumber(ARGV[3]) - 1 do
  local found = redis.call('ZRANGEBYSCORE', key, after, '+inf', 'WITHSCORES', 'LIMIT', n, 1)
  if not found[1] then break end
  local stored = string.match(found[1], '^%d+:(.*)$')
  if stored and #stored <= left then
    left = left - #stored
    reply[#reply + 1] = found[2]
    reply[#reply + 1] = stored
  end
end
return reply
