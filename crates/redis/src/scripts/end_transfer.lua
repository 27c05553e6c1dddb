-- ARGV 6: the transfer's number; 7: t(aken), r(efused) or u(nknown). Gives the tokens that are void now.
local h = load()
if not h then
  return { 0, {} }
end
local number = tonumber(ARGV[6])
local open = {}
for entry in string.gmatch(h.tp or '', '[^,]+') do
  if tonumber(string.match(entry, '^%d+')) ~= number then
    table.insert(open, entry)
  end
end
set(h, 'tp', table.concat(open, ','))
if ARGV[7] == 'r' then
  return { 1, {} }
end
set(h, 'mv', whole(math.max(tonumber(h.mv) or 0, number)))
if h.pe and tonumber(h.pt) < number then
  unset(h, 'pe')
end
local names = {}
if ARGV[7] == 't' then
  for field, t in pairs(tokens(h)) do
    if t.state == 'o' and tonumber(t.transfers) < number then
      redis.call('HDEL', call, field)
      h[field] = nil
      table.insert(names, string.sub(field, 3))
    end
  end
  settle(h)
end
return { 1, names }
