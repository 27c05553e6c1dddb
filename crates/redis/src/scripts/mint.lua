-- ARGV 6: the token; 7: until when it is good, in ms from now; 8: what comes after; 9: how many are remembered;
-- 10: whether older ones stay good.
-- Gives the tokens that are void now.
local h = load()
if not h then
  return { 0, {} }
end
if h.en then
  return { 3, {} }
end
local field = 't:' .. ARGV[6]
if h[field] then
  return { 1, {} }
end
local void, kept, oldest, oldest_over = {}, 0, nil, nil
local all = tokens(h)
for old, t in pairs(all) do
  if t.state == 'o' and ARGV[10] ~= '1' then
    table.insert(void, old)
  else
    kept = kept + 1
    if not oldest or tonumber(t.minted) < tonumber(all[oldest].minted) then
      oldest = old
    end
    if t.state == 'v'
      and (not oldest_over or tonumber(t.minted) < tonumber(all[oldest_over].minted)) then
      oldest_over = old
    end
  end
end
if kept >= tonumber(ARGV[9]) then
  table.insert(void, oldest_over or oldest)
end
local names = {}
for _, old in ipairs(void) do
  redis.call('HDEL', call, old)
  h[old] = nil
  table.insert(names, string.sub(old, 3))
end
set(h, 'mn', whole((tonumber(h.mn) or 0) + 1))
write_token(h, field, {
  state = 'o', expires = whole(now + tonumber(ARGV[7])), after = ARGV[8], transfers = h.tr or '0',
  minted = h.mn, node = '', taker = '', stop = '',
})
touch(h)
settle(h)
return { 1, names }
