-- Moves messages that contain all texts of one of these groups to the front of their queue. Searches a part of one list, or of the schedule.
--
-- KEYS[1]   the set of the consumers, by which a cluster finds the server
-- ARGV[1]   the prefix of all keys
-- ARGV[2]   the queue
-- ARGV[3]   the step (empty: the schedule)
-- ARGV[4]   the index of the first message
-- ARGV[5]   how many messages are searched
-- ARGV[6]   the groups of texts (JSON)
-- Reply     how many messages were moved, how many were searched

--- @include queues
local queue, step, from, groups = ARGV[2], ARGV[3], tonumber(ARGV[4]), cjson.decode(ARGV[6])
local last = from + tonumber(ARGV[5]) - 1
local function is_meant(stored)
  for _, texts in ipairs(groups) do
    local all = true
    for _, text in ipairs(texts) do all = all and string.find(stored, text, 1, true) ~= nil end
    if all then return true end
  end
  return false
end
unrefused()
may_pick()
local moved = 0
local key = step == '' and schedule_key(queue) or list_key(queue, step)
local messages = redis.call(step == '' and 'ZRANGE' or 'LRANGE', key, text(from), text(last))
for _, message in ipairs(messages) do
  if is_meant(message) then
    local own, stored = step, message
    if step == '' then own, stored = string.match(message, '^(%d+):(.*)$') end
    local raw, crashes, deferrals = unmark(stored)
    -- With redelivery metadata, so that its consumer does not defer it because its eta has not come.
    put_front(queue, own, mark(raw, crashes, deferrals), crashes)
    -- Removed from the other end, since a message with the same bytes may have been put to the front.
    if step == '' then redis.call('ZREM', key, message) else redis.call('LREM', key, 1, message) end
    moved = moved + 1
  end
end
return {moved, #messages}
