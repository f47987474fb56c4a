-- Probes whether the user may run the commands that a worker needs.
--
-- KEYS[1]   the key that the probes touch
-- ARGV[1…]  command and arguments of each probe (JSON)
-- Reply     for each refused command: the command and the error

local refused = {}
for _, probe in ipairs(ARGV) do
  local command = cjson.decode(probe)
  local reply = redis.pcall(unpack(command))
  if type(reply) == 'table' and reply.err then
    refused[#refused + 1] = command[1]
    refused[#refused + 1] = reply.err
  end
end
return refused
