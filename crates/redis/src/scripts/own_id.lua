-- Makes a carrier's id lead to a call, unless it leads to another one. KEYS: the id.
-- ARGV 1: the call; 2: for how long, in ms; 3: a call that is known to be gone.
local current = redis.call('GET', KEYS[1])
if current and current ~= ARGV[1] and current ~= ARGV[3] then
  return current
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return ''
