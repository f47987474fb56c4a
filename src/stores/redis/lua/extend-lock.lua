-- Extends a lock, if the task holds it.
--
-- KEYS[1]   the lock
-- ARGV[1]   the task's id
-- ARGV[2]   ttl, ms
-- Reply     1

if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end return 1
