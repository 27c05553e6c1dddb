-- ARGV 6: the token; 7: the node that is lost; 8: the reason for its stream, should it live.
local h = load()
local field = 't:' .. ARGV[6]
if not h or not h[field] then
  return { 0, '', '', {} }
end
local t = read_token(h[field])
if t.state ~= 'c' or t.node ~= ARGV[7] then
  return { 0, '', '', {} }
end
t.state = 'v'
if t.stop == '' then
  t.stop = ARGV[8]
end
write_token(h, field, t)
if not h.en then
  touch(h)
end
settle(h)
ring(h)
return { 1, t.after, t.transfers, flat() }
