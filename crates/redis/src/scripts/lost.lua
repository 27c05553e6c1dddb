-- The nodes that are lost. KEYS: until when nodes live, since when. ARGV 2: who asks; 3: how long a lease is.
-- Only a node that was alive itself for a whole lease may say so: after an outage of everybody, everybody has the
-- time to come back first.
local own = redis.call('ZSCORE', KEYS[1], ARGV[2])
local since = redis.call('HGET', KEYS[2], ARGV[2])
if not own or tonumber(own) <= now or not since or tonumber(since) + tonumber(ARGV[3]) > now then
  return {}
end
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', whole(now), 'LIMIT', 0, 100)
