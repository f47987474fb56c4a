-- Included by the scripts of limits: the rules of `limit-rules.ts`. ARGV[1] is the prefix of all keys. Each script first evicts holders whose
-- lease has ended, and repeats notifications of messages that were notified and did not ask.

local prefix = ARGV[1] .. 'umbel:limit:'
local holders = prefix .. 'holders'
redis.call('ZREM', holders, '') -- a server that is out of memory does not refuse further commands of a script that has written
local function text(number) return string.format('%.0f', number) end
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)
local notified = {}
local function at(part, key) return prefix .. part .. ':' .. key end
local function keep(...) for _, key in ipairs({...}) do redis.call('PEXPIRE', key, 86400000) end end
local function notified_since(key, ms) return redis.call('ZCOUNT', at('notified', key), '(' .. text(ms), '+inf') end
local notifications = prefix .. 'notifications'
local function remove_waiter(key, id)
  redis.call('ZREM', notifications, cjson.encode({key, id}))
  redis.call('ZREM', at('waiting', key), id)
  redis.call('ZREM', at('notified', key), id)
  redis.call('HDEL', at('about', key), id)
end
local function notify(key, id, about)
  redis.call('ZADD', notifications, text(now), cjson.encode({key, id}))
  local queue, due = cjson.decode(about)[1], cjson.decode(about)[2]
  notified[#notified + 1] = {key = key, id = id, queue = queue, due = due}
end
local function wake(key, most)
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', at('notified', key), '-inf', '(' .. text(now - __forgetMs__))) do
    remove_waiter(key, id)
  end
  if most <= 0 then return end
  for _, id in ipairs(redis.call('ZRANGE', at('waiting', key), 0, math.min(most, 1000) - 1)) do
    redis.call('ZREM', at('waiting', key), id)
    local about = redis.call('HGET', at('about', key), id)
    if about then
      redis.call('ZADD', at('notified', key), text(now), id)
      notify(key, id, about)
    end
  end
  keep(at('notified', key))
end
local function drop(key, token)
  local holder = redis.call('HGET', at('held', key), token)
  if not holder then return end
  redis.call('HDEL', at('held', key), token)
  redis.call('HDEL', at('holder', holder), cjson.encode({key, token}))
end
-- Notifies again: the worker that had to pass the notification on may have died.
for _, each in ipairs(redis.call('ZRANGEBYSCORE', notifications, '-inf', text(now - __renotifyMs__), 'LIMIT', 0, 20)) do
  local pair = cjson.decode(each)
  local about = redis.call('HGET', at('about', pair[1]), pair[2])
  if about and redis.call('ZSCORE', at('notified', pair[1]), pair[2]) then notify(pair[1], pair[2], about)
  else redis.call('ZREM', notifications, each) end
end
-- Evicts a holder and frees its permits.
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
