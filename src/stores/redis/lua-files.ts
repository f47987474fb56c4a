// Made by scripts/embed.mjs (npm run embed): change the files that it is made from.

/** A file of src/stores/redis/lua/. */
export type LuaName =
  | 'add-chord-parts'
  | 'beat-changes'
  | 'beat-get'
  | 'beat-lead'
  | 'beat-put'
  | 'beat-record'
  | 'beat-remove'
  | 'beat-resign'
  | 'exhume'
  | 'extend-chord'
  | 'extend-lock'
  | 'forward'
  | 'hasten'
  | 'join'
  | 'leave'
  | 'letters'
  | 'limits-beat'
  | 'limits'
  | 'lock'
  | 'purge'
  | 'put-records'
  | 'resize-chord'
  | 'rights'
  | 'scheduled'
  | 'send'
  | 'size'
  | 'tend'
  | 'turn'
  | 'unlock';

export const luaScripts: Readonly<Record<LuaName, string>> = {
  'add-chord-parts': `local ttl = ARGV[1]
local answers = {}
local function hasEnded(body)
  local known = body ~= '' and redis.call('GET', body)
  local state = known and string.match(known, '^{"status": ?"([^"]*)"')
  return state == 'SUCCESS' or state == 'FAILURE' or state == 'REVOKED'
end
local function add(base, body, from, to)
  local parts = base .. '.j'
  local closer = redis.call('GET', base .. '.c')
  local over = not closer and redis.call('EXISTS', base .. '.d') == 1
  local size, count
  for at = from, to, 5 do
    local score, task, prefix, entry, last = unpack(ARGV, at, at + 4)
    local answer = 'open'
    if over then answer = 'done'
    elseif closer then if closer == task then answer = 'complete' end
    else
      if not count then
        size = tonumber(redis.call('GET', base .. '.s') or '')
        if size then size = size + tonumber(redis.call('GET', base .. '.t') or '0') end
        count = redis.call('ZCARD', parts)
      end
      local there = false
      for _, other in ipairs(redis.call('ZRANGEBYSCORE', parts, score, score)) do
        if string.sub(other, 1, #prefix) == prefix then there = true end
      end
      if not there then count = count + redis.call('ZADD', parts, score, entry) end
      if (last == '1' and (size or not hasEnded(body))) or (size and count >= size) then
        redis.call('SET', base .. '.c', task)
        closer = task
        answer = 'complete'
      end
    end
    answers[#answers + 1] = answer
  end
  if ttl ~= '' and not over then
    for _, key in ipairs({'.j', '.s', '.t', '.x', '.c'}) do redis.call('PEXPIRE', base .. key, ttl) end
  end
end
local at = 2
while at <= #ARGV do
  local first, n = at + 3, tonumber(ARGV[at + 2])
  local before = #answers
  local ok, why = pcall(add, ARGV[at], ARGV[at + 1], first, first + 5 * n - 1)
  if not ok then
    for answer = before + 1, before + n do
      answers[answer] = type(why) == 'table' and why.err or tostring(why)
    end
  end
  at = first + 5 * n
end
return answers
`,
  'beat-changes': `local lead = redis.call('HMGET', KEYS[1], 'revision', 'floor')
local since = tonumber(ARGV[1])
local complete = since == nil or since < tonumber(lead[2] or '0')
local changed = redis.call('ZRANGEBYSCORE', KEYS[4], complete and '-inf' or '(' .. ARGV[1], '+inf', 'WITHSCORES')
local reply = { lead[1] or '0', complete and '1' or '0' }
for i = 1, #changed, 2 do
  reply[#reply + 1] = changed[i]
  reply[#reply + 1] = redis.call('HGET', KEYS[2], changed[i]) or ''
  reply[#reply + 1] = changed[i + 1]
  reply[#reply + 1] = redis.call('HGET', KEYS[3], changed[i]) or ''
end
return reply
`,
  'beat-get': `local text = redis.call('HGET', KEYS[1], ARGV[1])
if not text then return {} end
return { text, redis.call('ZSCORE', KEYS[3], ARGV[1]), redis.call('HGET', KEYS[2], ARGV[1]) or '' }
`,
  'beat-lead': `local lead = redis.call('HMGET', KEYS[1], 'holder', 'fence', 'beats')
local holder = lead[1]
if holder == ARGV[1] then redis.call('HINCRBY', KEYS[1], 'beats', 1)
elseif not holder or holder == '' or (lead[2] == ARGV[2] and lead[3] == ARGV[3]) then
  redis.call('HINCRBY', KEYS[1], 'fence', 1)
  redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'beats', '0')
end
local now = redis.call('TIME')
local after = redis.call('HMGET', KEYS[1], 'holder', 'fence', 'beats', 'revision')
return { after[1], after[2], after[3], after[4] or '0', now[1], now[2] }
`,
  'beat-put': `local revision = redis.call('ZSCORE', KEYS[4], ARGV[1])
if ARGV[3] == '' and revision then return 0 end
if ARGV[3] ~= '' and tonumber(revision or '-1') ~= tonumber(ARGV[3]) then return 0 end
local new = redis.call('HINCRBY', KEYS[1], 'revision', 1)
redis.call('HSET', KEYS[2], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[4], new, ARGV[1])
local state = redis.call('HGET', KEYS[3], ARGV[1])
if state then
  local due, run, sent, task = string.match(state, '^([^|]*)|([^|]*)|([^|]*)|[^|]*|(.*)$')
  redis.call('HSET', KEYS[3], ARGV[1], due .. '|' .. run .. '|' .. sent .. '||' .. task)
end
return 1
`,
  'beat-record': `local beside = ARGV[1] == ''
if not beside and redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then return 0 end
for i = 0, #KEYS - 4 do
  local at = 3 + 6 * i
  local name, till, now, outcome, task, record = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
  if redis.call('HEXISTS', KEYS[2], name) == 1 then
    local state = redis.call('HGET', KEYS[3], name) or '||0||'
    local due, run, sent, anchor, last = string.match(state, '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$')
    local new = true
    if outcome == 'moved' then
      due = till
      anchor = till
    elseif not beside then
      new = due == '' or tonumber(till) > tonumber(due)
      if new then due = till end
    end
    if new then
      if outcome == 'sent' or outcome == 'manual' then
        run = now
        last = task
        sent = string.format('%d', tonumber(sent) + 1)
      end
      redis.call('HSET', KEYS[3], name, due .. '|' .. run .. '|' .. sent .. '|' .. anchor .. '|' .. last)
      redis.call('LPUSH', KEYS[4 + i], record)
      redis.call('LTRIM', KEYS[4 + i], 0, tonumber(ARGV[2]) - 1)
    end
  end
end
return 1
`,
  'beat-remove': `if redis.call('HDEL', KEYS[2], ARGV[1]) == 0 then return 0 end
redis.call('HDEL', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('DEL', KEYS[5])
redis.call('HSET', KEYS[1], 'floor', redis.call('HINCRBY', KEYS[1], 'revision', 1))
return 1
`,
  'beat-resign': `if redis.call('HGET', KEYS[1], 'holder') == ARGV[1] then redis.call('HSET', KEYS[1], 'holder', '') end
return 1
`,
  exhume: `--- @include queues
local key = prefix .. 'umbel:dead:' .. ARGV[2]
local letter = redis.call('HMGET', key, 'queue', 'step', 'raw')
if not letter[1] then return 0 end
unrefused()
may_delete()
if ARGV[3] == '1' then redis.call('LPUSH', list_key(letter[1], letter[2]), letter[3]) end
redis.call('DEL', key)
redis.call('ZREM', prefix .. 'umbel:dead', ARGV[2])
redis.call('ZREM', prefix .. 'umbel:dead:of:' .. letter[1], ARGV[2])
return 1
`,
  'extend-chord': `local base, ttl = ARGV[1], ARGV[3]
if redis.call('EXISTS', base .. '.d') == 1 then return 0 end
redis.call('INCRBY', base .. '.t', 0)
local added = redis.call('SADD', base .. '.x', ARGV[2])
if added == 1 then redis.call('INCRBY', base .. '.t', 1) end
if ttl ~= '' then
  redis.call('PEXPIRE', base .. '.x', ttl)
  redis.call('PEXPIRE', base .. '.t', ttl)
end
return added
`,
  'extend-lock': `if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 1
`,
  forward: `--- @include queues
local queue, step, from, groups = ARGV[2], ARGV[3], tonumber(ARGV[4]), cjson.decode(ARGV[6])
local last = from + tonumber(ARGV[5]) - 1
local function is_meant(stored)
  for _, texts in ipairs(groups) do
    local all = true
    for _, text in ipairs(texts) do all = all and string.find(stored, text, 1, true) ~= nil end
    if all then return true end
  end
  return false
end
unrefused()
may_pick()
local moved = 0
local key = step == '' and schedule_key(queue) or list_key(queue, step)
local messages = redis.call(step == '' and 'ZRANGE' or 'LRANGE', key, text(from), text(last))
for _, message in ipairs(messages) do
  if is_meant(message) then
    local own, stored = step, message
    if step == '' then own, stored = string.match(message, '^(%d+):(.*)$') end
    local raw, strikes, parks = unmark(stored)
    put_front(queue, own, mark(raw, strikes, parks), strikes)
    if step == '' then redis.call('ZREM', key, message) else redis.call('LREM', key, 1, message) end
    moved = moved + 1
  end
end
return {moved, #messages}
`,
  hasten: `--- @include queues
unrefused()
local queue, count = ARGV[2], 0
local key = schedule_key(queue)
for i = 3, #ARGV do
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', key, ARGV[i], ARGV[i])) do
    local step, stored = string.match(member, '^(%d+):(.*)$')
    local _, strikes = unmark(stored)
    put_front(queue, step, stored, strikes)
    redis.call('ZREM', key, member)
    count = count + 1
  end
end
return count
`,
  join: `--- @include queues
unrefused()
local id, former, about = ARGV[2], ARGV[8], {'about', ARGV[4], 'queues', ARGV[5], 'steps', ARGV[6]}
local first_held = 10 + tonumber(ARGV[9])
redis.call('ZADD', consumers, text(server_ms() + tonumber(ARGV[3])), id)
redis.call('HSET', consumer_key(id), unpack(about))
for i = 10, first_held - 1 do redis.call('SADD', prefix .. 'umbel:queues', ARGV[i]) end
if former == '' then return {} end
redis.call('ZADD', fallen, text(server_ms() + tonumber(ARGV[7])), former)
redis.call('ZREM', consumers, former)
redis.call('HSET', consumer_key(former), unpack(about))
may_unhold()
may_pick()
local claimed, kept = claimed_key(id), {}
local function keep(field, stored)
  local _, strikes = unmark(stored)
  if strikes >= __suspectAfter__ then redis.call('HSET', consumer_key(id), 'alone', field) end
  redis.call('HSET', claimed, field, stored)
  kept[#kept + 1] = field
end
for i = first_held, #ARGV, 2 do
  local field, sha = ARGV[i], ARGV[i + 1]
  local stored = redis.call('HGET', claimed_key(former), field)
  if stored then
    keep(field, stored)
    redis.call('HDEL', claimed_key(former), field)
  elseif redis.call('HEXISTS', claimed, field) == 1 then kept[#kept + 1] = field -- this very call was answered, and the answer lost
  elseif sha ~= '' then
    local _, step, queue = parse_field(field)
    local taken = taken_key(former, step, queue)
    for _, other in ipairs(redis.call('LRANGE', taken, 0, -1)) do
      if redis.sha1hex(other) == sha then
        keep(field, other)
        redis.call('LREM', taken, -1, other)
        break
      end
    end
  end
end
give_back_all(former)
for i = 10, first_held - 1 do
  for step in string.gmatch(ARGV[6], '%d+') do
    while give_back_next(taken_key(former, step, ARGV[i]), ARGV[i], step) do end
  end
end
return kept
`,
  leave: `--- @include queues
local id = ARGV[2]
if not redis.call('ZSCORE', consumers, id) then return 0 end
unrefused()
for i = 4, #ARGV, 2 do
  while give_back_next(taken_key(id, ARGV[i + 1], ARGV[i]), ARGV[i], ARGV[i + 1]) do end
end
give_back_all(id)
redis.call('ZADD', fallen, text(server_ms() + tonumber(ARGV[3])), id)
redis.call('ZREM', consumers, id)
return 1
`,
  letters: `--- @include queues
local index = prefix .. 'umbel:dead'
if ARGV[2] ~= '' then index = index .. ':of:' .. ARGV[2] end
local reply = {}
for _, number in ipairs(redis.call('ZREVRANGEBYSCORE', index, ARGV[3], '-inf', 'LIMIT', 0, ARGV[4])) do
  local letter = redis.call('HMGET', prefix .. 'umbel:dead:' .. number, 'queue', 'reason', 'detail', 'died_at', 'strikes', 'raw')
  if letter[1] then
    reply[#reply + 1] = number
    for _, each in ipairs(letter) do reply[#reply + 1] = each end
  end
end
return reply
`,
  'limits-beat': `--- @include limits
local alive = redis.call('ZSCORE', holders, ARGV[2]) and true or false
if alive then redis.call('ZADD', holders, text(now + tonumber(ARGV[3])), ARGV[2]) end
return cjson.encode({alive = alive, woken = woken})
`,
  limits: `--- @include limits
local holder, lease, is_new, ops = ARGV[2], tonumber(ARGV[3]), ARGV[4], cjson.decode(ARGV[5])
if is_new ~= '1' and not redis.call('ZSCORE', holders, holder) then return cjson.encode({alive = false, woken = woken}) end
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
  return held + told_since(key, now - __reservedMs__) < limit
end
local function line_up(op, key)
  local before = math.min(redis.call('ZCARD', at('line', key)), __maxCounted__)
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
    local ms = math.ceil(math.max(next, spread, value) - now) + __rateKeptMs__
    redis.call('PEXPIRE', at('rate', key), ms)
    redis.call('PEXPIRE', at('promise', key), ms)
  end
  if earliest > now then
    redis.call('ZREMRANGEBYSCORE', at('promise', key), '-inf', '(' .. text(now - __forgetMs__))
    if redis.call('ZCARD', at('promise', key)) >= __maxPromised__ then
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
        wake(ask.key, limit - redis.call('HLEN', at('held', ask.key)) - told_since(ask.key, now - __reservedMs__))
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
  lock: `local owner = redis.call('GET', KEYS[1])
if owner and owner ~= ARGV[1] and ARGV[3] == '0' then return owner end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return nil
`,
  purge: `--- @include queues
local queue = ARGV[2]
local count = redis.call('LLEN', suspects_key(queue)) + redis.call('ZCARD', schedule_key(queue))
redis.call('DEL', suspects_key(queue), schedule_key(queue))
redis.call('ZREM', due, queue)
for i = 3, #ARGV do
  count = count + redis.call('LLEN', list_key(queue, ARGV[i]))
  redis.call('DEL', list_key(queue, ARGV[i]))
end
return count
`,
  'put-records': `--- @include records
local answers = {}
for at = 2, #ARGV, 5 do
  local ok, problem = pcall(write_record, ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[1])
  if ok then answers[#answers + 1] = ''
  else answers[#answers + 1] = type(problem) == 'table' and problem.err or tostring(problem) end
end
return answers
`,
  'resize-chord': `local base, ttl = ARGV[1], ARGV[3]
if redis.call('EXISTS', base .. '.d') == 1 then return 0 end
redis.call('SET', base .. '.s', ARGV[2])
if ttl ~= '' then redis.call('PEXPIRE', base .. '.s', ttl) end
return 1
`,
  rights: `local refused = {}
for _, probe in ipairs(ARGV) do
  local command = cjson.decode(probe)
  local reply = redis.pcall(unpack(command))
  if type(reply) == 'table' and reply.err then
    refused[#refused + 1] = command[1]
    refused[#refused + 1] = reply.err
  end
end
return refused
`,
  scheduled: `--- @include queues
local reply, left = {}, tonumber(ARGV[4])
local key, after = schedule_key(ARGV[2]), '(' .. text(server_ms())
for n = 0, tonumber(ARGV[3]) - 1 do
  local found = redis.call('ZRANGEBYSCORE', key, after, '+inf', 'WITHSCORES', 'LIMIT', n, 1)
  if not found[1] then break end
  local stored = string.match(found[1], '^%d+:(.*)$')
  if stored and #stored <= left then
    left = left - #stored
    reply[#reply + 1] = found[2]
    reply[#reply + 1] = stored
  end
end
return reply
`,
  send: `--- @include queues
--- @include records
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
while at <= #ARGV do
  local op = ARGV[at]
  at = at + 1
  if op == 'L' then
    local queue, step = ARGV[at], ARGV[at + 1]
    local last = at + 2 + 2 * tonumber(ARGV[at + 2])
    at = at + 3
    send_alike(queue, step, last)
    at = last + 1
  else
    local ok, result = pcall(send, at)
    if not ok then
      local problem = type(result) == 'table' and result.err or tostring(result)
      if #sent == 0 and string.find(problem, 'OOM', 1, true) then return redis.error_reply(problem) end
      undo(at)
      sent[#sent + 1] = problem
    else sent[#sent + 1] = result and '1' or '0' end
    at = at + (ARGV[at] == '1' and 6 or 3)
    at = at + 2 * tonumber(ARGV[at]) + 2
  end
end
return sent
`,
  size: `--- @include queues
local queue = ARGV[2]
local ready = redis.call('LLEN', suspects_key(queue))
local now = text(server_ms())
local overdue = redis.call('ZCOUNT', schedule_key(queue), '-inf', now)
ready = ready + overdue
for i = 3, #ARGV do ready = ready + redis.call('LLEN', list_key(queue, ARGV[i])) end
local claimed = 0
for _, set in ipairs({consumers, fallen}) do
  for _, id in ipairs(redis.call('ZRANGE', set, 0, -1)) do
    for _, field in ipairs(redis.call('HKEYS', claimed_key(id))) do
      local _, _, of = parse_field(field)
      if of == queue then claimed = claimed + 1 end
    end
    for i = 3, #ARGV do claimed = claimed + redis.call('LLEN', taken_key(id, ARGV[i], queue)) end
  end
end
return {ready, redis.call('ZCARD', schedule_key(queue)) - overdue, claimed}
`,
  tend: `--- @include queues
local id, lease_ms, strike_off, fallen_ms = ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local beat = prefix .. 'umbel:beat'
local now = server_ms()
local problems = {}
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
  local problem = said(result)
  problems[#problems + 1] = blame(keys, problem)
  problems[#problems + 1] = problem
  return nil
end
local broken = {}
local function to_list(from, from_type, queue, step, move)
  local list = step .. ':' .. queue
  if broken[list] then return nil end
  local moved = try({from, from_type, list_key(queue, step), 'list', suspects_key(queue), 'list'}, move)
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
local lying = {}
if id ~= '' and ARGV[6] ~= '-1' then
  local steps = try({consumer_key(id), 'hash'}, redis.call, 'HGET', consumer_key(id), 'steps') or ''
  for i = first_queue, #ARGV do
    for step in string.gmatch(steps, '%d+') do
      local taken = taken_key(id, step, ARGV[i])
      local stored = try({taken, 'list'}, redis.call, 'LINDEX', taken, -1)
      if stored then
        lying[#lying + 1] = ':' .. step .. ':' .. ARGV[i]
        lying[#lying + 1] = redis.sha1hex(stored)
      end
    end
  end
end
local mercy = 0
if id ~= '' then
  try({beat, 'hash'}, function()
    local last = redis.call('HMGET', beat, 'last', 'mercy')
    mercy = tonumber(last[2] or 0)
    if not last[1] or now - tonumber(last[1]) > lease_ms * 2 / 3 then
      mercy = now + math.min(2000, lease_ms)
      redis.call('HSET', beat, 'mercy', text(mercy))
    end
    redis.call('HSET', beat, 'last', text(now))
  end)
end
if strike_off == '1' and now >= mercy then
  try({consumers, 'zset', fallen, 'zset'}, function()
    for _, dead in ipairs(redis.call('ZRANGEBYSCORE', consumers, '-inf', text(now), 'LIMIT', 0, 10)) do
      redis.call('ZADD', fallen, text(now + fallen_ms), dead)
      redis.call('ZREM', consumers, dead)
    end
  end)
end
local function look_for_orphans()
  local look = redis.call('HMGET', beat, 'cursor', 'looked')
  local count = math.min(5000, now - tonumber(look[2] or 0))
  if count < 100 then return end
  local pattern = string.gsub(prefix, '[%*%?%[%]\\\\]', '\\\\%0') .. 'umbel:[ct][la]*:*'
  local found = redis.call('SCAN', look[1] or '0', 'MATCH', pattern, 'COUNT', text(count))
  for _, key in ipairs(found[2]) do
    local name = string.sub(key, #prefix + 1)
    local owner = string.match(name, '^umbel:claimed:(.*)$')
    local step, queue
    if not owner then owner, step, queue = string.match(name, '^umbel:taken:([^:]*):(%d+):(.*)$') end
    if owner and not redis.call('ZSCORE', consumers, owner) and not redis.call('ZSCORE', fallen, owner) then
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
if id ~= '' and strike_off == '1' then try({beat, 'hash', consumers, 'zset', fallen, 'zset'}, look_for_orphans) end
local budget = 200
local function drain(dead)
  local claimed, fields = claimed_key(dead), {}
  for _, field in ipairs(redis.call('HKEYS', claimed)) do fields[#fields + 1] = {parse_field(field)} end
  table.sort(fields, function(a, b) return a[1] > b[1] end)
  local left = 0
  for _, each in ipairs(fields) do
    if budget == 0 then return false end
    local tag, step, queue = unpack(each)
    local moved = to_list(claimed, 'hash', queue, step, function()
      local field = text(tag) .. ':' .. step .. ':' .. queue
      local raw, strikes, parks = unmark(redis.call('HGET', claimed, field))
      may_unhold()
      put_front(queue, step, mark(raw, strikes + 1, parks), strikes + 1)
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
for _, dead in ipairs(try({fallen, 'zset'}, redis.call, 'ZREVRANGE', fallen, 0, 499) or {}) do
  local empty = try({claimed_key(dead), 'hash', consumer_key(dead), 'hash'}, drain, dead)
  if budget == 0 then break end
  if empty then
    try({fallen, 'zset'}, function()
      if tonumber(redis.call('ZSCORE', fallen, dead)) <= now then
        redis.call('DEL', consumer_key(dead))
        redis.call('ZREM', fallen, dead)
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
      redis.call('ZREM', key, '') -- whether it may
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
if now < mercy then next_lease = mercy end
local suspects = 0
for i = first_queue, #ARGV do
  local key = suspects_key(ARGV[i])
  suspects = suspects + (try({key, 'list'}, redis.call, 'LLEN', key) or 0)
end
local more = (budget == 0 or room == 0) and 1 or 0
local reply = {alive, now, tonumber(next_due or 0), next_lease, promoted, more, suspects, #problems / 2}
for _, each in ipairs(problems) do reply[#reply + 1] = each end
for _, each in ipairs(lying) do reply[#reply + 1] = each end
return reply
`,
  turn: `--- @include queues
--- @include records
local db, id, turn = ARGV[2], ARGV[3], ARGV[4]
local claimed = claimed_key(id)
local consumer = consumer_key(id)
if not redis.call('ZSCORE', consumers, id) then return {'!'} end
local lane = tonumber(turn) % 2
local last = redis.call('HMGET', consumer, 'turn' .. lane, 'results' .. lane, 'alone')
local again = last[1] == turn
local ended_db, ended_ttl = ARGV[5], ARGV[6]
unrefused()
if not again then
  may_unhold()
  may_pick()
  redis.call('LRANGE', nothing, 0, 0)
  redis.call('HEXISTS', nothing, '')
  redis.call('HSET', consumer, 'lane', lane)
end
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
    errors[number] = said(problem)
  end
end
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
      local _, strikes = unmark(stored)
      put_front(queue, step, stored, strikes)
    end)
  end
  local any = false
  while give_back_next(taken, queue, step) do any = true end
  return any
end
local function is_ours(field) return redis.call('HEXISTS', claimed, field) == 1 end
local function acknowledge(field, record, publications, checked)
  if checked and not is_ours(field) then return false end
  if record then write(record) end
  send(publications)
  gone[#gone + 1] = field
end
local function release(field, due_ms, parked, marked)
  local stored = redis.call('HGET', claimed, field)
  if not stored then return false end
  local _, step, queue = parse_field(field)
  local raw, strikes, parks = unmark(stored)
  if parked == '1' then parks = parks + 1 elseif parked == 's' then strikes = strikes + 1 end
  if marked == '1' then stored = mark(raw, strikes, parks) elseif marked == 't' then stored = mark_told(stored) end
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
  redis.call('ZADD', prefix .. 'umbel:dead:of:' .. queue, number, number)
  redis.call('ZADD', prefix .. 'umbel:dead', number, number)
  redis.call('HSET', prefix .. 'umbel:dead:' .. number, 'queue', queue, 'step', step, 'reason', reason, 'detail', detail,
    'died_at', text(server_ms()), 'strikes', strikes, 'raw', raw)
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
      if redis.call('EXISTS', suspects_key(queue)) == 1 then
        if mode == 'b' or (tag == base and holds_nothing()) then
          move_next(suspects_key(queue), function(entry)
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
local all = again and last[2] or table.concat(results)
if not again then redis.call('HSET', consumer, 'turn' .. lane, turn, 'results' .. lane, all) end
local reply = {all, #groups}
for _, each in ipairs(groups) do reply[#reply + 1] = each end
reply[#reply + 1] = refused
for number = 1, #results do if errors[number] then reply[#reply + 1] = errors[number] end end
return reply
`,
  unlock: `if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 1
`,
};

/** What the others include. */
export const luaIncludes: Readonly<Record<string, string>> = {
  limits: `local prefix = ARGV[1] .. 'umbel:limit:'
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
  for _, id in ipairs(redis.call('ZRANGEBYSCORE', at('woken', key), '-inf', '(' .. text(now - __forgetMs__))) do
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
for _, each in ipairs(redis.call('ZRANGEBYSCORE', told, '-inf', text(now - __tellAgainMs__), 'LIMIT', 0, 20)) do
  local pair = cjson.decode(each)
  local about = redis.call('HGET', at('about', pair[1]), pair[2])
  if about and redis.call('ZSCORE', at('woken', pair[1]), pair[2]) then tell(pair[1], pair[2], about)
  else redis.call('ZREM', told, each) end
end
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
`,
  marks: `local function unmark(stored)
  if string.sub(stored, 1, 10) == '{"umbel":[' then
    local s, p, rest = string.match(stored, '^{"umbel":%[(%d+),(%d+)[,1]*%],(.*)$')
    if s then return '{' .. rest, tonumber(s), tonumber(p) end
  elseif string.byte(stored) == 0 then
    local s, p, rest = string.match(stored, '^%zumbel:%[(%d+),(%d+)%](.*)$')
    if s then return rest, tonumber(s), tonumber(p) end
  end
  return stored, 0, 0
end
local function mark(raw, strikes, parks)
  local marks = '[' .. strikes .. ',' .. parks .. ']'
  if string.byte(raw) == 123 then return '{"umbel":' .. marks .. ',' .. string.sub(raw, 2) end
  return '\\0umbel:' .. marks .. raw
end
local function mark_told(raw)
  if string.byte(raw) ~= 123 or string.sub(raw, 1, 10) == '{"umbel":[' then return raw end
  return '{"umbel":[0,0,1],' .. string.sub(raw, 2)
end
`,
  queues: `local prefix = ARGV[1]
local consumers = prefix .. 'umbel:consumers'
local fallen = prefix .. 'umbel:fallen'
local due = prefix .. 'umbel:due'
local function list_key(queue, step)
  if step == '0' then return prefix .. queue end
  return prefix .. queue .. '\\006\\022' .. step
end
local function schedule_key(queue) return prefix .. 'umbel:schedule:' .. queue end
local function suspects_key(queue) return prefix .. 'umbel:suspects:' .. queue end
local function claimed_key(id) return prefix .. 'umbel:claimed:' .. id end
local function consumer_key(id) return prefix .. 'umbel:consumer:' .. id end
local function taken_key(id, step, queue) return prefix .. 'umbel:taken:' .. id .. ':' .. step .. ':' .. queue end
local nothing = prefix .. 'umbel:nothing'
local function unrefused() redis.call('ZREM', consumers, '') end
local function may_trim() redis.call('LTRIM', nothing, 0, -1) end
local function may_pick() redis.call('LREM', nothing, 1, '') end
local function may_unhold() redis.call('HDEL', nothing, '') end
local function may_delete() redis.call('DEL', nothing) end
local function said(problem) return type(problem) == 'table' and problem.err or tostring(problem) end
local function server_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local function text(number) return string.format('%.0f', number) end
local function parse_field(field)
  local tag, step, queue = string.match(field, '^(%d+):(%d+):(.*)$')
  return tonumber(tag), step, queue
end
--- @include marks
local function put_front(queue, step, stored, strikes)
  if strikes >= __suspectAfter__ then redis.call('RPUSH', suspects_key(queue), step .. ':' .. stored)
  else redis.call('RPUSH', list_key(queue, step), stored) end
end
local function put_back(queue, step, stored)
  local _, strikes = unmark(stored)
  if strikes >= __suspectAfter__ then redis.call('LPUSH', suspects_key(queue), step .. ':' .. stored)
  else redis.call('LPUSH', list_key(queue, step), stored) end
end
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
    local _, strikes = unmark(stored)
    put_front(queue, step, stored, strikes)
  end)
end
local function give_back_all(id)
  local fields = {}
  for _, field in ipairs(redis.call('HKEYS', claimed_key(id))) do fields[#fields + 1] = {parse_field(field)} end
  table.sort(fields, function(a, b) return a[1] > b[1] end)
  may_unhold()
  for _, each in ipairs(fields) do
    local field = text(each[1]) .. ':' .. each[2] .. ':' .. each[3]
    local raw, strikes, parks = unmark(redis.call('HGET', claimed_key(id), field))
    put_front(each[3], each[2], mark(raw, strikes, parks), strikes)
    redis.call('HDEL', claimed_key(id), field)
  end
end
local function schedule(queue, step, stored, due_ms)
  redis.call('ZADD', schedule_key(queue), due_ms, step .. ':' .. stored)
  redis.call('ZADD', due, 'LT', due_ms, queue)
end
`,
  records: `local function state_of(json)
  local state = string.match(json, '^{"status": ?"([^"]*)"')
  if state then return state end
  local ok, meta = pcall(cjson.decode, json)
  return ok and type(meta) == 'table' and meta.status or ''
end
local write_record
local function write_lock(kind, key, json, ttl, own_db)
  local about = cjson.decode(json)
  local owner = redis.call('GET', key)
  if kind == 'unlock' then
    if owner == about.id then redis.call('DEL', key) end
  elseif owner and owner ~= about.id and not about.replace then
    redis.call('SET', about.refusal, owner, 'PX', about.refusalMs)
    return false
  else
    local mine = owner == about.id
    redis.call('SET', key, about.id, 'PX', ttl)
    local r = about.record
    local fresh = #r > 0 and write_record(r[1], r[2], r[3], r[4], r[5], own_db)
    return not mine or fresh
  end
  local r = about.record
  if #r > 0 then return write_record(r[1], r[2], r[3], r[4], r[5], own_db) end
  return true
end
local write_record_here
write_record_here = function(kind, key, json, ttl, own_db)
  if kind == 'lock' or kind == 'unlock' then return write_lock(kind, key, json, ttl, own_db) end
  local written = true
  if kind == 'done' then
    redis.call('UNLINK', key .. '.j', key .. '.s', key .. '.t', key .. '.c', key .. '.x')
    redis.call('SET', key .. '.d', '', 'PX', ttl)
    if json ~= '' then
      local r = cjson.decode(json)
      write_record(r[1], r[2], r[3], r[4], r[5], own_db)
    end
  elseif kind == 'all' then
    for at, r in ipairs(cjson.decode(json)) do
      if at == 1 then written = write_record(r[1], r[2], r[3], r[4], r[5], own_db)
      else pcall(write_record, r[1], r[2], r[3], r[4], r[5], own_db) end
    end
  elseif kind == 'sent-elsewhere' then
    if redis.call('EXISTS', key) == 1 then written = false
    else written = write_record_here('sent', key .. '__sentElsewhere__', json, ttl, own_db) end
  elseif kind == 'sent' then
    if ttl == '' then written = redis.call('SET', key, json, 'NX')
    else written = redis.call('SET', key, json, 'NX', 'PX', ttl) end
  else
    local old = redis.call('GET', key)
    if old then
      local state = state_of(old)
      if state == 'SUCCESS' or kind == 'unready' and (state == 'FAILURE' or state == 'REVOKED') then
        written = false
      end
    end
    if written then
      if ttl == '' then redis.call('SET', key, json) else redis.call('SET', key, json, 'PX', ttl) end
      redis.call('PUBLISH', key, json)
    end
  end
  return written and true or false
end
local function write_ended(key, json, ttl)
  local old
  if ttl == '' then old = redis.pcall('SET', key, json, 'GET')
  else old = redis.pcall('SET', key, json, 'PX', ttl, 'GET') end
  if type(old) == 'table' and old.err then return old.err end
  local rest
  if not old or state_of(old) ~= 'SUCCESS' then rest = redis.pcall('PUBLISH', key, json)
  elseif ttl == '' then rest = redis.pcall('SET', key, old)
  else rest = redis.pcall('SET', key, old, 'PX', ttl) end
  return type(rest) == 'table' and rest.err or nil
end
write_record = function(kind, db, key, json, ttl, own_db)
  if db == own_db then return write_record_here(kind, key, json, ttl, own_db) end
  redis.call('SELECT', db)
  local ok, written = pcall(write_record_here, kind, key, json, ttl, own_db)
  redis.call('SELECT', own_db)
  if not ok then error(written, 0) end
  return written
end
`,
};
