-- ARGV 6: the token; 7: the number of the claim; 8: the reason for its stream, should it live, and for its call.
local h = load()
local field = 't:' .. ARGV[6]
if not h or not h[field] then
  return { 0, '', '', {} }
end
local t = read_token(h[field])
-- Its answer was lost.
if h.oo == once then
  return { 1, t.after, t.transfers, flat() }
end
if t.state ~= 'c' or t.taker ~= ARGV[7] then
  return { 0, '', '', {} }
end
set(h, 'oo', once)
t.state = 'v'
if t.stop == '' then
  t.stop = ARGV[8]
end
write_token(h, field, t)
if not h.en then
  plan_end(h, t, t.after == 'h' and ARGV[8] or '')
end
settle(h)
ring(h)
return { 1, t.after, t.transfers, flat() }
