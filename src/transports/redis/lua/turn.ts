import { type RedisScript, redisScript } from '../../../clients/redis/script.ts';
import { recordLua } from '../record-write.ts';
import { queuesLua } from './queues.ts';

/** Of what blocking reads took there may be a few more than a claim asks for. */
export const spareTags = 1000;

/**
 * All that a consumer asked for in one turn: adopt what its blocking reads took, settle, claim. A consumer that is not
 * registered any more was taken for dead: nothing is done (that is the fence). A turn whose reply was lost is sent again with its
 * number and is not done twice: of the last two turns it is kept what became of them.
 *
 * ARGV: prefix, db, id, turn, db and ttl of the records of ended tasks, then operations:
 * `A` taken field sha1 | `G` taken queue step sha1 (or empty: all that lies there) | `S` field key json: acknowledge with the record of a task that has ended |
 * `K` field record publications | `R` field due (`1` parked, `s` struck, `0`) marked | `D` field reason detail record |
 * `C` count mode base n (list suffix recover)…, where mode is what of suspects: `n` one alone, or nothing while they wait and others are
 * held; `b` one beside what is held; `o` none, but others (see `Quarantine`) |
 * where record = `0` or `1` kind db key json ttl, and publications = n (queue step stored due record)…; `s` and `k`: only if
 * the message is ours, which is not known yet while it is being adopted.
 *
 * Reply: `!` when struck off; else one letter for each operation but C (1 done, 0 not ours, e failed), then what was
 * claimed in groups of (suffix, message…), of which `?` without any says that nothing was taken because of suspects, then why the claim was refused or nothing, then the other errors.
 */
