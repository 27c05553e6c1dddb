-- KEYS: what is due in a slot. ARGV 2: how many at most; 3: behind so many.
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', whole(now), 'LIMIT', ARGV[3], ARGV[2])
