-- ARGV 6: the token; 7: the account; 8: the node. Gives what comes after, or who has it.
local h = load()
local field = 't:' .. ARGV[6]
if not h or h.ac ~= ARGV[7] or not h[field] then
  return { 0, '', {} }
end
local t = read_token(h[field])
if t.state == 'o' and tonumber(t.expires) <= now then
  return { 0, '', {} }
end
if t.state == 'c' and t.taker == once then
  return { 1, t.after, flat() }
end
if h.en then
  return { 3, '', {} }
end
if t.state ~= 'o' then
  return { 2, t.node, {} }
end
t.state, t.node, t.taker, t.transfers = 'c', ARGV[8], once, h.tr or '0'
write_token(h, field, t)
set(h, 'cl', '1')
touch(h)
settle(h)
return { 1, t.after, flat() }
