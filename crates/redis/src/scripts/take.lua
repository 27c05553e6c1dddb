-- ARGV 6: the request that asks.
local h = load()
if not h then
  return { 0, '' }
end
if not h.en then
  -- The carrier asks: the call lives.
  touch(h)
  settle(h)
end
if not h.nx then
  return { 1, '' }
end
if not h.nt then
  set(h, 'nt', ARGV[6])
end
return { 1, h.nt == ARGV[6] and h.nx or '' }
