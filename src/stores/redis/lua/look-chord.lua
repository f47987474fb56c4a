-- Reads how far a chord is.
--
-- KEYS[1]   the base of the chord's keys
-- ARGV[1]   the same
-- Reply     size extra count closer done manifest {added}; '' for what is not there; nil: no such chord

local base = ARGV[1]
local function text(key) return redis.call('GET', base .. key) or '' end
local size, closer, manifest = text('.s'), text('.c'), text('.b')
local count = redis.call('ZCARD', base .. '.j')
local extra = text('.t')
local isDone = redis.call('EXISTS', base .. '.d')
if size == '' and extra == '' and count == 0 and isDone == 0 then return nil end
-- A member that came late may have left keys beside the note that the chord is done; one that is being completed again is not done.
if isDone == 1 and closer ~= '' then isDone = 0 end
return { size, extra == '' and '0' or extra, count, closer, isDone, manifest, redis.call('SMEMBERS', base .. '.x') }
