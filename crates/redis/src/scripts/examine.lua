-- Looks at a call that is to be forgotten or given up. ARGV 6: the reason that it is given up for.
local h = load()
if not h then
  redis.call('ZREM', due, name)
  redis.call('ZREM', asks, name)
  return { 0, {} }
end
-- The answer was lost.
if h.xo == once then
  return { 2, flat() }
end
if h.en then
  if now >= tonumber(h.se) + keep(h) then
    local last = flat()
    redis.call('DEL', call)
    redis.call('ZREM', due, name)
    redis.call('ZREM', asks, name)
    return { 1, last }
  end
elseif now >= limit(h) then
  finish(h, ARGV[6])
  set(h, 'xo', once)
  settle(h)
  return { 2, flat() }
end
settle(h)
return { 0, {} }
