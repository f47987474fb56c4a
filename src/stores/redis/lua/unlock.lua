-- Releases a lock, if the task holds it.
--
-- KEYS[1]   the lock
-- ARGV[1]   the task's id
-- Reply     1

if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end return 1
