-- Looks at a call that is to be asked about.
local h = load()
if not h then
  redis.call('ZREM', asks, name)
  return { 0, {} }
end
-- The answer was lost.
if h.ao == once then
  return { 1, flat() }
end
if is_silent(h) and now >= tonumber(h.ak) then
  ask_later(h, math.min(tonumber(h.ad) + 1, 6))
  set(h, 'ao', once)
  settle(h)
  return { 1, flat() }
end
settle(h)
return { 0, {} }
