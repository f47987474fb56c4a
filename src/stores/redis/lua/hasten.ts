import { type RedisScript, redisScript } from '../client/script.ts';
import { queuesLua } from './queues.ts';

/** To the front of its queue what is scheduled for exactly one of these times. ARGV: prefix, queue, time…. Reply: how many. */
export const hastenScript: RedisScript = redisScript(
  'hasten',
  `${queuesLua}
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
);
