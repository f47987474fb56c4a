-- Included by scripts that write into the history stream: entries are numbered without gaps, so that a reader knows what was dropped. Needs `queues`.
--
-- The names of these commands are in variables: workers whose user may not run them work, and write no history.

local history, history_seq = prefix .. 'umbel:history', prefix .. 'umbel:history:seq'
local xadd, incrby, xrevrange = 'XADD', 'INCRBY', 'XREVRANGE'

-- The number of the last entry.
local function last_entry()
  local last = redis.pcall(xrevrange, history, '+', '-', 'COUNT', 1)
  if last.err or not last[1] then return 0 end
  return tonumber(string.match(last[1][1], '^%d+'))
end
-- Adds entries. Returns the error, if there is one: a task must not fail because of its history.
local function add_history(limit, entries)
  if #entries == 0 then return nil end
  for try = 1, 2 do
    local last = redis.pcall(incrby, history_seq, #entries)
    if type(last) == 'table' then return last.err end
    local problem
    for n, entry in ipairs(entries) do
      local id = string.format('%.0f-1', last - #entries + n)
      local added = redis.pcall(xadd, history, 'MAXLEN', '~', limit, id, 'e', entry)
      if type(added) == 'table' and added.err then
        problem = added.err
        break
      end
    end
    if not problem then return nil end
    -- Somebody deleted the counter: it goes on after the last entry.
    local newest = last_entry()
    if try == 2 or newest < last - #entries + 1 then return problem end
    redis.call('SET', history_seq, string.format('%.0f', newest))
  end
end
