import { suspectAfter } from '../../quarantine.ts';
import { type RedisScript, redisScript } from '../client/script.ts';
import { queuesLua } from './queues.ts';

/**
 * Registers a consumer. One that was registered under another name before, and is not any more (it was taken for dead, or the server has
 * lost its data), has that name in `former`: of what still lies there, what it says that it holds is moved to the new name, and the rest
 * goes back to the queues. Nobody else has it.
 *
 * ARGV: prefix, id, lease ms, about (JSON for people), queues (JSON), steps (text), ms for which the former one's blocking reads may still
 * take something, former (or empty), how many queues and the name of each, then what is held: field, sha1 (empty: it was adopted)….
 * Reply: which of the fields are held now.
 */
export const joinScript: RedisScript = redisScript(
  'join',
  `${queuesLua}
unrefused()
local id, former, about = ARGV[2], ARGV[8], {'about', ARGV[4], 'queues', ARGV[5], 'steps', ARGV[6]}
local first_held = 10 + tonumber(ARGV[9])
redis.call('ZADD', consumers, text(server_ms() + tonumber(ARGV[3])), id)
redis.call('HSET', consumer_key(id), unpack(about))
for i = 10, first_held - 1 do redis.call('SADD', prefix .. 'umbel:queues', ARGV[i]) end
if former == '' then return {} end

-- Known again, so that what is left there comes back should we end here.
redis.call('ZADD', fallen, text(server_ms() + tonumber(ARGV[7])), former)
redis.call('ZREM', consumers, former)
redis.call('HSET', consumer_key(former), unpack(about))
may_unhold()
may_pick()
local claimed, kept = claimed_key(id), {}
local function keep(field, stored)
  local _, strikes = unmark(stored)
  if strikes >= ${suspectAfter} then redis.call('HSET', consumer_key(id), 'alone', field) end
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
  while give_back_next(taken_key(id, ARGV[i + 1], ARGV[i]), ARGV[i], ARGV[i + 1]) do end
end
give_back_all(id)
redis.call('ZADD', fallen, text(server_ms() + tonumber(ARGV[3])), id)
redis.call('ZREM', consumers, id)
return 1
`,
);
