-- Whether a request comes for the first time. KEYS: the request. ARGV 2: how long it may be worked on, in ms;
-- 3: the number of this very question.
local seen = redis.call('HMGET', KEYS[1], 'un', 'by', 'st', 'ct', 'bo')
if not seen[1] or tonumber(seen[1]) <= now or (seen[2] == ARGV[3] and not seen[3]) then
  redis.call('DEL', KEYS[1])
  redis.call('HSET', KEYS[1], 'un', whole(now + tonumber(ARGV[2])), 'by', ARGV[3])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
  return { 0, 0, '', '' }
end
if not seen[3] then
  return { 1, 0, '', '' }
end
return { 2, tonumber(seen[3]), seen[4] or '', seen[5] or '' }
