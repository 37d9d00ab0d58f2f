-- Says who may write, by token.
-- KEYS  the namespace
-- ARGV  generation, empty = the live one, any = that of the token · token · 1 = take the right away from this token
-- Gives generation, holder, token, fold version, live generation; nothing where no generation has such a token.
local root = KEYS[1] .. 'store'
local live = redis.call('HGET', root, 'live')
local generation = ARGV[1] == '' and live or ARGV[1]
if generation == 'any' then
  generation = nil
  for n = 1, tonumber(redis.call('HGET', root, 'newest')) do
    if redis.call('HGET', root, n .. ':token') == ARGV[2] then generation = tostring(n) end
  end
  if not generation then return {} end
end
if ARGV[3] == '1' then redis.call('HSET', root, generation .. ':holder', '') end
local held = redis.call('HMGET', root, generation .. ':holder', generation .. ':token', generation .. ':fold')
return {tonumber(generation), held[1] or '', tonumber(held[2] or '0'), tonumber(held[3]), tonumber(live)}
