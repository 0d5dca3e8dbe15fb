-- Commit a group of a room's commands in one atomic step: state by compare-and-set, events to the
-- room log, and the result of each command under its `said` key, which makes a retry harmless.
-- The rules were decided by the fold; this script only commits.
--
-- KEYS  1 state hash   2 log stream   3... `said` keys, one a command that carries a message key
-- ARGV  1 expected rev ('0': no state yet)      2 expected epoch ('': the room must not exist)
--       3 epoch to give to a new room           4 state blob ('': unchanged, no events)
--       5 length to trim the log to             6 life of `said` keys, ms
--       7 number of events   8... the events, then one result a `said` key ('': check only)
-- reply {'said', index, result, ...}    commands (1-based) that were committed before; wrote nothing
--       {'conflict', rev, epoch, blob, last log id}                              wrote nothing
--       {'ok', rev, epoch, last log id}
local repeated = {'said'}
for i = 3, #KEYS do
  local result = redis.call('GET', KEYS[i])
  if result then
    repeated[#repeated + 1] = i - 2
    repeated[#repeated + 1] = result
  end
end
if #repeated > 1 then return repeated end

local have = redis.call('HMGET', KEYS[1], 'rev', 'epoch', 'blob')
local rev, epoch = have[1] or '0', have[2] or ''

local function last_id()
  local tail = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
  return tail[1] and tail[1][1] or '0-0'
end

if rev ~= ARGV[1] or epoch ~= ARGV[2] then
  return {'conflict', rev, epoch, have[3] or '', last_id()}
end

local events = tonumber(ARGV[7])
for i = 3, #KEYS do
  local result = ARGV[8 + events + i - 3]
  if result ~= '' then redis.call('SET', KEYS[i], result, 'PX', ARGV[6]) end
end
if ARGV[4] == '' then return {'ok', rev, epoch, last_id()} end

if epoch == '' then epoch = ARGV[3] end
rev = tostring(tonumber(rev) + 1)
redis.call('HSET', KEYS[1], 'rev', rev, 'epoch', epoch, 'blob', ARGV[4])
local id
for i = 8, 7 + events do
  id = redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[5], '*', 'e', ARGV[i])
end
return {'ok', rev, epoch, id or last_id()}
