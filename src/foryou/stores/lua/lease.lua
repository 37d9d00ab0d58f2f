-- Gives the right to write a generation to a holder for a time, on the clock of this server.
-- KEYS  the namespace
-- ARGV  generation, empty = the live one · holder · ms
-- Gives generation, token, fold version, live generation; or, if another has it, 0, its name, the ms that are left.
local root, holder = KEYS[1] .. 'store', ARGV[2]
local live = redis.call('HGET', root, 'live')
local generation = ARGV[1] == '' and live or ARGV[1]
local held = redis.call('HMGET', root, generation .. ':holder', generation .. ':token', generation .. ':until',
  generation .. ':fold')
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
local token = held[2]
if held[1] ~= holder then
  local left = tonumber(held[3] or '0') - now
  if (held[1] or '') ~= '' and left > 0 then return {0, held[1], left} end
  token = redis.call('HINCRBY', root, 'tokens', 1)
end
redis.call('HSET', root, generation .. ':holder', holder, generation .. ':token', token,
  generation .. ':until', string.format('%.0f', now + ARGV[3]))
return {tonumber(generation), tonumber(token), tonumber(held[4]), tonumber(live)}
