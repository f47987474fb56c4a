-- The history stream: its registrations, and what recorders have read.
--
-- KEYS[1]   the set of the consumers, by which a cluster finds the server
-- ARGV[1]   the prefix of all keys
-- ARGV[2]   how long a registration lasts, milliseconds
-- ARGV[3]   what to do:
--   `registered`            1 or 0. Without a registration, what is left is deleted
--   `append`                adds entries
--   `register`              registers a reader, or renews that; 1 if it was unknown
--   `read`                  the reader's position, the number of the first entry, and the next entries
--   `waiting`               how many entries the reader has not acknowledged
--   `acknowledge`           the reader has read up to an entry; what all have read is deleted
--   `leave`                 ends a registration
--   `status`                how many entries wait, then id and time of each reader
-- ARGV[4]   the reader's id; of `append`: how many entries are kept
-- ARGV[5]   of `read`: how many entries; of `acknowledge`: the number of the entry; of `append`: the first entry
-- ARGV[6…]  the other entries
-- Reply     see ARGV[3]

--- @include queues
--- @include history
local readers = prefix .. 'umbel:history:readers'
local lasts, what = tonumber(ARGV[2]), ARGV[3]
local now = server_ms()

local function position_of(id)
  local stored = redis.call('HGET', readers, id)
  if not stored then return nil end
  return tonumber(string.match(stored, '^%d+'))
end
local function put(id, position) redis.call('HSET', readers, id, text(position) .. ':' .. text(now)) end
-- The registered readers as {id, position, seen}; those that were not seen for too long are forgotten.
local function registered()
  local list = {}
  local cells = redis.call('HGETALL', readers)
  for n = 1, #cells, 2 do
    local position, seen = string.match(cells[n + 1], '^(%d+):(%d+)$')
    if position and tonumber(seen) >= now - lasts then list[#list + 1] = {cells[n], tonumber(position), tonumber(seen)}
    else redis.call('HDEL', readers, cells[n]) end
  end
  return list
end
-- The number of the first entry, or of the next one if there is none.
local function first_entry()
  local first = redis.call('XRANGE', history, '-', '+', 'COUNT', 1)
  if first[1] then return tonumber(string.match(first[1][1], '^%d+')) end
  return tonumber(redis.call('GET', history_seq) or '0') + 1
end
local function slowest(list)
  local lowest
  for _, reader in ipairs(list) do
    if not lowest or reader[2] < lowest then lowest = reader[2] end
  end
  return lowest
end

if what == 'registered' then
  if #registered() > 0 then
    -- Whether this user may write: the key has another type, so nothing is added.
    local probe = redis.pcall(xadd, readers, '*', 'e', '')
    if type(probe) == 'table' and probe.err and not string.find(probe.err, 'WRONGTYPE', 1, true) then
      return redis.error_reply(probe.err)
    end
    return 1
  end
  redis.call('UNLINK', history, history_seq)
  return 0
elseif what == 'append' then
  local entries = {}
  for n = 5, #ARGV do entries[#entries + 1] = ARGV[n] end
  local problem = add_history(ARGV[4], entries)
  if problem then return redis.error_reply(problem) end
  return 'OK'
elseif what == 'register' then
  registered()
  local position = position_of(ARGV[4])
  put(ARGV[4], position or first_entry() - 1)
  return position and 0 or 1
elseif what == 'read' then
  local first = first_entry()
  local position = position_of(ARGV[4]) or first - 1
  local found = redis.call('XRANGE', history, text(math.max(position + 1, first)) .. '-0', '+', 'COUNT', ARGV[5])
  local reply = {text(position), text(first)}
  for _, each in ipairs(found) do reply[#reply + 1] = each[2][2] end
  return reply
elseif what == 'waiting' then
  local first = first_entry()
  local last = tonumber(redis.call('GET', history_seq) or '0')
  return text(last - math.max(position_of(ARGV[4]) or 0, first - 1))
elseif what == 'acknowledge' then
  local position = position_of(ARGV[4])
  if not position then return 0 end
  put(ARGV[4], math.max(position, tonumber(ARGV[5])))
  local lowest = slowest(registered())
  if lowest then redis.call('XTRIM', history, 'MINID', text(lowest + 1) .. '-0') end
  return 1
elseif what == 'leave' then
  redis.call('HDEL', readers, ARGV[4])
  return 1
end
local list = registered()
local first = first_entry()
local last = tonumber(redis.call('GET', history_seq) or '0')
local reply = {text(last - math.max(slowest(list) or 0, first - 1))}
for _, reader in ipairs(list) do
  reply[#reply + 1] = reader[1]
  reply[#reply + 1] = text(reader[3])
end
return reply
