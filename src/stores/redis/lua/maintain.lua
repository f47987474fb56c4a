-- Maintains the store. Each consumer runs it from its own thread. It renews the consumer's lease, gives back the messages of consumers whose
-- lease has ended, and moves due messages to their queues. Each step runs on its own, so that a key of the wrong type or a missing right
-- does not stop the other steps.
--
-- It also scans all keys for claims of unknown owners (somebody deleted the set of consumers): one key for each millisecond that has passed,
-- and 5000 at most, which take a millisecond or two. An unknown owner is registered as if it had just renewed its lease. If it lives it
-- continues, if not its claims come back.
--
-- KEYS[1]   the set of the consumers, by which a cluster finds the server
-- ARGV[1]   the prefix of all keys
-- ARGV[2]   the consumer's id (empty: the caller is no consumer)
-- ARGV[3]   the lease, ms
-- ARGV[4]   whether to evict other consumers (`1`)
-- ARGV[5]   ms for which an evicted consumer's blocking reads may still take messages
-- ARGV[6]   how many messages that its own blocking reads took are to be given back (-1: none, and do not report such messages)
-- ARGV[7…]  for each of these messages: step, queue, sha1; then the consumer's queues
-- Reply     alive (0: evicted), the server's time, next due time or 0, next end of another consumer's lease or 0, how many were promoted, whether
--           there is more to do now, whether quarantined messages wait, how many steps failed, for each the key and the error, then the messages
--           that its own blocking reads took: `:step:queue`, sha1…

--- @include queues
local id, lease_ms, evict, evicted_ms = ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local beat = prefix .. 'umbel:beat'
local now = server_ms()

local problems = {}
-- The key of a step that has the wrong type, else its first key. keys: name, type, name, type…
local function blame(keys, problem)
  if string.find(problem, 'WRONGTYPE', 1, true) then
    for i = 1, #keys, 2 do
      local is = redis.pcall('TYPE', keys[i])
      is = type(is) == 'table' and is.ok or 'none'
      if is ~= 'none' and is ~= keys[i + 1] then return keys[i] end
    end
  end
  return keys[1]
