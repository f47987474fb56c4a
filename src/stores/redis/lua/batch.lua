-- One batch of a consumer's operations: adopt messages that its blocking reads took, settle, claim. For a consumer that is not registered any
-- more, since it was taken for dead, nothing is done: that is the fence. A batch whose reply was lost is sent again with its number and is
-- not done twice, since the results of the last two batches are stored.
--
-- KEYS[1]   the set of the consumers, by which a cluster finds the server
-- ARGV[1]   the prefix of all keys
-- ARGV[2]   the number of the messages' database
-- ARGV[3]   the consumer's id
-- ARGV[4]   the batch's number
-- ARGV[5,6] database and ttl (ms; empty: for ever) of ended tasks' records
-- ARGV[7…]  operations:
--   `A` taken field sha1                     adopt a message that a blocking read took
--   `G` taken queue step sha1                give it back (sha1 empty: all messages of the list)
--   `S` field key json                       acknowledge with the record of a task that has ended
--   `K` field record publications            acknowledge with any record and with messages to send
--   `R` field due how marked                 give back. how: `1` deferred, `s` crashed, `0`; marked: `1` marked, `t` announced, `0`
--   `D` field reason detail record           move to the dead letters
--   `C` count mode base n (list suffix recover)…   claim `count` messages. mode is the rule for quarantined messages: `n` one alone, or nothing while
--                                            they wait and others are held; `b` one beside the held messages; `o` none, but others (see
--                                            `Quarantine`)
--   `E` limit entry                          what the history is told if the operation before it is done
--   `F` limit start end                      the frame of what following operations `H` tell the history
--   `H` field key json text                  like `S`, and an entry for the history in that frame
--   `s`, `k`, `h`: like `S`, `K`, `H`, but only if this consumer has the message, which is unknown while it is being adopted
--   record = `0` or `1` kind db key json ttl; publications = n (queue step stored due record)…
-- Reply     `!` when evicted; else
--           one letter for each operation except C, E and F: 1 done, 0 not ours, e failed
--           how many cells of claimed messages follow, in groups of suffix, number, message…; `?` without messages: nothing was claimed because of
--           quarantined messages
--           the error of the claim, or nothing
--           the other errors

--- @include queues
--- @include records
--- @include history
local db, id, batch = ARGV[2], ARGV[3], ARGV[4]
local claimed = claimed_key(id)
local consumer = consumer_key(id)
if not redis.call('ZSCORE', consumers, id) then return {'!'} end
local slot = tonumber(batch) % 2
local last = redis.call('HMGET', consumer, 'batch' .. slot, 'results' .. slot, 'alone', 'released')
local again = last[1] == batch
-- Single messages were taken from this consumer (release-held.lua): whether it has a message is looked up for each.
local checks_all = last[4] ~= false
local ended_db, ended_ttl = ARGV[5], ARGV[6]
unrefused()
if not again then
  -- Checks rights before anything is done: the batch ends with these commands, and adopts messages of blocking reads, whose tasks run already.
  may_unhold()
  may_pick()
  redis.call('LRANGE', nothing, 0, 0)
  redis.call('HEXISTS', nothing, '')
  redis.call('HSET', consumer, 'lane', slot)
end

local results, groups, errors, gone, ended, told = {}, {}, {}, {}, {}, {}
local frame_limit, frame_start, frame_end
local refused = ''
local at = 7
local function next_arg()
  local value = ARGV[at]
  at = at + 1
  return value
end
local function read_record()
  if next_arg() == '0' then return nil end
  at = at + 5
  return at - 5
end
local function write(record)
  return write_record(ARGV[record], ARGV[record + 1], ARGV[record + 2], ARGV[record + 3], ARGV[record + 4], db)
end
local function read_publications()
  local list = {}
  for n = 1, tonumber(next_arg()) do
    list[n] = {next_arg(), next_arg(), next_arg(), next_arg(), read_record()}
  end
  return list
end
-- First the writes that are safe to repeat: they are repeated when a later write is refused.
local function send(publications)
  for _, p in ipairs(publications) do
    if p[5] then write(p[5]) end
    if p[4] ~= '' then schedule(p[1], p[2], p[3], p[4]) end
  end
  for _, p in ipairs(publications) do
    if p[4] == '' then redis.call('LPUSH', list_key(p[1], p[2]), p[3]) end
  end
end
local function note(ok, problem)
  local number = #results + 1
  if ok then results[number] = problem == false and '0' or '1'
  else
    results[number] = 'e'
    errors[number] = error_text(problem)
  end
end

