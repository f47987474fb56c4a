// The steps of the store of schedules on Redis. The state of a schedule is text: last due|last run|sent|anchor|last task.
import { type RedisScript, redisScript } from '../client/script.ts';

/** KEYS: lead. ARGV: holder, the fence and the beats that were seen ('' = none). Reply: holder, fence, beats, revision, s, us. */
export const leadScript: RedisScript = redisScript(
  'beat-lead',
  `
local lead = redis.call('HMGET', KEYS[1], 'holder', 'fence', 'beats')
local holder = lead[1]
if holder == ARGV[1] then redis.call('HINCRBY', KEYS[1], 'beats', 1)
elseif not holder or holder == '' or (lead[2] == ARGV[2] and lead[3] == ARGV[3]) then
  redis.call('HINCRBY', KEYS[1], 'fence', 1)
  redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'beats', '0')
end
local now = redis.call('TIME')
local after = redis.call('HMGET', KEYS[1], 'holder', 'fence', 'beats', 'revision')
return { after[1], after[2], after[3], after[4] or '0', now[1], now[2] }`,
);

/** KEYS: lead. ARGV: holder. */
export const resignScript: RedisScript = redisScript(
  'beat-resign',
  `
if redis.call('HGET', KEYS[1], 'holder') == ARGV[1] then redis.call('HSET', KEYS[1], 'holder', '') end
return 1`,
);

/** KEYS: lead, entries, states, revisions. ARGV: since ('' = all). Reply: revision, complete, then name, text, revision, state of each. */
export const changesScript: RedisScript = redisScript(
  'beat-changes',
  `
local lead = redis.call('HMGET', KEYS[1], 'revision', 'floor')
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
return reply`,
);

/** KEYS: entries, states, revisions. ARGV: name. Reply: text, revision, state; nothing when there is none. */
export const getScript: RedisScript = redisScript(
  'beat-get',
  `
local text = redis.call('HGET', KEYS[1], ARGV[1])
if not text then return {} end
return { text, redis.call('ZSCORE', KEYS[3], ARGV[1]), redis.call('HGET', KEYS[2], ARGV[1]) or '' }`,
);

/** KEYS: lead, entries, states, revisions. ARGV: name, text, expected revision ('' = none). Reply: 1 when it is written. */
export const putScript: RedisScript = redisScript(
  'beat-put',
  `
local revision = redis.call('ZSCORE', KEYS[4], ARGV[1])
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
return 1`,
);

/** KEYS: lead, entries, states, revisions, the entry's history. ARGV: name. */
export const removeScript: RedisScript = redisScript(
  'beat-remove',
  `
if redis.call('HDEL', KEYS[2], ARGV[1]) == 0 then return 0 end
redis.call('HDEL', KEYS[3], ARGV[1])
redis.call('ZREM', KEYS[4], ARGV[1])
redis.call('DEL', KEYS[5])
redis.call('HSET', KEYS[1], 'floor', redis.call('HINCRBY', KEYS[1], 'revision', 1))
return 1`,
);

/**
 * KEYS: lead, entries, states, then the history of each run's schedule. ARGV: fence ('' = beside the schedule), how many records are kept,
 * then for each run: name, until, at, outcome, task, the record. Reply: 0 when another leads.
 */
export const recordScript: RedisScript = redisScript(
  'beat-record',
  `
local beside = ARGV[1] == ''
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
return 1`,
);
