-- The operations on limits of one turn of the event loop. For a holder that was evicted, nothing is done.
--
-- KEYS[1]   the set of the holders
-- ARGV[1]   the prefix of all keys
-- ARGV[2]   the holder
-- ARGV[3]   the holder's lease, ms
-- ARGV[4]   whether the holder is new (`1`)
-- ARGV[5]   operations (JSON)
-- Reply     JSON `{alive, results, notified}`

--- @include limits
local holder, lease, is_new, ops = ARGV[2], tonumber(ARGV[3]), ARGV[4], cjson.decode(ARGV[5])
if is_new ~= '1' and not redis.call('ZSCORE', holders, holder) then return cjson.encode({alive = false, notified = notified}) end
-- A holder that sends requests is alive; its thread that renews the lease may take a while to start.
redis.call('ZADD', holders, text(now + lease), holder)
local rates = prefix .. 'rates' -- counters of rates, by the time at which they are forgotten
local function limit_of(ask)
  local override = redis.call('HGET', prefix .. 'overrides', ask.kind .. ' ' .. ask.name)
  if not override then return ask.limit end
  if override == '' then return nil end
  return tonumber(override)
end
local function has_room(op, ask, limit)
  local key = ask.key
  if redis.call('HEXISTS', at('held', key), op.token) == 1 then return true end
  local held = redis.call('HLEN', at('held', key))
  if held >= limit then return false end
  if redis.call('ZSCORE', at('notified', key), op.id) then return true end
  return held + notified_since(key, now - __reservedMs__) < limit
end
local function queue_waiter(op, key)
  local before = math.min(redis.call('ZCARD', at('waiting', key)), __maxCounted__)
  local due = now + math.ceil(math.min(op.baseMs + op.perMs * before, op.capMs)) + (now % 200)
  if not op.waits then return due end
  local about = redis.call('HGET', at('about', key), op.id)
  local since = about and cjson.decode(about)[3] or now
  redis.call('ZREM', at('notified', key), op.id)
  redis.call('ZREM', notifications, cjson.encode({key, op.id}))
  redis.call('HSET', at('about', key), op.id, cjson.encode({op.queue, due, since}))
  redis.call('ZADD', at('waiting', key), text(since), op.id)
  keep(at('waiting', key), at('about', key))
  return due
end
local function reserved_time_of(op, ask, rate)
  local key = ask.key
  local reserved = redis.call('ZSCORE', at('reserved', key), op.id)
  if reserved then return tonumber(reserved) end
  local interval = 1000 / rate
  local state = redis.call('HMGET', at('rate', key), 'next', 'spread')
  local next, spread = tonumber(state[1] or 0), tonumber(state[2] or 0)
  local earliest = math.max(now, math.ceil(next - (ask.burst - 1) * interval))
  local function set(field, value)
    redis.call('HSET', at('rate', key), field, string.format('%.3f', value))
    local ms = math.ceil(math.max(next, spread, value) - now) + __rateKeptMs__
    redis.call('PEXPIRE', at('rate', key), ms)
    redis.call('PEXPIRE', at('reserved', key), ms)
    redis.call('ZADD', rates, text(now + ms), key)
    redis.call('ZREMRANGEBYSCORE', rates, '-inf', text(now))
  end
  if earliest > now then
    redis.call('ZREMRANGEBYSCORE', at('reserved', key), '-inf', '(' .. text(now - __forgetMs__))
    if redis.call('ZCARD', at('reserved', key)) >= __maxReservations__ then
      local later = math.max(spread, next, now) + interval
      set('spread', later)
      return math.ceil(later)
    end
    redis.call('ZADD', at('reserved', key), text(earliest), op.id)
  end
  set('next', math.max(next, now) + interval)
  return earliest
end
local function take(op)
  for _, ask in ipairs(op.asks) do
    ask.limit = limit_of(ask)
    if ask.kind == 'concurrency' and ask.limit and not has_room(op, ask, ask.limit) then return queue_waiter(op, ask.key) end
  end
  for _, ask in ipairs(op.asks) do
    if ask.kind == 'rate' and ask.limit then
      local time = reserved_time_of(op, ask, ask.limit)
      if time > now then return time end
    end
  end
  for _, ask in ipairs(op.asks) do
    if ask.limit and ask.kind == 'rate' then redis.call('ZREM', at('reserved', ask.key), op.id)
    elseif ask.limit then
      remove_waiter(ask.key, op.id)
      redis.call('HSET', at('held', ask.key), op.token, holder)
      redis.call('HSET', at('holder', holder), cjson.encode({ask.key, op.token}), '1')
    end
  end
  return 0
end
local results = {}
for n, op in ipairs(ops) do
  results[n] = 0
  if op.op == 'take' then results[n] = take(op)
  elseif op.op == 'release' then
    for _, ask in ipairs(op.asks) do
      if ask.kind == 'concurrency' then
        drop(ask.key, op.token)
        local limit = limit_of(ask) or 1e9
        wake(ask.key, limit - redis.call('HLEN', at('held', ask.key)) - notified_since(ask.key, now - __reservedMs__))
      end
    end
  elseif op.op == 'cancelWait' then
    remove_waiter(op.key, op.id)
    wake(op.key, 1)
  elseif op.op == 'override' then
    if op.value then redis.call('HSET', prefix .. 'overrides', op.name, op.value)
    else redis.call('HDEL', prefix .. 'overrides', op.name) end
  elseif op.op == 'leave' then
    evict(holder)
  end
end
return cjson.encode({alive = true, results = results, notified = notified})
