-- Adds parts to chords. A task's part begins with its prefix, whichever program wrote it, and is stored once.
--
-- KEYS[1]   the base of the first chord's keys
-- ARGV[1]   ttl, ms (empty: for ever)
-- ARGV[2…]  of each chord base body-key n, and n times score task prefix entry last
--           last: 1: it completes the chord; -1: it does not, even if it is the last that was missing
-- Reply     for each part: `open`, `complete`, `done`, or the error

local ttl = ARGV[1]
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
      local ends = (last == '1' and (size or not hasEnded(body))) or (size and count >= size)
      if ends and last ~= '-1' then
        redis.call('SET', base .. '.c', task)
        closer = task
        answer = 'complete'
      end
    end
    answers[#answers + 1] = answer
  end
  if ttl ~= '' and not over then
    for _, key in ipairs({'.j', '.s', '.t', '.x', '.c', '.b'}) do redis.call('PEXPIRE', base .. key, ttl) end
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
