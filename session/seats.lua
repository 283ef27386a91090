-- One change of one seat, in one atomic step. The rule is told in store.py; seat_table.py says it in Python.
--
-- KEYS  1 slot:       hash sid dev att ep node exp mark grace v    (mark: highest epoch handed out)
--       2 tombstones: hash device -> "attempt:kept until ms", of one user in one room
--       3 index:      sorted set "node/slot" -> expiry ms, of all seats in the room
--       4 documents:  hash "kind:key" -> "revision:expires ms or 0:body", of the room; read only
--       5 other slot: the one that the device has under another kind of policy; a hash as the first
--       6 evicted:    hash participant, or '' for everybody -> epoch: seats up to it end at their next renewal
-- ARGV  1 op  2 session  3 device  4 attempt  5 node  6 epoch  7 slot  8 lease ms  9 keep ms
--      10 "1" to answer with the room's other nodes  11 user  12 "1" in grace  13 other slot
--      14 participant
--      for claim: 15 revision of the rules  16 cap  17 "1" locked  18 policy  19 holder that did not answer, or ""
-- Answer: {verdict, epoch, by session, by node, by device, highest attempt, other node, ...}
--
-- All keys share one hash tag, so that they live on one shard. Numbers stay below 2^53; they are written
-- with %.0f, because Lua's own conversion keeps 14 digits only.

local RECORD_VERSION = '1'
local PRUNE_ABOVE = 16 -- tombstones of one user; a device is a browser tab, so more than a few are old ones. Evictions too

local slot_key, tomb_key, index_key, documents_key, other_key = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
local evicted_key = KEYS[6]
local op, session, device, node, slot = ARGV[1], ARGV[2], ARGV[3], ARGV[5], ARGV[7]
local attempt, epoch, lease, keep = tonumber(ARGV[4]), tonumber(ARGV[6]), tonumber(ARGV[8]), tonumber(ARGV[9])
local in_grace, other_slot, participant = ARGV[12], ARGV[13], ARGV[14]

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

local function text(number) return string.format('%.0f', number) end

local record = redis.call('HMGET', slot_key, 'sid', 'dev', 'att', 'ep', 'node', 'exp', 'mark', 'grace')
local holder = nil
if record[1] then
  holder = {
    session = record[1], device = record[2], attempt = tonumber(record[3]),
    epoch = tonumber(record[4]), node = record[5], expires = tonumber(record[6]),
    in_grace = record[8] == '1',
  }
end
local mark = tonumber(record[7] or '0')

local function live() return holder ~= nil and holder.expires > now end
local function mine()
  return holder ~= nil and holder.session == session and holder.device == device and holder.attempt == attempt
end

-- The device's own seat in the slot that it had before the room's policy changed, lapsed or not.
local elsewhere = nil
if other_slot ~= '' then
  local left = redis.call('HMGET', other_key, 'dev', 'att', 'node', 'exp')
  if left[1] == device then elsewhere = { attempt = tonumber(left[2]), node = left[3], expires = tonumber(left[4]) } end
end

-- The revision of a document of the room; 0 when there is none any more.
local function revision_of(field)
  local stored = redis.call('HGET', documents_key, field)
  if not stored then return 0 end
  local revision, expires = string.match(stored, '^(%d+):(%d+):')
  if not revision then error('a document of the room cannot be read') end
  if expires ~= '0' and tonumber(expires) <= now then return 0 end
  return tonumber(revision)
end

local function beats_holder()
  if holder.device == device then return attempt > holder.attempt end
  return epoch > holder.epoch or (epoch == holder.epoch and node > holder.node)
end

local function tombstone(whose)
  local kept = redis.call('HGET', tomb_key, whose)
  if not kept then return 0 end
  local highest, until_ms = string.match(kept, '^(%d+):(%d+)$')
  if tonumber(until_ms) > now then return tonumber(highest) end
  return 0
end

local function prune()
  if redis.call('HLEN', tomb_key) <= PRUNE_ABOVE then return end
  local all = redis.call('HGETALL', tomb_key)
  for i = 1, #all, 2 do
    if tonumber(string.match(all[i + 1], ':(%d+)$')) <= now then redis.call('HDEL', tomb_key, all[i]) end
  end
end

local function bury(whose, ended)
  if ended <= 0 then return end
  local highest = math.max(ended, tombstone(whose))
  redis.call('HSET', tomb_key, whose, text(highest) .. ':' .. text(now + keep))
  redis.call('PEXPIRE', tomb_key, keep)
  prune()
end

-- Up to which epoch seats were evicted; -1 when none was, or long ago.
local function evicted_until(whose)
  local epoch_of = tonumber(redis.call('HGET', evicted_key, whose) or '-1')
  return epoch_of + keep > now and epoch_of or -1
