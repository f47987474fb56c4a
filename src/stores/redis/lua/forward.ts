import { type RedisScript, redisScript } from '../client/script.ts';
import { queuesLua } from './queues.ts';

/**
 * To the front of its queue what contains all texts of one of these groups: of some messages of one list, or of the schedule.
 *
 * ARGV: prefix, queue, step (empty: the schedule), from, how many, groups as JSON. Reply: how many were moved, how many were looked at.
 */
export const forwardScript: RedisScript = redisScript(
  'forward',
  `${queuesLua}
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
    -- With a mark, so that its consumer does not put it aside unseen because its time has not come.
    put_front(queue, own, mark(raw, strikes, parks), strikes)
    -- From the other end: what was put to the front may be the same bytes.
    if step == '' then redis.call('ZREM', key, message) else redis.call('LREM', key, 1, message) end
    moved = moved + 1
  end
end
return {moved, #messages}
`,
);
