-- Tells a shard who may write a generation, and which one is read. What is older than what it knows changes nothing.
-- KEYS  the tag of the shard
-- ARGV  generation · token · holder, empty = nobody · fold version · generation that is live
local fences, generation = KEYS[1] .. 'fences', ARGV[1]
if tonumber(ARGV[2]) >= tonumber(redis.call('HGET', fences, generation) or '0') then
  redis.call('HSET', fences, generation, ARGV[2], generation .. ':holder', ARGV[3], generation .. ':fold', ARGV[4])
end
if tonumber(ARGV[5]) > tonumber(redis.call('GET', KEYS[1] .. 'live') or '0') then
  redis.call('SET', KEYS[1] .. 'live', ARGV[5])
end
return 1
