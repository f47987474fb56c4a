-- Moves or deletes messages that wait in one list, or in the schedule, of a queue: those that still wait there.
--
-- KEYS[1]   the set of the consumers, by which a cluster finds the server
-- ARGV[1]   the prefix of all keys
-- ARGV[2]   the queue
-- ARGV[3]   `list`, `quarantine` or `schedule`: where they wait
-- ARGV[4]   the step of the list
-- ARGV[5]   for lists: how many messages are claimed before the first one that is searched
-- ARGV[6]   for lists: how many are searched
-- ARGV[7…]  for each: stored text, queue (empty: it is deleted), step, time (ms since 1970; empty: ready), new text (empty: the same)
-- Reply     for each whether it was changed (`1`, `0`)

--- @include queues
local queue, place, step, from, most = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[5]), tonumber(ARGV[6])
unrefused()
local key = place == 'schedule' and schedule_key(queue) or place == 'quarantine' and quarantine_key(queue) or list_key(queue, step)
local now = server_ms()
local changed, problem = {}, nil
local function is_early(i) return ARGV[i + 3] ~= '' and tonumber(ARGV[i + 3]) > now end
-- Written to its new place before it is removed from the old one. False: the store refused it, and nothing was written.
local function put(i, own_step, stored)
  if ARGV[i + 1] == '' then return true end
  local new_step = ARGV[i + 2] == '' and own_step or ARGV[i + 2]
  local text = ARGV[i + 4] == '' and stored or ARGV[i + 4]
  local ok, result = pcall(is_early(i) and schedule or put_back, ARGV[i + 1], new_step, text, ARGV[i + 3])
  if not ok then problem = error_text(result) end
  return ok, is_early(i) and ARGV[i + 1] == queue and new_step .. ':' .. text
end
if place == 'schedule' then
  redis.call('ZREM', key, '') -- checks the right to remove
  for i = 7, #ARGV, 5 do
    local member = ARGV[i]
    local found = not problem and redis.call('ZSCORE', key, member)
    if found then
      local own_step, stored = string.match(member, '^(%d+):(.*)$')
      local ok, new_member = put(i, own_step, stored)
      -- The same message at another time is the same member.
      if ok and new_member ~= member then redis.call('ZREM', key, member) end
      found = ok
    end
    changed[#changed + 1] = found and '1' or '0'
  end
  return problem and redis.error_reply(problem) or changed
end
may_pick()
-- Their places are found in one look, and they are removed together: each removal would search the whole list.
local searched = redis.call('LRANGE', key, -from - most, -from - 1)
local places = {}
for n, stored in ipairs(searched) do places[stored] = n end
local first = math.max(0, redis.call('LLEN', key) - from - most)
local hole = '\0umbel:removed'
local holes = 0
for i = 7, #ARGV, 5 do
  local stored = ARGV[i]
  local n = not problem and places[stored]
  if n then
    local own_step, text = step, stored
    if place == 'quarantine' then own_step, text = string.match(stored, '^(%d+):(.*)$') end
    local before = redis.call('LLEN', key)
    n = put(i, own_step, text) and n
    if n then
      -- What was put may be the last of this same list, which moves the others by one.
      first = first + redis.call('LLEN', key) - before
      redis.call('LSET', key, first + n - 1, hole)
      holes = holes + 1
      places[stored] = nil
    end
  end
  changed[#changed + 1] = n and '1' or '0'
end
if holes > 0 then redis.call('LREM', key, -holes, hole) end
return problem and redis.error_reply(problem) or changed
