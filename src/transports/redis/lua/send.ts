import { type RedisScript, redisScript } from '../../../clients/redis/script.ts';
import { recordLua } from '../record-write.ts';
import { queuesLua } from './queues.ts';

/**
 * Sends messages, each once: one whose record or note is there already was sent before, perhaps by this very call whose reply was lost.
 *
 * ARGV: prefix, db, then for each message: `1` kind db key json ttl, or `0` note-key note-ms; count of lists, the lists' queue and step…; message.
 * Reply: for each message whether it was sent now.
 */
export const sendScript: RedisScript = redisScript(
  'send',
  `${queuesLua}${recordLua}
local db = ARGV[2]
local at = 3
local function send(from)
  local i, key = from
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
    if ARGV[from + 2] ~= db then redis.call('SELECT', ARGV[from + 2]) end
    redis.call('DEL', ARGV[from + 3])
    if ARGV[from + 2] ~= db then redis.call('SELECT', db) end
  else redis.call('DEL', ARGV[from + 1]) end
end
local sent = {}
while at <= #ARGV do
  local ok, result = pcall(send, at)
  if not ok then
    local problem = type(result) == 'table' and result.err or tostring(result)
    -- Refused for want of memory: nothing of this script was done yet.
    if #sent == 0 and string.find(problem, 'OOM', 1, true) then return redis.error_reply(problem) end
    undo(at)
    sent[#sent + 1] = problem
  else sent[#sent + 1] = result and '1' or '0' end
  at = at + (ARGV[at] == '1' and 6 or 3)
  at = at + 2 * tonumber(ARGV[at]) + 2
end
return sent
`,
);
