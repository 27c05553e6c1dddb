-- ARGV 6: the transfer's number; 7: t(aken), r(efused) or u(nknown). Gives the tokens that are void now.
local h = load()
if not h then
  return { 0, {} }
end
local number = tonumber(ARGV[6])
if h.te ~= once then
  set(h, 'tp', whole(math.max((tonumber(h.tp) or 0) - 1, 0)))
  set(h, 'te', once)
end
if ARGV[7] == 'r' then
  return { 1, {} }
end
set(h, 'mv', whole(math.max(tonumber(h.mv) or 0, number)))
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
