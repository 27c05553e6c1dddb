-- ARGV 6: the token; 7: the account; 8: the node; 9: the claim's number. Gives what comes after and the transfers before it.
local h = load()
local field = 't:' .. ARGV[6]
if not h or h.ac ~= ARGV[7] or not h[field] then
  return { 0, '', {} }
end
local t = read_token(h[field])
if t.state == 'o' and tonumber(t.expires) <= now then
  return { 0, '', {} }
end
if t.state == 'c' and t.taker == ARGV[9] then
  return { 1, t.after .. t.transfers, flat() }
end
if h.en then
  return { 3, '', {} }
end
if t.state ~= 'o' then
  return { 2, '', {} }
end
t.state, t.node, t.taker = 'c', ARGV[8], ARGV[9]
write_token(h, field, t)
set(h, 'cl', '1')
touch(h)
settle(h)
return { 1, t.after .. t.transfers, flat() }
