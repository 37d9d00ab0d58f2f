-- Gives the counters of a shard that are not known yet, of one moment.
-- KEYS  the tag of the shard
-- ARGV  generation · the seal of the shard that is known, empty = none · of each bucket that is known 7 bytes of its
--       name and 8 of its seal
-- Gives the seal of the shard · its positions · the names of all buckets · 1 = the increments since the known seal
-- follow, newest first, as `write` took them; 0 = they are not kept so long, and of each bucket that is not known
-- there follow its name, its seal and its counters (item, count, item, count …).
local own, news = KEYS[1] .. ARGV[1] .. ':', {}
local seal, at = redis.call('GET', own .. 'seal') or '', redis.call('HGETALL', own .. 'at')
local reached = ARGV[2] ~= '' and ARGV[2] == seal
while not reached and ARGV[2] ~= '' do
  local one = redis.call('LINDEX', own .. 'news', -1 - #news)
  if not one then break end
  news[#news + 1] = one:sub(17)
  reached = one:sub(1, 8) == ARGV[2]
end
if reached then return {seal, at, redis.call('HKEYS', own .. 'buckets'), 1, news} end
local known, buckets, names, found = {}, redis.call('HGETALL', own .. 'buckets'), {}, {}
for n = 1, #ARGV[3], 15 do known[ARGV[3]:sub(n, n + 6)] = ARGV[3]:sub(n + 7, n + 14) end
for n = 1, #buckets, 2 do
  local name, held = buckets[n], buckets[n + 1]
  names[#names + 1] = name
  if known[name] ~= held then
    found[#found + 1] = name
    found[#found + 1] = held
    found[#found + 1] = redis.call('HGETALL', own .. name)
  end
end
return {seal, at, names, 0, found}
