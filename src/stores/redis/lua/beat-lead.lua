-- Renews the lead, or takes it if no beat has it, or if its holder has not renewed it for the length of the lease.
--
-- KEYS[1]   the lead
-- ARGV[1]   the holder
-- ARGV[2,3] the fence and the beats that were seen (empty: none)
-- Reply     holder, fence, beats, revision, seconds, microseconds

local lead = redis.call('HMGET', KEYS[1], 'holder', 'fence', 'beats')
local holder = lead[1]
if holder == ARGV[1] then redis.call('HINCRBY', KEYS[1], 'beats', 1)
elseif not holder or holder == '' or (lead[2] == ARGV[2] and lead[3] == ARGV[3]) then
  redis.call('HINCRBY', KEYS[1], 'fence', 1)
  redis.call('HSET', KEYS[1], 'holder', ARGV[1], 'beats', '0')
end
local now = redis.call('TIME')
local after = redis.call('HMGET', KEYS[1], 'holder', 'fence', 'beats', 'revision')
return { after[1], after[2], after[3], after[4] or '0', now[1], now[2] }