end
local function try(keys, step, ...)
  local ok, result = pcall(step, ...)
  if ok then return result end
  local problem = error_text(result)
  problems[#problems + 1] = blame(keys, problem)
  problems[#problems + 1] = problem
  return nil
end
-- Lists to which a push failed are not tried again in this run.
local broken = {}
local function to_list(from, from_type, queue, step, move)
  local list = step .. ':' .. queue
  if broken[list] then return nil end
  local moved = try({from, from_type, list_key(queue, step), 'list', quarantine_key(queue), 'list'}, move)
  broken[list] = moved == nil
  return moved
end

try({consumers, 'zset'}, unrefused)
local alive = 1
if id ~= '' then
  try({consumers, 'zset'}, function()
    if redis.call('ZSCORE', consumers, id) then redis.call('ZADD', consumers, text(now + lease_ms), id)
    else alive = 0 end
  end)
end

local first_queue = 7 + 3 * math.max(0, tonumber(ARGV[6]))
for i = 7, first_queue - 1, 3 do
  local step, queue = ARGV[i], ARGV[i + 1]
  local taken = taken_key(id, step, queue)
  to_list(taken, 'list', queue, step, function()
    local stored = redis.call('LINDEX', taken, -1)
    return stored and redis.sha1hex(stored) == ARGV[i + 2] and give_back_next(taken, queue, step)
  end)
end
local taken_messages = {}
if id ~= '' and ARGV[6] ~= '-1' then
  local steps = try({consumer_key(id), 'hash'}, redis.call, 'HGET', consumer_key(id), 'steps') or ''
  for i = first_queue, #ARGV do
    for step in string.gmatch(steps, '%d+') do
      local taken = taken_key(id, step, ARGV[i])
      local stored = try({taken, 'list'}, redis.call, 'LINDEX', taken, -1)
      if stored then
        taken_messages[#taken_messages + 1] = ':' .. step .. ':' .. ARGV[i]
        taken_messages[#taken_messages + 1] = redis.sha1hex(stored)
      end
    end
  end
end

-- If no consumer ran this script for two thirds of a lease (the server was away), leases may have ended meanwhile. Then no consumer is evicted
-- for a while, so that the others can come back.
local grace = 0
if id ~= '' then
  try({beat, 'hash'}, function()
    local last = redis.call('HMGET', beat, 'last', 'grace')
    grace = tonumber(last[2] or 0)
    if not last[1] or now - tonumber(last[1]) > lease_ms * 2 / 3 then
      grace = now + math.min(2000, lease_ms)
      redis.call('HSET', beat, 'grace', text(grace))
    end
    redis.call('HSET', beat, 'last', text(now))
  end)
end
if evict == '1' and now >= grace then
  try({consumers, 'zset', evicted, 'zset'}, function()
    for _, dead in ipairs(redis.call('ZRANGEBYSCORE', consumers, '-inf', text(now), 'LIMIT', 0, 10)) do
      -- In this order: if the second command fails, the owner of the messages is still known.
      redis.call('ZADD', evicted, text(now + evicted_ms), dead)
      redis.call('ZREM', consumers, dead)
    end
  end)
end

local function look_for_orphans()
  local look = redis.call('HMGET', beat, 'cursor', 'looked')
  local count = math.min(5000, now - tonumber(look[2] or 0))
  if count < 100 then return end
  local pattern = string.gsub(prefix, '[%*%?%[%]\\]', '\\%0') .. 'umbel:[ct][la]*:*'
  local found = redis.call('SCAN', look[1] or '0', 'MATCH', pattern, 'COUNT', text(count))
  for _, key in ipairs(found[2]) do
    local name = string.sub(key, #prefix + 1)
    local owner = string.match(name, '^umbel:claimed:(.*)$')
    local step, queue
    if not owner then owner, step, queue = string.match(name, '^umbel:taken:([^:]*):(%d+):(.*)$') end
    if owner and not redis.call('ZSCORE', consumers, owner) and not redis.call('ZSCORE', evicted, owner) then
      if queue then
        local about = redis.call('HMGET', consumer_key(owner), 'queues', 'steps')
        local queues, steps = about[1] and cjson.decode(about[1]) or {}, about[2] or ''
        queues[#queues + 1] = queue
        redis.call('HSET', consumer_key(owner), 'queues', cjson.encode(queues), 'steps', steps .. ',' .. step)
      end
      redis.call('ZADD', consumers, text(now + lease_ms), owner)
    end
  end
  redis.call('HSET', beat, 'cursor', found[1], 'looked', text(now))
end
if id ~= '' and evict == '1' then try({beat, 'hash', consumers, 'zset', evicted, 'zset'}, look_for_orphans) end

local budget = 200
local function drain(dead)
  local claimed, fields = claimed_key(dead), {}
  for _, field in ipairs(redis.call('HKEYS', claimed)) do fields[#fields + 1] = {parse_field(field)} end
  -- The message that was claimed first is put to the front last.
  table.sort(fields, function(a, b) return a[1] > b[1] end)
  local left = 0
  for _, each in ipairs(fields) do
    if budget == 0 then return false end
    local tag, step, queue = unpack(each)
    local moved = to_list(claimed, 'hash', queue, step, function()
      local field = text(tag) .. ':' .. step .. ':' .. queue
      local raw, crashes, deferrals = unmark(redis.call('HGET', claimed, field))
      may_unhold()
      put_front(queue, step, mark(raw, crashes + 1, deferrals), crashes + 1)
      redis.call('HDEL', claimed, field)
      return true
    end)
    if moved then budget = budget - 1 else left = left + 1 end
  end
  local about = redis.call('HMGET', consumer_key(dead), 'queues', 'steps')
  if about[1] and about[2] then
    for _, queue in ipairs(cjson.decode(about[1])) do
      for step in string.gmatch(about[2], '%d+') do
        local taken = taken_key(dead, step, queue)
        local moved = true
        while moved do
          moved = to_list(taken, 'list', queue, step, function() return give_back_next(taken, queue, step) end)
        end
        if moved == nil then left = left + 1 end
      end
    end
  end
  return left == 0
end
-- The latest first: the others were drained before, and stay only for messages that a blocking read may still take for them.
for _, dead in ipairs(try({evicted, 'zset'}, redis.call, 'ZREVRANGE', evicted, 0, 499) or {}) do
  local empty = try({claimed_key(dead), 'hash', consumer_key(dead), 'hash'}, drain, dead)
  if budget == 0 then break end
  if empty then
    try({evicted, 'zset'}, function()
      if tonumber(redis.call('ZSCORE', evicted, dead)) <= now then
        redis.call('DEL', consumer_key(dead))
        redis.call('ZREM', evicted, dead)
      end
    end)
  end
end

local promoted, room = 0, 500
local function promote(queue)
  local key = schedule_key(queue)
  local members = room > 0 and redis.call('ZRANGEBYSCORE', key, '-inf', text(now), 'LIMIT', 0, room) or {}
  for _, member in ipairs(members) do
    local step, stored = string.match(member, '^(%d+):(.*)$')
    if to_list(key, 'zset', queue, step, function()
      redis.call('ZREM', key, '') -- checks the right to remove
      put_back(queue, step, stored)
      redis.call('ZREM', key, member)
      return true
    end) then
      promoted = promoted + 1
      room = room - 1
    end
  end
  local head = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if head[2] then redis.call('ZADD', due, head[2], queue) else redis.call('ZREM', due, queue) end
end
for _, queue in ipairs(try({due, 'zset'}, redis.call, 'ZRANGEBYSCORE', due, '-inf', text(now), 'LIMIT', 0, 100) or {}) do
  try({schedule_key(queue), 'zset', due, 'zset'}, promote, queue)
end

local next_due = (try({due, 'zset'}, redis.call, 'ZRANGE', due, 0, 0, 'WITHSCORES') or {})[2]
local next_lease = 0
local leases = try({consumers, 'zset'}, redis.call, 'ZRANGE', consumers, 0, 1, 'WITHSCORES') or {}
for i = 1, #leases, 2 do
  if leases[i] ~= id and next_lease == 0 then next_lease = tonumber(leases[i + 1]) end
end
if now < grace then next_lease = grace end
local quarantined = 0
for i = first_queue, #ARGV do
  local key = quarantine_key(ARGV[i])
  quarantined = quarantined + (try({key, 'list'}, redis.call, 'LLEN', key) or 0)
end
local more = (budget == 0 or room == 0) and 1 or 0
local reply = {alive, now, tonumber(next_due or 0), next_lease, promoted, more, quarantined, #problems / 2}
for _, each in ipairs(problems) do reply[#reply + 1] = each end
for _, each in ipairs(taken_messages) do reply[#reply + 1] = each end
return reply
