-- Sends messages, each once. A message whose record or note exists was sent before, perhaps by an earlier try of this call whose reply was
-- lost.
--
-- KEYS[1]   the set of the consumers, by which a cluster finds the server
-- ARGV[1]   the prefix of all keys
-- ARGV[2]   the number of the messages' database
-- ARGV[3…5] database, ttl (ms; empty: for ever) and text of the record that most messages share
-- ARGV[6…]  `L` queue step n (key message)…: n messages with such records, all to one list; or
--           `M` (`1` kind db key json ttl, or `0` note-key note-ms) n (queue step)… message: one message, to n lists; or
--           `E` n limit entry: what the history is told if the message with the number n is sent now
-- Reply     for each message whether it was sent now (`1`, `0`), or the error

--- @include queues
--- @include records
--- @include history
local db, sent_db, sent_ttl, sent_json = ARGV[2], ARGV[3], ARGV[4], ARGV[5]
local at = 6
local sent = {}
local function use(other) if other ~= db then redis.call('SELECT', other) end end
local function back(other) if other ~= db then redis.call('SELECT', db) end end

local function send_alike(queue, step, last)
  local fresh, keys, numbers = {}, {}, {}
  use(sent_db)
  for n = at, last, 2 do
    local key, new = ARGV[n]
    if sent_ttl == '' then new = redis.call('SET', key, sent_json, 'NX')
    else new = redis.call('SET', key, sent_json, 'NX', 'PX', sent_ttl) end
    sent[#sent + 1] = new and '1' or '0'
    if new then
      fresh[#fresh + 1] = ARGV[n + 1]
      keys[#keys + 1] = key
      numbers[#numbers + 1] = #sent
    end
  end
  back(sent_db)
  if #fresh == 0 then return end
  local pushed = redis.pcall('LPUSH', list_key(queue, step), unpack(fresh))
  if type(pushed) ~= 'table' or not pushed.err then return end
  use(sent_db)
  redis.call('DEL', unpack(keys))
  back(sent_db)
  for _, number in ipairs(numbers) do sent[number] = pushed.err end
end

local function send(from)
  local i = from
  if ARGV[i] == '1' then
    if not write_record(ARGV[i + 1], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4], ARGV[i + 5], db) then return false end
    i = i + 6
  else
    if not redis.call('SET', ARGV[i + 1], '', 'NX', 'PX', ARGV[i + 2]) then return false end
    i = i + 3
  end
  local count = tonumber(ARGV[i])
  local message = ARGV[i + 2 * count + 1]
  for n = 0, count - 1 do
    redis.call('LPUSH', list_key(ARGV[i + 1 + 2 * n], ARGV[i + 2 + 2 * n]), message)
  end
  return true
end
local function undo(from)
  if ARGV[from] == '1' then
    use(ARGV[from + 2])
    redis.call('DEL', ARGV[from + 1] == 'sent-elsewhere' and ARGV[from + 3] .. '__sentElsewhere__' or ARGV[from + 3])
    back(ARGV[from + 2])
  else redis.call('DEL', ARGV[from + 1]) end
end

local entries, limit = {}
while at <= #ARGV do
  local op = ARGV[at]
  at = at + 1
  if op == 'L' then
    local queue, step = ARGV[at], ARGV[at + 1]
    local last = at + 2 + 2 * tonumber(ARGV[at + 2])
    at = at + 3
    send_alike(queue, step, last)
    at = last + 1
  elseif op == 'E' then
    if sent[tonumber(ARGV[at])] == '1' then
      entries[#entries + 1] = ARGV[at + 2]
      limit = ARGV[at + 1]
    end
    at = at + 3
  else
    local ok, result = pcall(send, at)
    if not ok then
      local problem = type(result) == 'table' and result.err or tostring(result)
      -- The server is out of memory, and this script has done nothing yet.
      if #sent == 0 and string.find(problem, 'OOM', 1, true) then return redis.error_reply(problem) end
      undo(at)
      sent[#sent + 1] = problem
    else sent[#sent + 1] = result and '1' or '0' end
    at = at + (ARGV[at] == '1' and 6 or 3)
    at = at + 2 * tonumber(ARGV[at]) + 2
  end
end
add_history(limit, entries)
return sent
