-- Sets the number of a chord's parts, like Celery does, without a notification. A chord that is done is not changed: its sender
-- runs again.
--
-- KEYS[1]   the base of the chord's keys
-- ARGV[1]   the same
-- ARGV[2]   the size
-- ARGV[3]   ttl, ms (empty: for ever)
-- ARGV[4]   the manifest (empty: as it was)
-- Reply     1; 0: the chord is done

local base, ttl = ARGV[1], ARGV[3]
if redis.call('EXISTS', base .. '.d') == 1 then return 0 end
redis.call('SET', base .. '.s', ARGV[2])
if ARGV[4] ~= '' then redis.call('SET', base .. '.b', ARGV[4]) end
if ttl ~= '' then
  redis.call('PEXPIRE', base .. '.s', ttl)
  redis.call('PEXPIRE', base .. '.b', ttl)
end
return 1
