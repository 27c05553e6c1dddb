-- KEYS: what is due in a slot. ARGV 2: how many at most.
return redis.call('ZRANGEBYSCORE', KEYS[1], '-inf', whole(now), 'LIMIT', 0, ARGV[2])
