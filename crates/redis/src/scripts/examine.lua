-- Looks at a call that is due. ARGV 6: the reason that it is given up for.
local h = load()
if not h then
  redis.call('ZREM', due, name)
  return { 0, {} }
end
if h.en then
  if now >= tonumber(h.se) + keep_ended then
    local last = flat()
    redis.call('DEL', call)
    redis.call('ZREM', due, name)
    return { 1, last }
  end
  if is_open(h) and now >= tonumber(h.ak) then
    ask_later(h, math.min(tonumber(h.ad) + 1, 6))
    settle(h)
    return { 3, flat() }
  end
elseif now >= limit(h) then
  finish(h, ARGV[6])
  settle(h)
  return { 2, flat() }
elseif count(h, 'c') == 0 and now >= tonumber(h.ak) then
  ask_later(h, math.min(tonumber(h.ad) + 1, 6))
  settle(h)
  return { 3, flat() }
end
settle(h)
return { 4, {} }
