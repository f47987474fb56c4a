-- What is held of shared limits, to be shown. Changes nothing: holders whose lease has ended still count.
--
-- KEYS[1]   the set of the holders
-- ARGV[1]   the prefix of all keys
-- ARGV[2]   how many counters are read
-- ARGV[3]   how many holders and waiters of each
-- Reply     JSON `{uses, more, overrides}`

local prefix, counters, each = ARGV[1] .. 'umbel:limit:', tonumber(ARGV[2]), tonumber(ARGV[3])
local function at(part, key) return prefix .. part .. ':' .. key end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local keys, seen = {}, {}
local function add(key)
  if seen[key] then return end
  seen[key] = true
  keys[#keys + 1] = key
end
for _, holder in ipairs(redis.call('ZRANGE', KEYS[1], 0, -1)) do
  if #keys > counters then break end
  for _, pair in ipairs(redis.call('HKEYS', at('holder', holder))) do add(cjson.decode(pair)[1]) end
end
-- Whoever waits, waits for a permit that somebody holds, or was notified.
for _, pair in ipairs(redis.call('ZRANGE', prefix .. 'notifications', 0, counters)) do add(cjson.decode(pair)[1]) end
for _, key in ipairs(redis.call('ZRANGEBYSCORE', prefix .. 'rates', string.format('(%.0f', now), '+inf', 'LIMIT', 0, counters + 1)) do add(key) end
table.sort(keys)
local function some_fields(key)
  local found, cursor = {}, '0'
  repeat
    local page = redis.call('HSCAN', key, cursor, 'COUNT', each)
    cursor = page[1]
    for n = 1, #page[2], 2 do
      if #found < each then found[#found + 1] = page[2][n] end
    end
  until cursor == '0' or #found >= each
  return found
end
local uses = {}
for n = 1, math.min(#keys, counters) do
  local key = keys[n]
  local waiters = {}
  for _, part in ipairs({'notified', 'waiting'}) do
    for _, id in ipairs(redis.call('ZRANGE', at(part, key), 0, each - 1)) do
      local about = redis.call('HGET', at('about', key), id)
      if about and #waiters < each then
        local read = cjson.decode(about)
        waiters[#waiters + 1] = {id = id, queue = read[1], since = read[3]}
      end
    end
  end
  uses[n] = {
    key = key,
    held = redis.call('HLEN', at('held', key)),
    tokens = some_fields(at('held', key)),
    waiting = redis.call('ZCARD', at('waiting', key)) + redis.call('ZCARD', at('notified', key)),
    waiters = waiters,
    next = redis.call('HGET', at('rate', key), 'next'),
    reserved = redis.call('ZCARD', at('reserved', key)),
    idle = string.format('%.0f', now - __forgetMs__)
  }
end
return cjson.encode({uses = uses, more = #keys > counters, overrides = redis.call('HGETALL', prefix .. 'overrides')})
