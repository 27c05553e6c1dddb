-- Counts a call that was admitted as live for so long. KEYS: the account's live calls. ARGV 2: the call; 3: in ms.
-- Only if it counts still: by now another node may have heard that it is over.
redis.call('ZADD', KEYS[1], 'XX', whole(now + tonumber(ARGV[3])), ARGV[2])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[3]) then
  redis.call('PEXPIRE', KEYS[1], ARGV[3])
end
return 1
