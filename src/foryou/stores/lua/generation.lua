-- Begins a generation, makes one the live one, or notes that one is deleted.
-- KEYS  the namespace
-- ARGV  begin, fold version · live, generation · deleted, generation
-- Gives the generation that was begun; the live one; the generations, not live, of which there may be something left.
local root = KEYS[1] .. 'store'
local begun = 0
if ARGV[1] == 'begin' then
  begun = redis.call('HINCRBY', root, 'newest', 1)
  redis.call('HSET', root, begun .. ':fold', ARGV[2])
elseif ARGV[1] == 'live' then
  redis.call('HSET', root, 'live', math.max(tonumber(redis.call('HGET', root, 'live')), tonumber(ARGV[2])))
elseif ARGV[1] == 'deleted' then
  redis.call('HSET', root, ARGV[2] .. ':deleted', 1)
end
local live, left = tonumber(redis.call('HGET', root, 'live')), {}
for n = 1, tonumber(redis.call('HGET', root, 'newest')) do
  if n ~= live and n ~= begun and redis.call('HEXISTS', root, n .. ':deleted') == 0 then left[#left + 1] = n end
end
return {begun, live, left}
