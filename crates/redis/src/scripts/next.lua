-- ARGV 6: what comes next, or nothing. Gives what nobody has taken.
local h = load()
if not h then
  return { 0, '' }
end
local former = (not h.nt and h.nx) or ''
if h.no == once then
  former = h.nf
end
set(h, 'no', once)
set(h, 'nf', former)
redis.call('HDEL', call, 'nx', 'nt')
if ARGV[6] ~= '' then
  redis.call('HSET', call, 'nx', ARGV[6])
end
return { 1, former }