-- Picks one message of a list. Others in it are adopted or given back by their own operations, and messages whose read was lost are found by
-- the claim that follows.
local function pick(taken, sha, put)
  for _, stored in ipairs(redis.call('LRANGE', taken, 0, -1)) do
    if redis.sha1hex(stored) == sha then
      may_pick()
      put(stored)
      redis.call('LREM', taken, -1, stored)
      return true
    end
  end
  return false
end
local function adopt(taken, field, sha)
  return pick(taken, sha, function(stored) redis.call('HSET', claimed, field, stored) end)
end
local function give_back(taken, queue, step, sha)
  if sha ~= '' then
    return pick(taken, sha, function(stored)
      local _, crashes = unmark(stored)
      put_front(queue, step, stored, crashes)
    end)
  end
  local any = false
  while give_back_next(taken, queue, step) do any = true end
  return any
end
local function is_ours(field) return redis.call('HEXISTS', claimed, field) == 1 end
local function acknowledge(field, record, publications, checked)
  if (checked or checks_all) and not is_ours(field) then return false end
  if record then write(record) end
  send(publications)
  gone[#gone + 1] = field
end
local function release(field, due_ms, deferred, marked)
  local stored = redis.call('HGET', claimed, field)
  if not stored then return false end
  local _, step, queue = parse_field(field)
  local raw, crashes, deferrals = unmark(stored)
  if deferred == '1' then deferrals = deferrals + 1 elseif deferred == 's' then crashes = crashes + 1 end
  if marked == '1' then stored = mark(raw, crashes, deferrals) elseif marked == 't' then stored = mark_announced(stored) end
  if due_ms == '' then put_front(queue, step, stored, crashes) else schedule(queue, step, stored, due_ms) end
  redis.call('HDEL', claimed, field)
end
local function make_dead(field, reason, detail, record)
  local stored = redis.call('HGET', claimed, field)
  if not stored then return false end
  local _, step, queue = parse_field(field)
  local raw, crashes = unmark(stored)
  if record then write(record) end
  local number = redis.call('INCR', prefix .. 'umbel:dead:number')
  redis.call('ZADD', prefix .. 'umbel:dead:of:' .. queue, number, number)
  redis.call('ZADD', prefix .. 'umbel:dead', number, number)
  redis.call('HSET', prefix .. 'umbel:dead:' .. number, 'queue', queue, 'step', step, 'reason', reason, 'detail', detail,
    'died_at', text(server_ms()), 'crashes', crashes, 'raw', raw)
  redis.call('HDEL', claimed, field)
end
local function recall(base, count)
  local fields = {}
  for _, field in ipairs(redis.call('HKEYS', claimed)) do
    local tag = parse_field(field)
    if tag >= base and tag < base + count + __spareTags__ then fields[#fields + 1] = {tag, field} end
  end
  table.sort(fields, function(a, b) return a[1] < b[1] end)
  for _, each in ipairs(fields) do
    groups[#groups + 1] = string.match(each[2], '^%d+(:.*)$')
    groups[#groups + 1] = 1
    groups[#groups + 1] = redis.call('HGET', claimed, each[2])
  end
end
-- Messages that this batch settles are deleted at its end.
local function holds_nothing() return redis.call('HLEN', claimed) <= #gone + #ended / 2 end
local function refuse()
  groups[#groups + 1] = '?'
  groups[#groups + 1] = 0
end
local function claim(count, mode, base, lists)
  local tag, bytes = base, 0
  local alone = last[3]
  if alone and mode == 'n' and redis.call('HEXISTS', claimed, alone) == 1 and not holds_nothing() then return refuse() end
  if alone and mode == 'o' then redis.call('HDEL', consumer, 'alone') end
  local function hold(suffix, messages)
    local held = {}
    for n, stored in ipairs(messages) do
      held[#held + 1] = text(tag + n - 1) .. suffix
      held[#held + 1] = stored
    end
    redis.call('HSET', claimed, unpack(held))
    groups[#groups + 1] = suffix
    groups[#groups + 1] = #messages
    for _, stored in ipairs(messages) do
      groups[#groups + 1] = stored
      bytes = bytes + #stored
    end
    tag = tag + #messages
  end
  for _, list in ipairs(lists) do
    if list[3] == '1' then
      local _, step, queue = parse_field('0' .. list[2])
      while move_next(taken_key(id, step, queue), function(stored) hold(list[2], {stored}) end) do end
    end
  end
  if mode ~= 'o' and tag - base < count then
    for _, list in ipairs(lists) do
      local _, step, queue = parse_field('0' .. list[2])
      if redis.call('EXISTS', quarantine_key(queue)) == 1 then
        if mode == 'b' or (tag == base and holds_nothing()) then
          move_next(quarantine_key(queue), function(entry)
            local own, stored = string.match(entry, '^(%d+):(.*)$')
            redis.call('HSET', consumer, 'alone', tag .. ':' .. own .. ':' .. queue)
            hold(':' .. own .. ':' .. queue, {stored})
          end)
        else refuse() end
        count = 0
        break
      end
    end
  end
  if tag - base < count then may_trim() end
  for _, list in ipairs(lists) do
    while tag - base < count and bytes < 8388608 do
      local newest_first = redis.call('LRANGE', list[1], -math.min(count - (tag - base), 50), -1)
      if #newest_first == 0 then break end
      local messages = {}
      for n = #newest_first, 1, -1 do messages[#messages + 1] = newest_first[n] end
      hold(list[2], messages)
      redis.call('LTRIM', list[1], 0, -1 - #messages)
    end
  end
end

while at <= #ARGV do
  local op = next_arg()
  if op == 'S' or op == 'H' or op == 's' or op == 'h' then
    local tells = op == 'H' or op == 'h'
    if not again then
      local number = #results + 1
      if (not checks_all and (op == 'S' or op == 'H')) or is_ours(ARGV[at]) then
        results[number] = '1'
        ended[#ended + 1] = at
        ended[#ended + 1] = number
        if tells then told[#told + 1] = {number, frame_limit, frame_start .. ARGV[at + 3] .. frame_end} end
      else results[number] = '0' end
    end
    at = at + (tells and 4 or 3)
  elseif op == 'F' then
    frame_limit, frame_start, frame_end = next_arg(), next_arg(), next_arg()
  elseif op == 'K' or op == 'k' then
    local field, record = next_arg(), read_record()
    local publications = read_publications()
    if not again then note(pcall(acknowledge, field, record, publications, op == 'k')) end
  elseif op == 'C' then
    local count, mode, base = tonumber(next_arg()), next_arg(), tonumber(next_arg())
    local lists = {}
    for n = 1, tonumber(next_arg()) do lists[n] = {next_arg(), next_arg(), next_arg()} end
    if again then recall(base, count) else
      local ok, problem = pcall(claim, count, mode, base, lists)
      if not ok then refused = error_text(problem) end
    end
  elseif op == 'E' then
    told[#told + 1] = {#results, next_arg(), next_arg()}
  elseif op == 'A' then
    local taken, field, sha = next_arg(), next_arg(), next_arg()
    if not again then note(pcall(adopt, taken, field, sha)) end
  elseif op == 'G' then
    local taken, queue, step, sha = next_arg(), next_arg(), next_arg(), next_arg()
    if not again then note(pcall(give_back, taken, queue, step, sha)) end
  elseif op == 'R' then
    local field, due_ms, deferred, marked = next_arg(), next_arg(), next_arg(), next_arg()
    if not again then note(pcall(release, field, due_ms, deferred, marked)) end
  elseif op == 'D' then
    local field, reason, detail = next_arg(), next_arg(), next_arg()
    local record = read_record()
    if not again then note(pcall(make_dead, field, reason, detail, record)) end
  end
end
if #ended > 0 then
  local selected = ended_db ~= db and redis.pcall('SELECT', ended_db)
  local shut = type(selected) == 'table' and selected.err
  for n = 1, #ended, 2 do
    local first, number = ended[n], ended[n + 1]
    local problem = shut or write_ended(ARGV[first + 1], ARGV[first + 2], ended_ttl)
    if problem then
      results[number] = 'e'
      errors[number] = problem
    else gone[#gone + 1] = ARGV[first] end
  end
  if ended_db ~= db and not shut then redis.call('SELECT', db) end
end
for first = 1, #gone, 1000 do
  redis.call('HDEL', claimed, unpack(gone, first, math.min(first + 999, #gone)))
end
if not again then
  local entries, limit = {}
  for _, each in ipairs(told) do
    if results[each[1]] == '1' then
      limit = each[2]
      entries[#entries + 1] = each[3]
    end
  end
  add_history(limit, entries)
end
local all = again and last[2] or table.concat(results)
if not again then redis.call('HSET', consumer, 'batch' .. slot, batch, 'results' .. slot, all) end
local reply = {all, #groups}
for _, each in ipairs(groups) do reply[#reply + 1] = each end
reply[#reply + 1] = refused
for number = 1, #results do if errors[number] then reply[#reply + 1] = errors[number] end end
return reply
