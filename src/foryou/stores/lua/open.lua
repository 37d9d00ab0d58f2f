-- Makes the store of a namespace if there is none, and gives the number of its shards, and its name.
-- KEYS  the namespace
-- ARGV  shards · fold version · a name that no other store has, for a new one
local root = KEYS[1] .. 'store'
if redis.call('HSETNX', root, 'shards', ARGV[1]) == 1 then
  redis.call('HSET', root, 'live', '1', 'newest', '1', 'tokens', '0', '1:fold', ARGV[2])
end
redis.call('HSETNX', root, 'name', ARGV[3])
return {tonumber(redis.call('HGET', root, 'shards')), redis.call('HGET', root, 'name')}
