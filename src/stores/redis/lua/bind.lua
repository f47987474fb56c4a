-- Writes bindings on a server that is out of memory, for workers, which make room there. Redis refuses no command of a script that has
-- written before, so it writes what needs no memory first.
--
-- KEYS[1]   the set of the consumers, by which a cluster finds the server
-- KEYS[2]   kombu's set of an exchange's bindings, or the set of the names of queues
-- ARGV[1…]  the members
-- Reply     how many were not there before

redis.call('ZREM', KEYS[1], '')
return redis.call('SADD', KEYS[2], unpack(ARGV))
