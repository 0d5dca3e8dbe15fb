-- Read a room in one atomic step: the state, where its streams end, and what a returning client
-- missed. Writes nothing.
--
-- KEYS  1 state hash   2 log stream   3 chat stream
-- ARGV  1, 2 ids in log and chat after which entries are wanted ('': none wanted)
--       3 most entries of one stream   4 how many of the latest chat entries
-- reply {rev, epoch, blob, log, chat, latest chat (newest first)}
--       log, chat = {first id, last id, length, entries ever added, entries after the wanted id}
local function stream(key, after)
  local info = redis.pcall('XINFO', 'STREAM', key)
  if info.err then return {'0-0', '0-0', 0, 0, {}} end
  local field = {}
  for i = 1, #info, 2 do field[info[i]] = info[i + 1] end
  local first = field['first-entry']
  local missed = {}
  if after ~= '' then
    missed = redis.call('XRANGE', key, '(' .. after, '+', 'COUNT', ARGV[3])
  end
  return {first and first[1] or '0-0', field['last-generated-id'], field['length'],
    field['entries-added'], missed}
end
local have = redis.call('HMGET', KEYS[1], 'rev', 'epoch', 'blob')
local latest = {}
if tonumber(ARGV[4]) > 0 then
  latest = redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', ARGV[4])
end
return {have[1] or '0', have[2] or '', have[3] or '', stream(KEYS[2], ARGV[1]),
  stream(KEYS[3], ARGV[2]), latest}
