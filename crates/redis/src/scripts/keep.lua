-- Keeps the answer to a request. KEYS: the request. ARGV 2: for how long, in ms; 3: the status, or nothing if there is
-- no answer; 4: the media type; 5: the body.
local seen = redis.call('HMGET', KEYS[1], 'un', 'st')
if seen[1] and tonumber(seen[1]) > now and seen[2] then
  return 0
end
redis.call('DEL', KEYS[1])
if ARGV[3] ~= '' then
  redis.call('HSET', KEYS[1], 'un', whole(now + tonumber(ARGV[2])), 'st', ARGV[3], 'ct', ARGV[4], 'bo', ARGV[5])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return 1
