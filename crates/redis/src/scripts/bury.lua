-- Forgets a lost node that holds nothing any more. KEYS: until when nodes live, since when, what it holds. ARGV 2: it.
local before = redis.call('ZSCORE', KEYS[1], ARGV[2])
if before and tonumber(before) <= now and redis.call('SCARD', KEYS[3]) == 0 then
  redis.call('ZREM', KEYS[1], ARGV[2])
  redis.call('HDEL', KEYS[2], ARGV[2])
end
return 1
