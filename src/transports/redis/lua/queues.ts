import { suspectAfter } from '../../suspect.ts';
import { marksLua } from '../marks.ts';

/**
 * Lua that our scripts share: names of keys, and moving messages between places. `prefix` is the first argument of each script.
 * A script that has written before is not refused by a server that is out of memory: `unrefused()` makes what drains a full server work.
 */
export const queuesLua: string = `
local prefix = ARGV[1]
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
local function unrefused() redis.call('ZREM', consumers, '') end
local function server_ms()
  local t = redis.call('TIME')
  return t[1] * 1000 + math.floor(t[2] / 1000)
end
local function text(number) return string.format('%.0f', number) end
local function parse_field(field)
  local tag, step, queue = string.match(field, '^(%d+):(%d+):(.*)$')
  return tonumber(tag), step, queue
end
${marksLua}
local function put_front(queue, step, stored, strikes)
  if strikes >= ${suspectAfter} then redis.call('RPUSH', suspects_key(queue), step .. ':' .. stored)
  else redis.call('RPUSH', list_key(queue, step), stored) end
end
local function put_back(queue, step, stored)
  local _, strikes = unmark(stored)
  if strikes >= ${suspectAfter} then redis.call('LPUSH', suspects_key(queue), step .. ':' .. stored)
  else redis.call('LPUSH', list_key(queue, step), stored) end
end
local function schedule(queue, step, stored, due_ms)
  redis.call('ZADD', schedule_key(queue), due_ms, step .. ':' .. stored)
  redis.call('ZADD', due, 'LT', due_ms, queue)
end
`;
