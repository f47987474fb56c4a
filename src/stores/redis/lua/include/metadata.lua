-- The redelivery metadata of a message that came back, which is written before its bytes (redelivery-metadata.ts).
--
-- unmark(stored)              -> raw, crashes, deferrals
-- mark(raw, crashes, deferrals)   -> stored
-- mark_announced(stored)           -> stored; for a message without metadata

local function unmark(stored)
  if string.sub(stored, 1, 10) == '{"umbel":[' then
    local s, p, rest = string.match(stored, '^{"umbel":%[(%d+),(%d+)[,1]*%],(.*)$')
    if s then return '{' .. rest, tonumber(s), tonumber(p) end
  elseif string.byte(stored) == 0 then
    local s, p, rest = string.match(stored, '^%zumbel:%[(%d+),(%d+)%](.*)$')
    if s then return rest, tonumber(s), tonumber(p) end
  end
  return stored, 0, 0
end
local function mark(raw, crashes, deferrals)
  local marks = '[' .. crashes .. ',' .. deferrals .. ']'
  if string.byte(raw) == 123 then return '{"umbel":' .. marks .. ',' .. string.sub(raw, 2) end
  return '\0umbel:' .. marks .. raw
end
local function mark_announced(raw)
  if string.byte(raw) ~= 123 or string.sub(raw, 1, 10) == '{"umbel":[' then return raw end
  return '{"umbel":[0,0,1],' .. string.sub(raw, 2)
end
