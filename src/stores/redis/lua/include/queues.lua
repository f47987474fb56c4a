-- Included by scripts that use queues: names of keys, and functions that move messages. ARGV[1] is the prefix of all keys.
--
-- A server that is out of memory does not refuse further commands of a script that has already written. So scripts that free memory call
-- `unrefused()` first.
-- A message is written to its new key before it is removed from its old key. The right to remove is checked before both, on an empty key
-- (`may_…`), so that a step that the ACL refuses is refused as a whole.

local prefix = ARGV[1]
local consumers = prefix .. 'umbel:consumers'
local evicted = prefix .. 'umbel:evicted'
local due = prefix .. 'umbel:due'
local function list_key(queue, step)
  if step == '0' then return prefix .. queue end
  return prefix .. queue .. '\006\022' .. step
end
local function schedule_key(queue) return prefix .. 'umbel:schedule:' .. queue end
local function quarantine_key(queue) return prefix .. 'umbel:quarantine:' .. queue end
local function claimed_key(id) return prefix .. 'umbel:claimed:' .. id end
local function consumer_key(id) return prefix .. 'umbel:consumer:' .. id end
local function taken_key(id, step, queue) return prefix .. 'umbel:taken:' .. id .. ':' .. step .. ':' .. queue end
local nothing = prefix .. 'umbel:nothing'
local function unrefused() redis.call('ZREM', consumers, '') end
local function may_trim() redis.call('LTRIM', nothing, 0, -1) end
local function may_pick() redis.call('LREM', nothing, 1, '') end
local function may_unhold() redis.call('HDEL', nothing, '') end
local function may_delete() redis.call('DEL', nothing) end
local function error_text(problem) return type(problem) == 'table' and problem.err or tostring(problem) end
local function server_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local function text(number) return string.format('%.0f', number) end
local function parse_field(field)
  local tag, step, queue = string.match(field, '^(%d+):(%d+):(.*)$')
  return tonumber(tag), step, queue
end
--- @include metadata
local function put_front(queue, step, stored, crashes)
  if crashes >= __quarantineAfter__ then redis.call('RPUSH', quarantine_key(queue), step .. ':' .. stored)
  else redis.call('RPUSH', list_key(queue, step), stored) end
end
local function put_back(queue, step, stored)
  local _, crashes = unmark(stored)
  if crashes >= __quarantineAfter__ then redis.call('LPUSH', quarantine_key(queue), step .. ':' .. stored)
  else redis.call('LPUSH', list_key(queue, step), stored) end
end
-- Moves the next message of a list with `put`; false: the list is empty.
local function move_next(list, put)
  local stored = redis.call('LINDEX', list, -1)
  if not stored then return false end
  may_trim()
  put(stored)
  redis.call('LTRIM', list, 0, -2)
  return true
end
local function give_back_next(list, queue, step)
  return move_next(list, function(stored)
    local _, crashes = unmark(stored)
    put_front(queue, step, stored, crashes)
  end)
end
-- Gives back all messages of a consumer, without counting a crash. The message that was claimed first is put to the front last.
local function give_back_all(id)
  local fields = {}
  for _, field in ipairs(redis.call('HKEYS', claimed_key(id))) do fields[#fields + 1] = {parse_field(field)} end
  table.sort(fields, function(a, b) return a[1] > b[1] end)
  may_unhold()
  for _, each in ipairs(fields) do
    local field = text(each[1]) .. ':' .. each[2] .. ':' .. each[3]
    local raw, crashes, deferrals = unmark(redis.call('HGET', claimed_key(id), field))
    put_front(each[3], each[2], mark(raw, crashes, deferrals), crashes)
    redis.call('HDEL', claimed_key(id), field)
  end
end
local function schedule(queue, step, stored, due_ms)
  redis.call('ZADD', schedule_key(queue), due_ms, step .. ':' .. stored)
  redis.call('ZADD', due, 'LT', due_ms, queue)
end
