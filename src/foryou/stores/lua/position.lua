-- Gives partition:stream and offset of all that a shard reflects.
-- KEYS  the tag of the shard
-- ARGV  generation, empty = the live one
local generation = ARGV[1] == '' and (redis.call('GET', KEYS[1] .. 'live') or '1') or ARGV[1]
return redis.call('HGETALL', KEYS[1] .. generation .. ':at')
