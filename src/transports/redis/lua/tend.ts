import { type RedisScript, redisScript } from '../../../clients/redis/script.ts';
import { queuesLua } from './queues.ts';

/**
 * What keeps the store in order, run by each consumer from a thread of its own: renews its lease, gives back what those held whose
 * lease has ended, moves what is due to its queue.
 *
 * ARGV: prefix, id (or empty), lease ms, whether to strike others off, ms for which a fallen consumer's blocking reads may still
 * take something, how many messages that its own took are to be given back (-1: nor is it looked for such) and each one's step, queue
 * and sha1, its queues….
 * Reply: alive (0: struck off), the server's time, next due time or 0, next end of another's lease or 0, how many were
 * promoted, whether there is more to do now, whether suspects wait, then what its own blocking reads took: `:step:queue`, sha1….
 */
export const tendScript: RedisScript = redisScript(
  'tend',
  `${queuesLua}
local id, lease_ms, strike_off, fallen_ms = ARGV[2], tonumber(ARGV[3]), ARGV[4], tonumber(ARGV[5])
local now = server_ms()
unrefused()
local alive = 1
if id ~= '' then
  if redis.call('ZSCORE', consumers, id) then redis.call('ZADD', consumers, text(now + lease_ms), id)
  else alive = 0 end
end
local first_queue = 7 + 3 * math.max(0, tonumber(ARGV[6]))
for i = 7, first_queue - 1, 3 do
  local step, queue = ARGV[i], ARGV[i + 1]
  local stored = redis.call('LINDEX', taken_key(id, step, queue), -1)
  if stored and redis.sha1hex(stored) == ARGV[i + 2] then
    local _, strikes = unmark(stored)
    put_front(queue, step, stored, strikes)
    redis.call('RPOP', taken_key(id, step, queue))
  end
end
local reply = {}
if id ~= '' and ARGV[6] ~= '-1' then
  local steps = redis.call('HGET', consumer_key(id), 'steps') or ''
  for i = first_queue, #ARGV do
    for step in string.gmatch(steps, '%d+') do
      local stored = redis.call('LINDEX', taken_key(id, step, ARGV[i]), -1)
      if stored then
        reply[#reply + 1] = ':' .. step .. ':' .. ARGV[i]
        reply[#reply + 1] = redis.sha1hex(stored)
      end
    end
  end
end
-- Who finds that nobody was here for so long that leases may have ended meanwhile (the server was away) gives the others time to
-- come back.
local mercy = 0
if id ~= '' then
  local beat = redis.call('HMGET', prefix .. 'umbel:beat', 'last', 'mercy')
  mercy = tonumber(beat[2] or 0)
  if not beat[1] or now - tonumber(beat[1]) > lease_ms * 2 / 3 then
    mercy = now + math.min(2000, lease_ms)
    redis.call('HSET', prefix .. 'umbel:beat', 'mercy', text(mercy))
  end
  redis.call('HSET', prefix .. 'umbel:beat', 'last', text(now))
end
if strike_off == '1' and now >= mercy then
  for _, dead in ipairs(redis.call('ZRANGEBYSCORE', consumers, '-inf', text(now), 'LIMIT', 0, 10)) do
    -- In this order: where the second fails, what it holds still has an owner that is known.
    redis.call('ZADD', fallen, text(now + fallen_ms), dead)
    redis.call('ZREM', consumers, dead)
  end
end

local budget = 200
local function drain(dead)
  local fields = {}
  for _, field in ipairs(redis.call('HKEYS', claimed_key(dead))) do fields[#fields + 1] = {parse_field(field)} end
  -- The first to be claimed is put to the front last.
  table.sort(fields, function(a, b) return a[1] > b[1] end)
  for _, each in ipairs(fields) do
    if budget == 0 then return end
    budget = budget - 1
    local field = text(each[1]) .. ':' .. each[2] .. ':' .. each[3]
    local raw, strikes, parks = unmark(redis.call('HGET', claimed_key(dead), field))
    put_front(each[3], each[2], mark(raw, strikes + 1, parks), strikes + 1)
    redis.call('HDEL', claimed_key(dead), field)
  end
  local about = redis.call('HMGET', consumer_key(dead), 'queues', 'steps')
  if about[1] and about[2] then
    for _, queue in ipairs(cjson.decode(about[1])) do
      for step in string.gmatch(about[2], '%d+') do
        local stored = redis.call('RPOP', taken_key(dead, step, queue))
        while stored do
          local raw, strikes, parks = unmark(stored)
          put_front(queue, step, mark(raw, strikes, parks), strikes)
          stored = redis.call('RPOP', taken_key(dead, step, queue))
        end
      end
    end
  end
end
-- The latest first: the others were drained before, and stay only for what a blocking read may still take for them.
for _, dead in ipairs(redis.call('ZREVRANGE', fallen, 0, 499)) do
  drain(dead)
  if budget == 0 then break end
  if tonumber(redis.call('ZSCORE', fallen, dead)) <= now then
    redis.call('ZREM', fallen, dead)
    redis.call('DEL', consumer_key(dead))
  end
end

local promoted, room = 0, 500
for _, queue in ipairs(redis.call('ZRANGEBYSCORE', due, '-inf', text(now), 'LIMIT', 0, 100)) do
  local key = schedule_key(queue)
  local members = room > 0 and redis.call('ZRANGEBYSCORE', key, '-inf', text(now), 'LIMIT', 0, room) or {}
  for _, member in ipairs(members) do
    local step, stored = string.match(member, '^(%d+):(.*)$')
    put_back(queue, step, stored)
    redis.call('ZREM', key, member)
  end
  promoted = promoted + #members
  room = room - #members
  local head = redis.call('ZRANGE', key, 0, 0, 'WITHSCORES')
  if head[2] then redis.call('ZADD', due, head[2], queue) else redis.call('ZREM', due, queue) end
end

local next_due = redis.call('ZRANGE', due, 0, 0, 'WITHSCORES')[2]
local next_lease = 0
local leases = redis.call('ZRANGE', consumers, 0, 1, 'WITHSCORES')
for i = 1, #leases, 2 do
  if leases[i] ~= id and next_lease == 0 then next_lease = tonumber(leases[i + 1]) end
end
if now < mercy then next_lease = mercy end
local suspects = 0
for i = first_queue, #ARGV do suspects = suspects + redis.call('LLEN', suspects_key(ARGV[i])) end
local more = (budget == 0 or room == 0) and 1 or 0
return {alive, now, tonumber(next_due or 0), next_lease, promoted, more, suspects, unpack(reply)}
`,
);
