-- Counts a call as live for so long. KEYS: the account's live calls. ARGV 2: the call; 3: in ms.
redis.call('ZADD', KEYS[1], whole(now + tonumber(ARGV[3])), ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return 1
