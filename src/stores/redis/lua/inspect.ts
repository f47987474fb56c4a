import { type RedisScript, redisScript } from '../client/script.ts';
import { queuesLua } from './queues.ts';

/** ARGV: prefix, queue, step…. Reply: ready, scheduled, claimed. */
export const sizeScript: RedisScript = redisScript(
  'size',
  `${queuesLua}
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
);

/**
 * One after another, as all at once may be a gigabyte.
 *
 * ARGV: prefix, queue, how many, how many bytes. Reply: of the next ones that are not due yet, their times and what is stored. What would be
 * more bytes together is left out.
 */
export const scheduledScript: RedisScript = redisScript(
  'scheduled',
  `${queuesLua}
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
);

/** ARGV: prefix, queue, step…. Reply: how many messages were deleted. */
export const purgeScript: RedisScript = redisScript(
  'purge',
  `${queuesLua}
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
);

/** Puts a dead letter back to the end of its queue (ARGV[3] = 1) or only deletes it. ARGV: prefix, number, replay. Reply: whether there was one. */
export const exhumeScript: RedisScript = redisScript(
  'exhume',
  `${queuesLua}
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
);

/** ARGV: prefix, queue or empty, before (or +inf), limit. Reply: number, queue, reason, detail, died_at, strikes, raw of each. */
export const lettersScript: RedisScript = redisScript(
  'letters',
  `${queuesLua}
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
);
