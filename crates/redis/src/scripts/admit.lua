-- Counts a new call of an account. KEYS: its live calls, and when they would have come evenly.
-- ARGV 2: the call; 3: how many may be live, or nothing; 4: how long one that is not opened counts, in ms;
-- 5: the time that one call takes up, or nothing; 6: how far ahead calls may be; both in µs.
local live, rate = KEYS[1], KEYS[2]
if ARGV[3] ~= '' then
  redis.call('ZREMRANGEBYSCORE', live, '-inf', whole(now))
  if redis.call('ZSCORE', live, ARGV[2]) then
    return { 0, 0 }
  end
  if redis.call('ZCARD', live) >= tonumber(ARGV[3]) then
    return { 1, 0 }
  end
end
if ARGV[5] ~= '' then
  local interval, lead, micros = tonumber(ARGV[5]), tonumber(ARGV[6]), now * 1000
  local even = tonumber(redis.call('GET', rate) or '') or micros
  -- A clock that was put back must not block the account until it is where it was.
  if even > micros + lead then
    even = micros
  end
  even = math.max(even, micros) + interval
  if even > micros + lead then
    return { 2, even - micros - lead }
  end
  redis.call('SET', rate, whole(even), 'PX', math.ceil((lead + interval) / 1000) + 1000)
end
if ARGV[3] ~= '' then
  redis.call('ZADD', live, whole(now + tonumber(ARGV[4])), ARGV[2])
  -- Never shorter: others count in the same set.
  if redis.call('PTTL', live) < tonumber(ARGV[4]) then
    redis.call('PEXPIRE', live, ARGV[4])
  end
end
return { 0, 0 }
