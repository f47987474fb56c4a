-- Included by the scripts of limits: the rules of `limit-book.ts`. ARGV[1] is the prefix of all keys. Whoever calls it evicts holders
-- whose lease has ended, and tells again those in line who were told and did not come.

local prefix = ARGV[1] .. 'umbel:limit:'
local holders = prefix .. 'holders'
redis.call('ZREM', holders, '') -- a script that has written is not refused by a server that is out of memory
local function text(number) return string.format('%.0f', number) end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local woken = {}
local function at(part, key) return prefix .. part .. ':' .. key end
local function keep(...) for _, key in ipairs({...}) do redis.call('PEXPIRE', key, 86400000) end end
local function told_since(key, ms) return redis.call('ZCOUNT', at('woken', key), '(' .. text(ms), '+inf') end
local told = prefix .. 'told'
local function leave_line(key, id)
  redis.call('ZREM', told, cjson.encode({key, id}))
  redis.call('ZREM', at('line', key), id)
  redis.call('ZREM', at('woken', key), id)
  redis.call('HDEL', at('about', key), id)
end
local function tell(key, id, about)
  redis.call('ZADD', told, text(now), cjson.encode({key, id}))
  local queue, due = cjson.decode(about)[1], cjson.decode(about)[2]
  woken[#woken + 1] = {key = key, id = id, queue = queue, due = due}
end
local function wake(key, most)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', at('woken', key), '-inf', '(' .. text(now - __forgetMs__))) do
    leave_line(key, id)
  end
  if most <= 0 then return end
  for _, id in ipairs(redis.call('ZRANGE', at('line', key), 0, math.min(most, 1000) - 1)) do
    redis.call('ZREM', at('line', key), id)
    local about = redis.call('HGET', at('about', key), id)
    if about then
      redis.call('ZADD', at('woken', key), text(now), id)
      tell(key, id, about)
    end
  end
  keep(at('woken', key))
end
local function drop(key, token)
  local holder = redis.call('HGET', at('held', key), token)
  if not holder then return end
  redis.call('HDEL', at('held', key), token)
  redis.call('HDEL', at('holder', holder), cjson.encode({key, token}))
end
-- Who was to tell them may have died.
for _, each in ipairs(redis.call('ZRANGEBYSCORE', told, '-inf', text(now - __tellAgainMs__), 'LIMIT', 0, 20)) do
  local pair = cjson.decode(each)
  local about = redis.call('HGET', at('about', pair[1]), pair[2])
  if about and redis.call('ZSCORE', at('woken', pair[1]), pair[2]) then tell(pair[1], pair[2], about)
  else redis.call('ZREM', told, each) end
end
-- What it held is free.
local function evict(holder)
  for _, each in ipairs(redis.call('HKEYS', at('holder', holder))) do
    local pair = cjson.decode(each)
    redis.call('HDEL', at('held', pair[1]), pair[2])
    wake(pair[1], 1)
  end
  redis.call('DEL', at('holder', holder))
  redis.call('ZREM', holders, holder)
end
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', holders, '-inf', text(now), 'LIMIT', 0, 5)) do evict(dead) end
