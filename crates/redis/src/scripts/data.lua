-- ARGV 6: how many names there may be; from 7: a name, whether it has a value, and that.
local h = load()
if not h then
  return 0
end
local after = {}
for field in pairs(h) do
  if string.sub(field, 1, 2) == 'd:' then
    after[field] = true
  end
end
for i = 7, #ARGV, 3 do
  after['d:' .. ARGV[i]] = (ARGV[i + 1] == '1') or nil
end
local names = 0
for _ in pairs(after) do
  names = names + 1
end
if names > tonumber(ARGV[6]) then
  return 2
end
for i = 7, #ARGV, 3 do
  if ARGV[i + 1] == '1' then
    redis.call('HSET', call, 'd:' .. ARGV[i], ARGV[i + 2])
  else
    redis.call('HDEL', call, 'd:' .. ARGV[i])
  end
end
return 1
