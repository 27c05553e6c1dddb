-- A node lives. KEYS: until when nodes live, since when, what this one holds.
-- ARGV 2: the node; 3: for how long; 4: how long all is kept; 5: what it holds from now on, or nothing.
local until_, since, held = KEYS[1], KEYS[2], KEYS[3]
local before = redis.call('ZSCORE', until_, ARGV[2])
if not before or tonumber(before) <= now then
  redis.call('HSET', since, ARGV[2], whole(now))
end
redis.call('ZADD', until_, whole(now + tonumber(ARGV[3])), ARGV[2])
if ARGV[5] ~= '' then
  redis.call('SADD', held, ARGV[5])
end
for _, key in ipairs(KEYS) do
  redis.call('PEXPIRE', key, ARGV[4])
end
return 1