export const turnScript: RedisScript = redisScript(
  'turn',
  `${queuesLua}${recordLua}
local db, id, turn = ARGV[2], ARGV[3], ARGV[4]
local claimed = claimed_key(id)
local consumer = consumer_key(id)
if not redis.call('ZSCORE', consumers, id) then return {'!'} end
local lane = tonumber(turn) % 2
local last = redis.call('HMGET', consumer, 'turn' .. lane, 'results' .. lane, 'alone')
local again = last[1] == turn
local ended_db, ended_ttl = ARGV[5], ARGV[6]
unrefused()

local results, groups, errors, gone, ended = {}, {}, {}, {}, {}
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
local function send(p)
  if p[5] then write(p[5]) end
  if p[4] == '' then redis.call('LPUSH', list_key(p[1], p[2]), p[3])
  else schedule(p[1], p[2], p[3], p[4]) end
end
local function said(problem) return type(problem) == 'table' and problem.err or tostring(problem) end
local function note(ok, problem)
  local number = #results + 1
  if ok then results[number] = problem == false and '0' or '1'
  else
    results[number] = 'e'
    errors[number] = said(problem)
  end
end

-- The one that is meant: what else lies there is adopted or given back by operations of its own, and what was never heard of is
-- found by the claim that follows a lost read.
local function take_out(taken, sha)
  for _, stored in ipairs(redis.call('LRANGE', taken, 0, -1)) do
    if redis.sha1hex(stored) == sha then
      redis.call('LREM', taken, -1, stored)
      return stored
    end
  end
end
local function adopt(taken, field, sha)
  local stored = take_out(taken, sha)
  if not stored then return false end
  redis.call('HSET', claimed, field, stored)
end
local function give_back(taken, queue, step, sha)
  local stored
  if sha == '' then stored = redis.call('RPOP', taken) else stored = take_out(taken, sha) end
  if not stored then return false end
  while stored do
    local _, strikes = unmark(stored)
    put_front(queue, step, stored, strikes)
    stored = sha == '' and redis.call('RPOP', taken)
  end
end
local function is_ours(field) return redis.call('HEXISTS', claimed, field) == 1 end
local function acknowledge(field, record, publications, checked)
  if checked and not is_ours(field) then return false end
  if record then write(record) end
  for _, p in ipairs(publications) do send(p) end
  gone[#gone + 1] = field
end
local function release(field, due_ms, parked, marked)
  local stored = redis.call('HGET', claimed, field)
  if not stored then return false end
  local _, step, queue = parse_field(field)
  local raw, strikes, parks = unmark(stored)
  if parked == '1' then parks = parks + 1 elseif parked == 's' then strikes = strikes + 1 end
  if marked == '1' then stored = mark(raw, strikes, parks) end
  if due_ms == '' then put_front(queue, step, stored, strikes) else schedule(queue, step, stored, due_ms) end
  redis.call('HDEL', claimed, field)
end
local function bury(field, reason, detail, record)
  local stored = redis.call('HGET', claimed, field)
  if not stored then return false end
  local _, step, queue = parse_field(field)
  local raw, strikes = unmark(stored)
  if record then write(record) end
  local number = redis.call('INCR', prefix .. 'umbel:dead:number')
  redis.call('HSET', prefix .. 'umbel:dead:' .. number, 'queue', queue, 'step', step, 'reason', reason, 'detail', detail,
    'died_at', text(server_ms()), 'strikes', strikes, 'raw', raw)
  redis.call('ZADD', prefix .. 'umbel:dead', number, number)
  redis.call('ZADD', prefix .. 'umbel:dead:of:' .. queue, number, number)
  redis.call('HDEL', claimed, field)
end
local function recall(base, count)
  local fields = {}
  for _, field in ipairs(redis.call('HKEYS', claimed)) do
    local tag = parse_field(field)
    if tag >= base and tag < base + count + ${spareTags} then fields[#fields + 1] = {tag, field} end
  end
  table.sort(fields, function(a, b) return a[1] < b[1] end)
  for _, each in ipairs(fields) do
    groups[#groups + 1] = string.match(each[2], '^%d+(:.*)$')
    groups[#groups + 1] = 1
    groups[#groups + 1] = redis.call('HGET', claimed, each[2])
  end
end
-- What is settled in this turn is deleted at its end.
local function holds_nothing() return redis.call('HLEN', claimed) <= #gone + #ended / 2 end
local function refuse()
  groups[#groups + 1] = '?'
  groups[#groups + 1] = 0
end
local function claim(count, mode, base, lists)
  local tag, bytes, held = base, 0, {claimed}
  local alone = last[3]
  if alone and mode == 'n' and redis.call('HEXISTS', claimed, alone) == 1 and not holds_nothing() then return refuse() end
  if alone and mode == 'o' then redis.call('HDEL', consumer, 'alone') end
  local function hold(suffix, messages)
    groups[#groups + 1] = suffix
    groups[#groups + 1] = #messages
    for _, stored in ipairs(messages) do
      groups[#groups + 1] = stored
      held[#held + 1] = tag .. suffix
      held[#held + 1] = stored
      tag = tag + 1
      bytes = bytes + #stored
      if #held > 500 then
        redis.call('HSET', unpack(held))
        held = {claimed}
      end
    end
  end
  for _, list in ipairs(lists) do
    if list[3] == '1' then
      local _, step, queue = parse_field('0' .. list[2])
      local stored = redis.call('RPOP', taken_key(id, step, queue))
      while stored do
        hold(list[2], {stored})
        stored = redis.call('RPOP', taken_key(id, step, queue))
      end
    end
  end
  if mode ~= 'o' and tag - base < count then
    for _, list in ipairs(lists) do
      local _, step, queue = parse_field('0' .. list[2])
      if redis.call('EXISTS', suspects_key(queue)) == 1 then
        if mode == 'b' or (tag == base and holds_nothing()) then
          local own, stored = string.match(redis.call('RPOP', suspects_key(queue)), '^(%d+):(.*)$')
          redis.call('HSET', consumer, 'alone', tag .. ':' .. own .. ':' .. queue)
          hold(':' .. own .. ':' .. queue, {stored})
        else refuse() end
        count = 0
        break
      end
    end
  end
  for _, list in ipairs(lists) do
    while tag - base < count and bytes < 8388608 do
      local messages = redis.call('RPOP', list[1], math.min(count - (tag - base), 50))
      if not messages then break end
      hold(list[2], messages)
    end
  end
  if #held > 1 then redis.call('HSET', unpack(held)) end
end

while at <= #ARGV do
  local op = next_arg()
  if op == 'S' or op == 's' then
    if not again then
      local number = #results + 1
      if op == 'S' or is_ours(ARGV[at]) then
        results[number] = '1'
        ended[#ended + 1] = at
        ended[#ended + 1] = number
      else results[number] = '0' end
    end
    at = at + 3
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
      if not ok then refused = said(problem) end
    end
  elseif op == 'A' then
    local taken, field, sha = next_arg(), next_arg(), next_arg()
    if not again then note(pcall(adopt, taken, field, sha)) end
  elseif op == 'G' then
    local taken, queue, step, sha = next_arg(), next_arg(), next_arg(), next_arg()
    if not again then note(pcall(give_back, taken, queue, step, sha)) end
  elseif op == 'R' then
    local field, due_ms, parked, marked = next_arg(), next_arg(), next_arg(), next_arg()
    if not again then note(pcall(release, field, due_ms, parked, marked)) end
  elseif op == 'D' then
    local field, reason, detail = next_arg(), next_arg(), next_arg()
    local record = read_record()
    if not again then note(pcall(bury, field, reason, detail, record)) end
  end
end
if #ended > 0 then
  if ended_db ~= db then redis.call('SELECT', ended_db) end
  for n = 1, #ended, 2 do
    local first, number = ended[n], ended[n + 1]
    local problem = write_ended(ARGV[first + 1], ARGV[first + 2], ended_ttl)
    if problem then
      results[number] = 'e'
      errors[number] = problem
    else gone[#gone + 1] = ARGV[first] end
  end
  if ended_db ~= db then redis.call('SELECT', db) end
end
for first = 1, #gone, 1000 do
  redis.call('HDEL', claimed, unpack(gone, first, math.min(first + 999, #gone)))
end
local all = again and last[2] or table.concat(results)
if not again then redis.call('HSET', consumer, 'turn' .. lane, turn, 'results' .. lane, all) end
local reply = {all, #groups}
for _, each in ipairs(groups) do reply[#reply + 1] = each end
reply[#reply + 1] = refused
for number = 1, #results do if errors[number] then reply[#reply + 1] = errors[number] end end
return reply
`,
);
