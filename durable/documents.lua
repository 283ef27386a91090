-- One change of a scope's documents or logs, in one atomic step; repository.py says what each means.
--
-- KEYS  1 documents: hash "kind:key" -> "revision:expires ms or 0:body", all documents of one scope
--         (append: the log instead, a sorted set of "id NUL body", all scores 0)
--       2 scopes:    sorted set of the scopes that have a document of the kind, all scores 0
--         (drop: the sets of all dropped kinds that are listed, then the logs)
-- ARGV  1 op, then
--       put     2 kind  3 key  4 scope  5 "1" if listed  6 expected revision or ""  7 expires ms or 0  8 body
--       delete  2 kind  3 key  4 scope  5 "1" if listed  6 expected revision or ""
--       forget  2 kind  3 key  4 scope  5 "1" if listed  6 the value that was seen: expired, so not wanted any more
--       drop    2 scope 3 number of sets of scopes among the keys  4... kinds
--       append  2 id  3 body  4 keep
--       list    2, 3 what stands before and behind a scope in the key of its documents  4 field  5 after  6 limit
--         (its only key is the set of scopes; it changes nothing)
-- Answer: {"ok", number} or {"conflict", revision}; to list: {scope, value, scope, value, ...}

local op = ARGV[1]
local time = redis.call('TIME')
local now_us = tonumber(time[1]) * 1000000 + tonumber(time[2])
local now_ms = math.floor(now_us / 1000)

local PRUNE_EVERY = 64 -- documents of one scope between two walks in search of what expired

local function text(number) return string.format('%.0f', number) end

local function starts_with(field, prefix) return string.sub(field, 1, #prefix) == prefix end

local function parts(value)
  local revision, expires = string.match(value, '^(%d+):(%d+):')
  return tonumber(revision), tonumber(expires)
end

local function has_expired(value)
  local _, expires = parts(value)
  return expires ~= nil and expires ~= 0 and expires <= now_ms
end

if op == 'append' then
  local log, id, keep = KEYS[1], ARGV[2], tonumber(ARGV[4])
  local known = redis.call('ZRANGEBYLEX', log, '[' .. id .. '\0', '(' .. id .. '\1', 'LIMIT', 0, 1)
  if #known == 0 then redis.call('ZADD', log, 0, id .. '\0' .. ARGV[3]) end
  redis.call('ZREMRANGEBYRANK', log, 0, -keep - 1)
  return {'ok', #known == 0 and '1' or '0'}
end

if op == 'list' then
  local before, behind, field, limit = ARGV[2], ARGV[3], ARGV[4], tonumber(ARGV[6])
  local start = ARGV[5] == '' and '-' or '(' .. ARGV[5]
  local found = {}
  while #found < 2 * limit do
    local scopes = redis.call('ZRANGEBYLEX', KEYS[1], start, '+', 'LIMIT', 0, limit - #found / 2)
    if #scopes == 0 then break end
    for _, scope in ipairs(scopes) do
      local value = redis.call('HGET', before .. scope .. behind, field)
      if value then
        found[#found + 1] = scope
        found[#found + 1] = value
      end
    end
    start = '(' .. scopes[#scopes]
  end
  return found
end

local documents = KEYS[1]

if op == 'drop' then
  local scope, sets = ARGV[2], tonumber(ARGV[3])
  for _, field in ipairs(redis.call('HKEYS', documents)) do
    for index = 4, #ARGV do
      if starts_with(field, ARGV[index] .. ':') then redis.call('HDEL', documents, field) end
    end
  end
  for index = 2, #KEYS do
    if index <= sets + 1 then redis.call('ZREM', KEYS[index], scope) else redis.call('DEL', KEYS[index]) end
  end
  return {'ok', '1'}
end

local kind, key, scope, is_listed = ARGV[2], ARGV[3], ARGV[4], ARGV[5] == '1'
local field = kind .. ':' .. key
local value = redis.call('HGET', documents, field)

local function remove()
  redis.call('HDEL', documents, field)
  if not is_listed then return end
  for _, other in ipairs(redis.call('HKEYS', documents)) do
    if starts_with(other, kind .. ':') then return end
  end
  redis.call('ZREM', KEYS[2], scope)
end

if op == 'forget' then
  -- Only what was seen: somebody may have written it anew.
  if value == ARGV[6] then remove() end
  return {'ok', '1'}
end

local last = 0 -- whatever stands there, expired or not: a revision is never used twice
local revision = 0
if value then
  last = parts(value)
  if not has_expired(value) then revision = last end
end
if ARGV[6] ~= '' and tonumber(ARGV[6]) ~= revision then return {'conflict', text(revision)} end

if op == 'delete' then
  if value then remove() end
  return {'ok', revision == 0 and '0' or '1'}
end

-- The time, not one more than the last: also after a deletion, or after a failover lost the last change,
-- no revision comes again for another state.
revision = math.max(last + 1, now_us)
redis.call('HSET', documents, field, text(revision) .. ':' .. ARGV[7] .. ':' .. ARGV[8])
if is_listed then redis.call('ZADD', KEYS[2], 0, scope) end
if not value and redis.call('HLEN', documents) % PRUNE_EVERY == 0 then
  local all = redis.call('HGETALL', documents)
  for index = 1, #all, 2 do
    if all[index] ~= field and has_expired(all[index + 1]) then redis.call('HDEL', documents, all[index]) end
  end
end
return {'ok', text(revision)}
