-- Registers a consumer. A consumer that lost its registration (it was taken for dead, or the server lost its data) passes its old name as
-- `former`. Of the messages that are still under the old name, those that the consumer holds move to the new name, and the others go back to
-- the queues.
--
-- KEYS[1], ARGV[1]   the prefix of all keys
-- ARGV[2]   the consumer's id
-- ARGV[3]   the lease, ms
-- ARGV[4]   about the consumer (JSON for people)
-- ARGV[5]   its queues (JSON)
-- ARGV[6]   the steps of priority (text)
-- ARGV[7]   ms for which blocking reads under the old name may still take messages
-- ARGV[8]   the old name (or empty)
-- ARGV[9]   how many queues
-- ARGV[10…] the name of each queue, then for each held message: field, sha1 (empty: it was adopted)…
-- Reply     the fields that are held now; `!` and a version: the keys have the names of another version, and nothing was done

--- @include queues
unrefused()
local version = redis.call('GET', prefix .. 'umbel:version')
if not version then
  -- Keys that only version 1 had, which did not write its version.
  local older = redis.call('EXISTS', prefix .. 'umbel:fallen', prefix .. 'umbel:notices') > 0
  for i = 10, 9 + tonumber(ARGV[9]) do older = older or redis.call('EXISTS', prefix .. 'umbel:suspects:' .. ARGV[i]) == 1 end
  if older then return {'!', '1'} end
  redis.call('SET', prefix .. 'umbel:version', '__storeVersion__')
elseif version ~= '__storeVersion__' then return {'!', version} end
local id, former, about = ARGV[2], ARGV[8], {'about', ARGV[4], 'queues', ARGV[5], 'steps', ARGV[6]}
local first_held = 10 + tonumber(ARGV[9])
redis.call('ZADD', consumers, text(server_ms() + tonumber(ARGV[3])), id)
redis.call('HSET', consumer_key(id), unpack(about))
for i = 10, first_held - 1 do redis.call('SADD', prefix .. 'umbel:queues', ARGV[i]) end
if former == '' then return {} end

-- The old name is known again, so that its messages come back if the script or the worker ends here.
redis.call('ZADD', evicted, text(server_ms() + tonumber(ARGV[7])), former)
redis.call('ZREM', consumers, former)
redis.call('HSET', consumer_key(former), unpack(about))
may_unhold()
may_pick()
local claimed, kept = claimed_key(id), {}
local function keep(field, stored)
  local _, crashes = unmark(stored)
  if crashes >= __quarantineAfter__ then redis.call('HSET', consumer_key(id), 'alone', field) end
  redis.call('HSET', claimed, field, stored)
  kept[#kept + 1] = field
end
for i = first_held, #ARGV, 2 do
  local field, sha = ARGV[i], ARGV[i + 1]
  local stored = redis.call('HGET', claimed_key(former), field)
  if stored then
    keep(field, stored)
    redis.call('HDEL', claimed_key(former), field)
  elseif redis.call('HEXISTS', claimed, field) == 1 then kept[#kept + 1] = field -- an earlier try of this call moved it, and its reply was lost
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
