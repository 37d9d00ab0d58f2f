-- Makes a generation the one that a shard reads, unless it reflects less of the log than the one that it reads now.
-- KEYS  the tag of the shard
-- ARGV  generation · 1 = only say whether it may
-- Gives nothing, or of one stream: partition:stream, offset of the live generation, offset of this one.
local tag, generation = KEYS[1], ARGV[1]
local live = redis.call('GET', tag .. 'live') or '1'
if live == generation then return {} end
local stands = redis.call('HGETALL', tag .. live .. ':at')
for n = 1, #stands, 2 do
  local mine = redis.call('HGET', tag .. generation .. ':at', stands[n]) or '-1'
  if tonumber(mine) < tonumber(stands[n + 1]) then return {stands[n], stands[n + 1], mine} end
end
if ARGV[2] ~= '1' then redis.call('SET', tag .. 'live', generation) end
return {}
