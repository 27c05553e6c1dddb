-- Takes back a call that was opened and that nobody has seen.
if redis.call('HGET', call, 'on') == ARGV[6] then
  redis.call('DEL', call)
  redis.call('ZREM', due, name)
  redis.call('ZREM', asks, name)
end
return 1
