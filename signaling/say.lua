-- Append chat messages of one room, each at most once.
--
-- KEYS  1 state hash   2 chat stream   3... `said` keys, one a message
-- ARGV  1 length to trim the stream to   2 life of `said` keys, ms
--       then for each message: its message id, its event
-- reply for each message the id that holds (the earlier one when it was said before), or 'no_room'
if redis.call('HEXISTS', KEYS[1], 'epoch') == 0 then return 'no_room' end
local ids = {}
for i = 3, #KEYS do
  local at = 3 + 2 * (i - 3)
  if redis.call('SET', KEYS[i], ARGV[at], 'NX', 'PX', ARGV[2]) then
    redis.call('XADD', KEYS[2], 'MAXLEN', '~', ARGV[1], '*', 'e', ARGV[at + 1])
    ids[#ids + 1] = ARGV[at]
  else
    ids[#ids + 1] = redis.call('GET', KEYS[i])
  end
end
return ids
