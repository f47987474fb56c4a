-- Reads the schedules that changed since a revision; all schedules if some were removed since.
-- The state of a schedule is text: last due|last run|sent|anchor|last task.
--
-- KEYS[1]   the lead
-- KEYS[2]   entries
-- KEYS[3]   states
-- KEYS[4]   revisions
-- ARGV[1]   the revision (empty: all schedules)
-- Reply     revision, whether these are all schedules, then for each: name, text, revision, state

local lead = redis.call('HMGET', KEYS[1], 'revision', 'floor')
local since = tonumber(ARGV[1])
local complete = since == nil or since < tonumber(lead[2] or '0')
local changed = redis.call('ZRANGEBYSCORE', KEYS[4], complete and '-inf' or '(' .. ARGV[1], '+inf', 'WITHSCORES')
local reply = { lead[1] or '0', complete and '1' or '0' }
for i = 1, #changed, 2 do
  reply[#reply + 1] = changed[i]
  reply[#reply + 1] = redis.call('HGET', KEYS[2], changed[i]) or ''
  reply[#reply + 1] = changed[i + 1]
  reply[#reply + 1] = redis.call('HGET', KEYS[3], changed[i]) or ''
end
return reply
