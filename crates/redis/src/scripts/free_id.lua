-- KEYS: the id. ARGV 1: the call that it may lead to.
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
end
return 1
