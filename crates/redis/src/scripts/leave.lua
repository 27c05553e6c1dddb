-- ARGV 6: the token; 7: what it is then: offered again, or over; 8: who lets go. Gives the node that held it.
local h = load()
local field = 't:' .. ARGV[6]
if not h or not h[field] then
  return ''
end
local t = read_token(h[field])
local node = t.node
if t.state == 'c' and t.node == ARGV[8] then
  t.state = ARGV[7]
  if t.state == 'o' then
    t.node, t.taker = '', ''
  end
  write_token(h, field, t)
  if not h.en and t.state == 'v' then
    touch(h)
  end
  settle(h)
end
return node
