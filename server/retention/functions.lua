#!lua name=lianmai_retention_1

-- The atomic steps of the retention store, version 1. The rules they commit are in fold.py.
-- Numbers that come from outside stay strings where they may exceed 2^53 (stream ids); times in
-- ms are below 2^53 and exact as doubles. '%.0f' prints them: tostring() would say 1.7e+12.

local VISIT_GAP_MS = 30000           -- presence with a gap up to this is one visit, gap included
local KEEP_VISITS = 32               -- latest visits a profile remembers as intervals
local RECENT_MS = 48 * 3600 * 1000   -- how long a produced repeat is recognised
local RECENT_IDS = 4096              -- and how many ids are kept at most
local DEAD_LETTERS = 10000

local FOLDED, REDELIVERED, REPEATED = 1, 0, 2

local function text(number)
  return string.format('%.0f', number)
end

-- Adds [from_ms, to_ms) to the visits, a flat list 's1 e1 s2 e2 ...' sorted, more than the gap
-- apart. Returns the new list, the new floor, and by how much dwell and the number of visits grow
-- (visits may shrink: two become one when the stretch between them turns out to be covered).
-- Times before the floor are already accounted for: visits that fell off the list ended there.
local function cover(list, floor_ms, from_ms, to_ms)
  if to_ms <= floor_ms then return list, floor_ms, 0, 0 end
  if from_ms < floor_ms then from_ms = floor_ms end
  local kept, swallowed, swallowed_ms = {}, 0, 0
  for starts, ends in string.gmatch(list, '(%d+) (%d+)') do
    local s, e = tonumber(starts), tonumber(ends)
    if s <= to_ms + VISIT_GAP_MS and e >= from_ms - VISIT_GAP_MS then
      swallowed, swallowed_ms = swallowed + 1, swallowed_ms + (e - s)
      if s < from_ms then from_ms = s end
      if e > to_ms then to_ms = e end
    else
      kept[#kept + 1] = {s, e}
    end
  end
  kept[#kept + 1] = {from_ms, to_ms}
  table.sort(kept, function(a, b) return a[1] < b[1] end)
  while #kept > KEEP_VISITS do
    floor_ms = kept[1][2]
    table.remove(kept, 1)
  end
  local words = {}
  for _, visit in ipairs(kept) do
    words[#words + 1] = text(visit[1]) .. ' ' .. text(visit[2])
  end
  return table.concat(words, ' '), floor_ms, (to_ms - from_ms) - swallowed_ms, 1 - swallowed
end

-- Folds one event into one profile, once in effect.
-- KEYS: profile hash, recent ids zset (one hash tag).
-- ARGV: watermark field, watermark, event id, received ms, seen ms or '', present from or '',
--       present to or '', then field, amount ...
-- All reads come before the first write, so that a key of the wrong type changes nothing.
local function fold(keys, args)
  local profile, recent = keys[1], keys[2]
  local mark_field, mark, event_id, received_ms = args[1], args[2], args[3], tonumber(args[4])
  local seen, from, to = args[5], args[6], args[7]
  local known = redis.call('HMGET', profile,
    mark_field, 'first_seen_ms', 'seen_ms', 'recent_visits', 'visits_floor_ms')
  if known[1] and known[1] >= mark then return REDELIVERED end
  local repeated = redis.call('ZSCORE', recent, event_id)

  local write = {mark_field, mark}
  if repeated then
    redis.call('HSET', profile, unpack(write))
    return REPEATED
  end
  local adds = {}
  for i = 8, #args, 2 do adds[#adds + 1] = {args[i], args[i + 1]} end
  if seen ~= '' then
    local first_seen = from ~= '' and from or seen
    if not known[2] or tonumber(first_seen) < tonumber(known[2]) then
      write[#write + 1] = 'first_seen_ms'; write[#write + 1] = first_seen
    end
    if not known[3] or tonumber(seen) > tonumber(known[3]) then
      write[#write + 1] = 'seen_ms'; write[#write + 1] = seen
    end
  end
  if from ~= '' then
    local list, floor_ms, dwell_ms, visits =
      cover(known[4] or '', tonumber(known[5] or '0'), tonumber(from), tonumber(to))
    write[#write + 1] = 'recent_visits'; write[#write + 1] = list
    write[#write + 1] = 'visits_floor_ms'; write[#write + 1] = text(floor_ms)
    adds[#adds + 1] = {'dwell_ms', text(dwell_ms)}
    adds[#adds + 1] = {'visits', text(visits)}
  end

  redis.call('HSET', profile, unpack(write))
  for _, add in ipairs(adds) do
    redis.call('HINCRBY', profile, add[1], add[2])
  end
  redis.call('ZADD', recent, received_ms, event_id)
  redis.call('ZREMRANGEBYSCORE', recent, '-inf', '(' .. text(received_ms - RECENT_MS))
  redis.call('ZREMRANGEBYRANK', recent, 0, -(RECENT_IDS + 1))
  redis.call('PEXPIRE', recent, RECENT_MS)
  return FOLDED
end

-- What a paid order is still worth; 0 for one that is not known as paid, or wholly refunded.
local function net(paid, refunded)
  local minor = paid and tonumber(string.match(paid, '^%d+')) or 0
  return math.max(0, minor - (tonumber(refunded) or 0))
end

-- Folds one order event, once in effect and in any order: a refund may come before its payment.
-- KEYS: profile hash, orders hash (one hash tag). ARGV: watermark field, watermark, order id, then
-- 'paid', paid ms, minor units, or 'refund', refund id, minor units.
-- All reads come before the first write, so that a key of the wrong type changes nothing.
local function order(keys, args)
  local profile, orders = keys[1], keys[2]
  local mark_field, mark, id, kind, about, minor =
    args[1], args[2], args[3], args[4], args[5], tonumber(args[6])
  local known = redis.call('HMGET', profile, mark_field, 'last_paid_ms')
  if known[1] and known[1] >= mark then return REDELIVERED end
  local paid_field, refund_field, once_field = 'p:' .. id, 'r:' .. id, 'k:' .. about
  local had = redis.call('HMGET', orders, paid_field, refund_field, once_field)
  local paid, refunded = had[1], had[2]
  local is_repeat
  if kind == 'paid' then is_repeat = paid else is_repeat = had[3] end

  redis.call('HSET', profile, mark_field, mark)
  if is_repeat then return REPEATED end
  local before = net(paid, refunded)
  if kind == 'paid' then
    paid = text(minor) .. ' ' .. about
    redis.call('HSET', orders, paid_field, paid)
    if not known[2] or tonumber(about) > tonumber(known[2]) then
      redis.call('HSET', profile, 'last_paid_ms', about)
    end
  else
    refunded = (tonumber(refunded) or 0) + minor
    redis.call('HSET', orders, refund_field, text(refunded), once_field, 1)
  end
  local after = net(paid, refunded)
  redis.call('HINCRBY', profile, 'paid_minor', text(after - before))
  redis.call('HINCRBY', profile, 'orders', (after > 0 and 1 or 0) - (before > 0 and 1 or 0))
  return FOLDED
end

-- Reads entries of a shard, for its owner only, and renews the owner's lease.
-- KEYS: stream, owner (one hash tag). ARGV: group, consumer, token, lease ms, count, from ('>' or
-- an id of one's pending list), token of an owner known to be dead or ''.
-- Returns {0, owner} when somebody else owns the shard; {2} when ownership was taken just now: what
-- earlier owners left pending must be read from 0 before anything new; else {1, entries}.
local function read(keys, args)
  local stream, owner_key = keys[1], keys[2]
  local group, consumer, token, lease_ms = args[1], args[2], args[3], args[4]
  local owner = redis.call('GET', owner_key)
  if owner and owner ~= token and owner ~= args[7] then return {0, owner} end
  redis.call('SET', owner_key, token, 'PX', lease_ms)
  if owner ~= token then return {2} end
  local reply = redis.call('XREADGROUP', 'GROUP', group, consumer, 'COUNT', args[5],
    'STREAMS', stream, args[6])
  if not reply then return {1, {}} end
  return {1, reply[1][2]}
end

-- Gives up ownership. KEYS: owner. ARGV: token.
local function release(keys, args)
  if redis.call('GET', keys[1]) == args[1] then return redis.call('DEL', keys[1]) end
  return 0
end

-- Acknowledges a bad entry and keeps its bytes as a dead letter, once.
-- KEYS: stream, dead letters (one hash tag). ARGV: group, entry id, reason, bytes.
local function bury(keys, args)
  if redis.call('XACK', keys[1], args[1], args[2]) == 0 then return 0 end
  redis.call('XADD', keys[2], 'MAXLEN', '~', DEAD_LETTERS, '*',
    'e', args[4], 'reason', args[3], 'entry', args[2])
  return 1
end

redis.register_function('lm1_fold', fold)
redis.register_function('lm1_order', order)
redis.register_function('lm1_read', read)
redis.register_function('lm1_release', release)
redis.register_function('lm1_bury', bury)
