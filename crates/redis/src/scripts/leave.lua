-- ARGV 6: the token; 7: what it is then: offered again, or over; 8: the number of the claim that lets go; 9: why the call is
-- to end, or nothing.
local h = load()
local field = 't:' .. ARGV[6]
if not h or not h[field] then
  return 0
end
local t = read_token(h[field])
if t.state ~= 'c' or t.taker ~= ARGV[8] then
  return 0
end
t.state = ARGV[7]
if t.state == 'o' then
  t.node, t.taker = '', ''
end
write_token(h, field, t)
if not h.en and t.state == 'v' then
  plan_end(h, t, ARGV[9])
end
settle(h)
return 1
