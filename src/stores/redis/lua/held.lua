-- Messages of a queue that consumers hold, one consumer after another. Changes nothing.
--
-- KEYS[1]   the set of the consumers, by which a cluster finds the server
-- ARGV[1]   the prefix of all keys
-- ARGV[2]   the queue
-- ARGV[3]   how many messages
-- ARGV[4]   how many bytes: messages that would exceed this sum are left out
-- Reply     for each: about the consumer (JSON, or nothing), the end of its lease, and the stored text (nothing: left out)

--- @include queues
local queue, most, left = ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local reply = {}
local known = redis.call('ZRANGE', consumers, 0, -1, 'WITHSCORES')
for n = 1, #known, 2 do
  local id = known[n]
  local about = redis.call('HGET', consumer_key(id), 'about')
  local fields = {}
  for _, field in ipairs(redis.call('HKEYS', claimed_key(id))) do
    local tag, _, of = parse_field(field)
    if of == queue then fields[#fields + 1] = {tag, field} end
  end
  table.sort(fields, function(a, b) return a[1] < b[1] end)
  for _, each in ipairs(fields) do
    if #reply >= 3 * most then return reply end
    local stored = redis.call('HGET', claimed_key(id), each[2])
    local fits = #stored <= left
    if fits then left = left - #stored end
    reply[#reply + 1] = about
    reply[#reply + 1] = known[n + 1]
    reply[#reply + 1] = fits and stored
  end
end
return reply
