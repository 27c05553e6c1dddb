-- Keeps the answer to a request. KEYS: the request. ARGV 2: for how long, in ms; 3: whose turn it was; 4: the status, or
-- nothing if there is no answer; 5: the media type; 6: the body.
local seen = redis.call('HMGET', KEYS[1], 'un', 'st', 'by')
if seen[1] and tonumber(seen[1]) > now and seen[2] then
  return 0
end
if ARGV[4] == '' then
  -- Who was too late must not end the turn of another.
  if seen[3] == ARGV[3] then
    redis.call('DEL', KEYS[1])
  end
  return 1
end
redis.call('DEL', KEYS[1])
redis.call('HSET', KEYS[1], 'un', whole(now + tonumber(ARGV[2])), 'st', ARGV[4], 'ct', ARGV[5], 'bo', ARGV[6])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return 1
