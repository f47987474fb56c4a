-- Records runs of schedules, unless another beat has the lead by now.
--
-- KEYS[1]   the lead
-- KEYS[2]   entries
-- KEYS[3]   states
-- KEYS[4…]  the history of each run's schedule
-- ARGV[1]   the fence (empty: a run outside the schedule, which needs no lead)
-- ARGV[2]   how many records are kept of each schedule
-- ARGV[3…]  for each run: name, until, at, outcome, task, the record
-- Reply     1; 0: another beat has the lead

local beside = ARGV[1] == ''
if not beside and redis.call('HGET', KEYS[1], 'fence') ~= ARGV[1] then return 0 end
for i = 0, #KEYS - 4 do
  local at = 3 + 6 * i
  local name, till, now, outcome, task, record = ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[at + 5]
  if redis.call('HEXISTS', KEYS[2], name) == 1 then
    local state = redis.call('HGET', KEYS[3], name) or '||0||'
    local due, run, sent, anchor, last = string.match(state, '^([^|]*)|([^|]*)|([^|]*)|([^|]*)|(.*)$')
    local new = true
    if outcome == 'moved' then
      due = till
      anchor = till
    elseif not beside then
      new = due == '' or tonumber(till) > tonumber(due)
      if new then due = till end
    end
    if new then
      if outcome == 'sent' or outcome == 'manual' then
        run = now
        last = task
        sent = string.format('%d', tonumber(sent) + 1)
      end
      redis.call('HSET', KEYS[3], name, due .. '|' .. run .. '|' .. sent .. '|' .. anchor .. '|' .. last)
      redis.call('LPUSH', KEYS[4 + i], record)
      redis.call('LTRIM', KEYS[4 + i], 0, tonumber(ARGV[2]) - 1)
    end
  end
end
return 1
