-- ARGV 6: the status; from 7: fields and values.
if redis.call('EXISTS', call) == 1 then
  if redis.call('HGET', call, 'on') == once then
    return { 1, flat() }
  end
  return { 2, {} }
end
redis.call('HSET', call, unpack(ARGV, 7))
redis.call('HSET', call, 'on', once, 'st', ARGV[6], 'hi', whole(now) .. ':' .. ARGV[6])
local h = load()
touch(h)
settle(h)
return { 1, flat() }
