-- Lists dead letters, the latest first.
--
-- KEYS[1]   the set of the consumers, by which a cluster finds the server
-- ARGV[1]   the prefix of all keys
-- ARGV[2]   the queue (empty: all queues)
-- ARGV[3]   the number below which the list begins (or +inf)
-- ARGV[4]   how many dead letters
-- Reply     for each: number, queue, reason, detail, died_at, crashes, raw

--- @include queues
local index = prefix .. 'umbel:dead'
if ARGV[2] ~= '' then index = index .. ':of:' .. ARGV[2] end
local reply = {}
for _, number in ipairs(redis.call('ZREVRANGEBYSCORE', index, ARGV[3], '-inf', 'LIMIT', 0, ARGV[4])) do
  local letter = redis.call('HMGET', prefix .. 'umbel:dead:' .. number, 'queue', 'reason', 'detail', 'died_at', 'crashes', 'raw')
  if letter[1] then
    reply[#reply + 1] = number
    for _, each in ipairs(letter) do reply[#reply + 1] = each end
  end
end
return reply
