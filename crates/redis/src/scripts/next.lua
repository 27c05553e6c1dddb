-- ARGV 6: what comes next, or nothing.
local h = load()
if not h then
  return 0
end
redis.call('HDEL', call, 'nx', 'nt')
if ARGV[6] ~= '' then
  redis.call('HSET', call, 'nx', ARGV[6])
end
return 1
