-- Takes back the end of a member that did not succeed, whichever program wrote it.
--
-- KEYS[1]   the base of the chord's keys
-- ARGV[1]   the same
-- ARGV[2]   the prefix of the task's part
-- ARGV[3]   the prefix that it has if the task succeeded
-- Reply     1; 0: there is no such end, or the chord is complete

local base, prefix, success = ARGV[1], ARGV[2], ARGV[3]
if redis.call('EXISTS', base .. '.c', base .. '.d') > 0 then return 0 end
for _, entry in ipairs(redis.call('ZRANGE', base .. '.j', 0, -1)) do
  if string.sub(entry, 1, #prefix) == prefix and string.sub(entry, 1, #success) ~= success then
    return redis.call('ZREM', base .. '.j', entry)
  end
end
return 0
