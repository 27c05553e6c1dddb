-- ARGV 6: the carrier's id; 7: where the call lives, or nothing; 8: whether to set it or only to look.
local h = load()
if not h then
  return { 0, '' }
end
if h.id and h.id ~= ARGV[6] then
  return { 2, h.ac }
end
if not h.id and ARGV[8] ~= 'set' then
  return { 3, h.ac }
end
set(h, 'id', ARGV[6])
if not h.hm and ARGV[7] ~= '' then
  set(h, 'hm', ARGV[7])
end
-- From now on its carrier can be asked.
settle(h)
return { 1, h.ac }
