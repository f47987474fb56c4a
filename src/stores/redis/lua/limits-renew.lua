-- Renews the lease of a holder of limits.
--
-- KEYS[1]   the set of the holders
-- ARGV[1]   the prefix of all keys
-- ARGV[2]   the holder
-- ARGV[3]   the holder's lease, ms
-- Reply     JSON `{alive, notified}`

--- @include limits
local alive = redis.call('ZSCORE', holders, ARGV[2]) and true or false
if alive then redis.call('ZADD', holders, text(now + tonumber(ARGV[3])), ARGV[2]) end
return cjson.encode({alive = alive, notified = notified})
