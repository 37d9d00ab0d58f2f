-- Gives the counters of a shard that are not known yet, of one moment.
-- KEYS  the tag of the shard
-- ARGV  generation · what is known: of each bucket 7 bytes of its name and 8 of its seal
-- Gives the seal of the shard · its positions · the names of all buckets · then of each that is not known its name,
-- its seal and its counters (item, count, item, count …).
local own, known = KEYS[1] .. ARGV[1] .. ':', {}
for n = 1, #ARGV[2], 15 do known[ARGV[2]:sub(n, n + 6)] = ARGV[2]:sub(n + 7, n + 14) end
local buckets, names = redis.call('HGETALL', own .. 'buckets'), {}
local found = {redis.call('GET', own .. 'seal') or '', redis.call('HGETALL', own .. 'at'), names}
for n = 1, #buckets, 2 do
  local name, seal = buckets[n], buckets[n + 1]
  names[#names + 1] = name
  if known[name] ~= seal then
    found[#found + 1] = name
    found[#found + 1] = seal
    found[#found + 1] = redis.call('HGETALL', own .. name)
  end
end
return found
