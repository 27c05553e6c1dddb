-- ARGV 6: the node that waits; 7: a token, or nothing for the call's own end.
local h = load()
if not h then
  return { 0, '' }
end
if ARGV[7] ~= '' then
  local text = h['t:' .. ARGV[7]]
  if not text then
    return { 0, '' }
  end
  local stop = read_token(text).stop
  if stop ~= '' then
    return { 2, stop }
  end
end
if h.en then
  return { 2, h.en }
end
local watchers, nodes = h.w or '', 0
for node in string.gmatch(watchers, '[^,]+') do
  if node == ARGV[6] then
    return { 1, '' }
  end
  nodes = nodes + 1
end
-- Of more nodes, the others look now and then.
if nodes < 16 then
  set(h, 'w', watchers == '' and ARGV[6] or watchers .. ',' .. ARGV[6])
end
return { 1, '' }
