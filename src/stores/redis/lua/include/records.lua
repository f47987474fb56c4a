-- Included by scripts that write results. record-write.ts describes the kinds.
--
-- write_record(kind, db, key, json, ttl_ms, own_db) -> whether it was written
-- write_ended(key, json, ttl_ms)                    -> the error, or nil
--
-- Each write is published on the channel with the key's name, as Celery's clients expect. The state is the first member of the record, in
-- Umbel's records and in Python's.

local function state_of(json)
  local state = string.match(json, '^{"status": ?"([^"]*)"')
  if state then return state end
  local ok, meta = pcall(cjson.decode, json)
  return ok and type(meta) == 'table' and meta.status or ''
end
local write_record
local function write_lock(kind, key, json, ttl, own_db)
  local about = cjson.decode(json)
  local owner = redis.call('GET', key)
  if kind == 'unlock' then
    if owner == about.id then redis.call('DEL', key) end
  elseif owner and owner ~= about.id and not about.replace then
    redis.call('SET', about.refusal, owner, 'PX', about.refusalMs)
    return false
  else
    -- The task may have the lock since a reply was lost and the call repeated: then its record exists already.
    local mine = owner == about.id
    redis.call('SET', key, about.id, 'PX', ttl)
    local r = about.record
    local fresh = #r > 0 and write_record(r[1], r[2], r[3], r[4], r[5], own_db)
    return not mine or fresh
  end
  local r = about.record
  if #r > 0 then return write_record(r[1], r[2], r[3], r[4], r[5], own_db) end
  return true
end
local write_record_here
write_record_here = function(kind, key, json, ttl, own_db)
  if kind == 'lock' or kind == 'unlock' then return write_lock(kind, key, json, ttl, own_db) end
  local written = true
  if kind == 'done' then
    redis.call('UNLINK', key .. '.j', key .. '.s', key .. '.t', key .. '.c', key .. '.x', key .. '.b')
    redis.call('SET', key .. '.d', '', 'PX', ttl)
    if json ~= '' then
      local r = cjson.decode(json)
      write_record(r[1], r[2], r[3], r[4], r[5], own_db)
    end
  elseif kind == 'all' then
    for at, r in ipairs(cjson.decode(json)) do
      if at == 1 then written = write_record(r[1], r[2], r[3], r[4], r[5], own_db)
      -- A failure of these records does not prevent the first from being written.
      else pcall(write_record, r[1], r[2], r[3], r[4], r[5], own_db) end
    end
  elseif kind == 'sent-elsewhere' then
    if redis.call('EXISTS', key) == 1 then written = false
    else written = write_record_here('sent', key .. '__sentElsewhere__', json, ttl, own_db) end
  elseif kind == 'sent' then
    if ttl == '' then written = redis.call('SET', key, json, 'NX')
    else written = redis.call('SET', key, json, 'NX', 'PX', ttl) end
  else
    local old = redis.call('GET', key)
    if old then
      local state = state_of(old)
      if state == 'SUCCESS' or kind == 'unready' and (state == 'FAILURE' or state == 'REVOKED') then
        written = false
      end
    end
    if written then
      if ttl == '' then redis.call('SET', key, json) else redis.call('SET', key, json, 'PX', ttl) end
      redis.call('PUBLISH', key, json)
    end
  end
  return written and true or false
end
-- Writes a record of the kind 'ready' in fewer steps, since there is nearly always no older record, or one that may be replaced.
local function write_ended(key, json, ttl)
  local old
  if ttl == '' then old = redis.pcall('SET', key, json, 'GET')
  else old = redis.pcall('SET', key, json, 'PX', ttl, 'GET') end
  if type(old) == 'table' and old.err then return old.err end
  local rest
  if not old or state_of(old) ~= 'SUCCESS' then rest = redis.pcall('PUBLISH', key, json)
  elseif ttl == '' then rest = redis.pcall('SET', key, old)
  else rest = redis.pcall('SET', key, old, 'PX', ttl) end
  return type(rest) == 'table' and rest.err or nil
end
write_record = function(kind, db, key, json, ttl, own_db)
  if db == own_db then return write_record_here(kind, key, json, ttl, own_db) end
  redis.call('SELECT', db)
  local ok, written = pcall(write_record_here, kind, key, json, ttl, own_db)
  -- Also after an error, since the rest of the script uses its own database.
  redis.call('SELECT', own_db)
  if not ok then error(written, 0) end
  return written
end
