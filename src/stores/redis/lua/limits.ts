// The rules of `book.ts` in Lua: one call for all that was asked for in one turn of the event loop.

import { mostCounted } from '../../limit-book.ts';
import { forgetMs, mostPromised, reservedMs, tellAgainMs } from '../../limits.ts';
import { type RedisScript, redisScript } from '../client/script.ts';

const shared = `
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
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', at('woken', key), '-inf', '(' .. text(now - ${forgetMs}))) do
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
for _, each in ipairs(redis.call('ZRANGEBYSCORE', told, '-inf', text(now - ${tellAgainMs}), 'LIMIT', 0, 20)) do
  local pair = cjson.decode(each)
  local about = redis.call('HGET', at('about', pair[1]), pair[2])
  if about and redis.call('ZSCORE', at('woken', pair[1]), pair[2]) then tell(pair[1], pair[2], about)
  else redis.call('ZREM', told, each) end
end
-- What it held is free.
local function strike_off(holder)
  for _, each in ipairs(redis.call('HKEYS', at('holder', holder))) do
    local pair = cjson.decode(each)
    redis.call('HDEL', at('held', pair[1]), pair[2])
    wake(pair[1], 1)
  end
  redis.call('DEL', at('holder', holder))
  redis.call('ZREM', holders, holder)
end
for _, dead in ipairs(redis.call('ZRANGEBYSCORE', holders, '-inf', text(now), 'LIMIT', 0, 5)) do strike_off(dead) end
`;

/**
 * ARGV: prefix, holder, lease ms, whether the holder is new, operations as JSON. Reply: JSON `{alive, results, woken}`; a holder that
 * was struck off has done nothing.
 */
export const limitScript: RedisScript = redisScript(
  'limits',
  `${shared}
local holder, lease, is_new, ops = ARGV[2], tonumber(ARGV[3]), ARGV[4], cjson.decode(ARGV[5])
if is_new ~= '1' and not redis.call('ZSCORE', holders, holder) then return cjson.encode({alive = false, woken = woken}) end
-- Who asks lives: the thread that renews may take a while to begin.
redis.call('ZADD', holders, text(now + lease), holder)
local function limit_of(ask)
  local said = redis.call('HGET', prefix .. 'said', ask.kind .. ' ' .. ask.name)
  if not said then return ask.limit end
  if said == '' then return nil end
  return tonumber(said)
end
local function has_room(op, ask, limit)
  local key = ask.key
  if redis.call('HEXISTS', at('held', key), op.token) == 1 then return true end
  local held = redis.call('HLEN', at('held', key))
  if held >= limit then return false end
  if redis.call('ZSCORE', at('woken', key), op.id) then return true end
  return held + told_since(key, now - ${reservedMs}) < limit
end
local function line_up(op, key)
  local before = math.min(redis.call('ZCARD', at('line', key)), ${mostCounted})
  local due = now + math.ceil(math.min(op.baseMs + op.perMs * before, op.capMs)) + (now % 200)
  if not op.inLine then return due end
  local about = redis.call('HGET', at('about', key), op.id)
  local since = about and cjson.decode(about)[3] or now
  redis.call('ZREM', at('woken', key), op.id)
  redis.call('ZREM', told, cjson.encode({key, op.id}))
  redis.call('HSET', at('about', key), op.id, cjson.encode({op.queue, due, since}))
  redis.call('ZADD', at('line', key), text(since), op.id)
  keep(at('line', key), at('about', key))
  return due
end
local function moment_of(op, ask, rate)
  local key = ask.key
  local promised = redis.call('ZSCORE', at('promise', key), op.id)
  if promised then return tonumber(promised) end
  local interval = 1000 / rate
  local state = redis.call('HMGET', at('rate', key), 'next', 'spread')
  local next, spread = tonumber(state[1] or 0), tonumber(state[2] or 0)
  local earliest = math.max(now, math.ceil(next - (ask.burst - 1) * interval))
  local function set(field, value)
    redis.call('HSET', at('rate', key), field, string.format('%.3f', value))
    local ms = math.ceil(math.max(next, spread, value) - now) + ${forgetMs * 2}
    redis.call('PEXPIRE', at('rate', key), ms)
    redis.call('PEXPIRE', at('promise', key), ms)
  end
  if earliest > now then
    redis.call('ZREMRANGEBYSCORE', at('promise', key), '-inf', '(' .. text(now - ${forgetMs}))
    if redis.call('ZCARD', at('promise', key)) >= ${mostPromised} then
      local later = math.max(spread, next, now) + interval
      set('spread', later)
      return math.ceil(later)
    end
    redis.call('ZADD', at('promise', key), text(earliest), op.id)
  end
  set('next', math.max(next, now) + interval)
  return earliest
end
local function take(op)
  for _, ask in ipairs(op.asks) do
    ask.limit = limit_of(ask)
    if ask.kind == 'concurrency' and ask.limit and not has_room(op, ask, ask.limit) then return line_up(op, ask.key) end
  end
  for _, ask in ipairs(op.asks) do
    if ask.kind == 'rate' and ask.limit then
      local moment = moment_of(op, ask, ask.limit)
      if moment > now then return moment end
    end
  end
  for _, ask in ipairs(op.asks) do
    if ask.limit and ask.kind == 'rate' then redis.call('ZREM', at('promise', ask.key), op.id)
    elseif ask.limit then
      leave_line(ask.key, op.id)
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
        wake(ask.key, limit - redis.call('HLEN', at('held', ask.key)) - told_since(ask.key, now - ${reservedMs}))
      end
    end
  elseif op.op == 'lapse' then
    leave_line(op.key, op.id)
    wake(op.key, 1)
  elseif op.op == 'say' then
    if op.value then redis.call('HSET', prefix .. 'said', op.name, op.value)
    else redis.call('HDEL', prefix .. 'said', op.name) end
  elseif op.op == 'leave' then
    strike_off(holder)
  end
end
return cjson.encode({alive = true, results = results, woken = woken})
`,
);

/** Renews. ARGV: prefix, holder, lease ms. Reply: JSON as above, without results. */
export const beatScript: RedisScript = redisScript(
  'limits-beat',
  `${shared}
local alive = redis.call('ZSCORE', holders, ARGV[2]) and true or false
if alive then redis.call('ZADD', holders, text(now + tonumber(ARGV[3])), ARGV[2]) end
return cjson.encode({alive = alive, woken = woken})
`,
);