end

local function evict(whose)
  redis.call('HSET', evicted_key, whose, text(math.max(now, mark, evicted_until(whose))))
  redis.call('PEXPIRE', evicted_key, keep)
  if redis.call('HLEN', evicted_key) <= PRUNE_ABOVE then return end
  local all = redis.call('HGETALL', evicted_key)
  for i = 1, #all, 2 do
    if tonumber(all[i + 1]) + keep <= now then redis.call('HDEL', evicted_key, all[i]) end
  end
end

local function highest_attempt()
  local held = (holder and holder.device == device) and holder.attempt or 0
  return math.max(tombstone(device), held, elsewhere and elsewhere.attempt or 0)
end

local function answer(verdict)
  redis.call('PEXPIRE', slot_key, keep)
  local by = ((verdict == 'superseded' or verdict == 'occupied') and live()) and holder or nil
  local reply = {
    verdict, text(mark), by and by.session or '', by and by.node or '', by and by.device or '', text(highest_attempt()),
  }
  if ARGV[10] == '1' then
    local seen = { [node] = true }
    for _, member in ipairs(redis.call('ZRANGEBYSCORE', index_key, '(' .. text(now), '+inf')) do
      local name = string.match(member, '^([^/]+)/')
      if not seen[name] then
        seen[name] = true
        reply[#reply + 1] = name
      end
    end
  end
  return reply
end

local function hold(new_epoch)
  mark = new_epoch
  holder = { session = session, device = device, attempt = attempt, epoch = new_epoch, node = node, expires = now + lease }
  redis.call('HSET', slot_key, 'sid', session, 'dev', device, 'att', text(attempt), 'ep', text(new_epoch),
    'node', node, 'exp', text(now + lease), 'mark', text(new_epoch), 'grace', in_grace, 'v', RECORD_VERSION)
  redis.call('ZADD', index_key, text(now + lease), node .. '/' .. slot)
  redis.call('PEXPIRE', index_key, keep)
  return answer('ok')
end

local function vacate(key, whose, name)
  redis.call('ZREM', index_key, whose.node .. '/' .. name)
  redis.call('HDEL', key, 'sid', 'dev', 'att', 'ep', 'node', 'exp', 'grace')
end

local function take(new_epoch)
  if holder then
    redis.call('ZREM', index_key, holder.node .. '/' .. slot)
    if holder.device ~= device then bury(holder.device, holder.attempt) end
  end
  bury(device, attempt - 1)
  if elsewhere then
    vacate(other_key, elsewhere, other_slot)
    elsewhere = nil
  end
  return hold(new_epoch)
end

redis.call('ZREMRANGEBYSCORE', index_key, '-inf', text(now))
local dead = tombstone(device)

if op == 'nodes' then return answer('ok') end

if op == 'evict' then
  evict(participant)
  return { 'ok', text(mark), '', '', '', '0' }
end

if op ~= 'release' and revision_of('ban:' .. ARGV[11]) > 0 then return answer('banned') end

if op == 'claim' then
  if mine() then return hold(mark) end
  if attempt <= highest_attempt() then return answer('superseded') end
  if revision_of('room:') ~= tonumber(ARGV[15]) then return answer('changed') end
  local sits_already = live() or (elsewhere ~= nil and elsewhere.expires > now)
  if ARGV[17] == '1' and not sits_already then return answer('locked') end
  local protected = live() and holder.device ~= device and not holder.in_grace and holder.session ~= ARGV[19]
  if ARGV[18] == 'reject' and protected then return answer('occupied') end
  if not sits_already and redis.call('ZCARD', index_key) >= tonumber(ARGV[16]) then return answer('full') end
  -- Above every eviction until now: who comes in after it stays.
  return take(math.max(mark + 1, epoch + 1, now, evicted_until('') + 1, evicted_until(participant) + 1))
end

if op == 'touch' or op == 'assert' then
  if not mine() and (dead >= attempt or (live() and not beats_holder())) then return answer('superseded') end
  if epoch <= evicted_until('') then return answer('deleted') end
  if epoch <= evicted_until(participant) then return answer('kicked') end
end

if op == 'touch' then
  if mine() then return hold(mark) end
  return answer('unknown')
end

if op == 'assert' then
  if mine() then return hold(math.max(mark, epoch)) end
  return take(math.max(mark + 1, epoch))
end

if op == 'release' then
  bury(device, attempt)
  if mine() then
    vacate(slot_key, holder, slot)
    holder = nil
    return answer('ok')
  end
  return answer(live() and 'superseded' or 'unknown')
end

return redis.error_reply('unknown op')
