-- Writes all of a change of one partition, or says why not. Every key begins with the shard's tag: one slot.
-- KEYS  the tag
-- ARGV  generation · 1 = it must be the live one · token · fold version · partition · seal · now_ms, empty = no fold ·
--       folds kept · hours kept · letters of the other kinds, each with the days it is kept · number of streams, of
--       records · all counters in one, each 7 bytes of its bucket (the letter of its kind and its number), 8 of the
--       item, 4 of the increment; then for each of them stream, offset before, offset after · user, record
local tag, generation, token, partition = KEYS[1], ARGV[1], ARGV[3], ARGV[5]
local own = tag .. generation .. ':'
local streams, records, counters = tonumber(ARGV[11]), tonumber(ARGV[12]), ARGV[13]
local kept_news, kept_bytes = 256, 20000 -- so many increments are kept, unless they are so large

if ARGV[2] == '1' and (redis.call('GET', tag .. 'live') or '1') ~= generation then return {'lease'} end
local fence = redis.call('HMGET', tag .. 'fences', generation, generation .. ':holder', generation .. ':fold')
if (fence[2] or '') == '' or fence[1] ~= token then return {'lease'} end
if fence[3] ~= ARGV[4] then return {'fold', fence[3]} end
local at = 14
for n = at, at + 3 * (streams - 1), 3 do
  local stands = redis.call('HGET', own .. 'at', partition .. ':' .. ARGV[n]) or '-1'
  if stands ~= ARGV[n + 1] then return {'stale', ARGV[n], stands, ARGV[n + 1]} end
end

for n = at, at + 3 * (streams - 1), 3 do
  redis.call('HSET', own .. 'at', partition .. ':' .. ARGV[n], ARGV[n + 2])
  if ARGV[n] == 'events' and ARGV[7] ~= '' then
    local folds = tag .. 'folds:' .. partition
    redis.call('ZADD', folds, ARGV[n + 2], ARGV[n + 1] .. ':' .. ARGV[n + 2] .. ':' .. ARGV[7])
    redis.call('ZREMRANGEBYRANK', folds, 0, -1 - tonumber(ARGV[8]))
  end
end
at = at + 3 * streams
for n = at, at + 2 * (records - 1), 2 do redis.call('SET', own .. 'u' .. ARGV[n], ARGV[n + 1]) end
local told = {}
for n = 1, #counters, 19 do
  local bucket = counters:sub(n, n + 6)
  redis.call('HINCRBY', own .. bucket, counters:sub(n + 7, n + 14), (struct.unpack('<i4', counters, n + 15)))
  if not told[bucket] then
    redis.call('HSET', own .. 'buckets', bucket, ARGV[6])
    told[bucket] = true
  end
end
if #counters > 0 then
  local newest, kept = {}, {h = tonumber(ARGV[9])}
  for kind, days in ARGV[10]:gmatch('(%a)(%d+)') do kept[kind] = tonumber(days) end
  local buckets = redis.call('HKEYS', own .. 'buckets')
  for _, bucket in ipairs(buckets) do
    local kind = bucket:sub(1, 1)
    newest[kind] = math.max(newest[kind] or 0, tonumber(bucket:sub(2)))
  end
  for _, bucket in ipairs(buckets) do
    local kind = bucket:sub(1, 1)
    if kept[kind] and tonumber(bucket:sub(2)) < newest[kind] - kept[kind] then
      redis.call('UNLINK', own .. bucket)
      redis.call('HDEL', own .. 'buckets', bucket)
    end
  end
end
if #counters < kept_bytes then -- each says which seal it follows: who knows that one need not read the rest
  local before = redis.call('GET', own .. 'seal') or string.rep('\0', 8)
  redis.call('RPUSH', own .. 'news', before .. ARGV[6] .. counters)
  redis.call('LTRIM', own .. 'news', -kept_news, -1)
else
  redis.call('DEL', own .. 'news')
end
redis.call('SET', own .. 'seal', ARGV[6])
if ARGV[2] == '1' and records > 0 then
  -- Who listens to changes hears names of keys only: the name of one that is gone at once says when this was.
  local time = redis.call('TIME')
  local stamp = tag .. 'now' .. time[1] .. string.format('%06d', time[2])
  redis.call('SET', stamp, '')
  redis.call('UNLINK', stamp)
end
return {'ok'}
