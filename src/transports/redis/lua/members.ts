import { type RedisScript, redisScript } from '../../../clients/redis/script.ts';
import { queuesLua } from './queues.ts';

/** ARGV: prefix, id, lease ms, about (JSON for people), queues (JSON), steps (text), name of each queue…. */
export const joinScript: RedisScript = redisScript(
  'join',
  `${queuesLua}
unrefused()
redis.call('ZADD', consumers, text(server_ms() + tonumber(ARGV[3])), ARGV[2])
redis.call('HSET', consumer_key(ARGV[2]), 'about', ARGV[4], 'queues', ARGV[5], 'steps', ARGV[6])
for i = 7, #ARGV do redis.call('SADD', prefix .. 'umbel:queues', ARGV[i]) end
return 1
`,
);

/**
 * Gives back all that a consumer holds, without a strike, the first to be claimed first, and takes it off the list. What its
 * blocking reads might still take is looked after like that of a fallen one.
 * ARGV: prefix, id, ms for which blocking reads may still take something, more than the list's: `queue step`….
 */
export const leaveScript: RedisScript = redisScript(
  'leave',
  `${queuesLua}
local id = ARGV[2]
if not redis.call('ZSCORE', consumers, id) then return 0 end
unrefused()
for i = 4, #ARGV, 2 do
  local stored = redis.call('RPOP', taken_key(id, ARGV[i + 1], ARGV[i]))
  while stored do
    local _, strikes = unmark(stored)
    put_front(ARGV[i], ARGV[i + 1], stored, strikes)
    stored = redis.call('RPOP', taken_key(id, ARGV[i + 1], ARGV[i]))
  end
end
local fields = {}
for _, field in ipairs(redis.call('HKEYS', claimed_key(id))) do fields[#fields + 1] = {parse_field(field)} end
table.sort(fields, function(a, b) return a[1] > b[1] end)
for _, each in ipairs(fields) do
  local field = text(each[1]) .. ':' .. each[2] .. ':' .. each[3]
  local raw, strikes, parks = unmark(redis.call('HGET', claimed_key(id), field))
  put_front(each[3], each[2], mark(raw, strikes, parks), strikes)
end
redis.call('DEL', claimed_key(id))
redis.call('ZREM', consumers, id)
redis.call('ZADD', fallen, text(server_ms() + tonumber(ARGV[3])), id)
return 1
`,
);
