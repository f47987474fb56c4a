-- Writes result records, each by the rule of its kind.
--
-- KEYS[1]   the first record
-- ARGV[1]   the number of the database of this connection
-- ARGV[2…]  kind, db, key, json, ttl of each record
-- Reply     for each: empty, or the error

--- @include records
local answers = {}
for at = 2, #ARGV, 5 do
  local ok, problem = pcall(write_record, ARGV[at], ARGV[at + 1], ARGV[at + 2], ARGV[at + 3], ARGV[at + 4], ARGV[1])
  if ok then answers[#answers + 1] = ''
  else answers[#answers + 1] = type(problem) == 'table' and problem.err or tostring(problem) end
end
return answers
