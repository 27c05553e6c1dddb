-- Looks at a call that is due. ARGV 6: the reason that it is given up for; 7: whether it may be asked about.
local h = load()
if not h then
  redis.call('ZREM', due, name)
  return { 0, {} }
end
-- The answer was lost.
if h.xo == once then
  return { tonumber(h.xa), flat() }
end

-- What is found is found once.
local function found(answer)
  set(h, 'xo', once)
  set(h, 'xa', answer)
  settle(h)
  return { tonumber(answer), flat() }
end

local is_silent
if h.en then
  if now >= tonumber(h.se) + keep(h) then
    local last = flat()
    redis.call('DEL', call)
    redis.call('ZREM', due, name)
    return { 1, last }
  end
  is_silent = is_open(h)
else
  if now >= limit(h) then
    finish(h, ARGV[6])
    return found('2')
  end
  is_silent = count(h, 'c') == 0
end
if is_silent and now >= tonumber(h.ak) then
  if ARGV[7] ~= '1' then
    return { 5, {} }
  end
  ask_later(h, math.min(tonumber(h.ad) + 1, 6))
  return found('3')
end
settle(h)
return { 4, {} }
