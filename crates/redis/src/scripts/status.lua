-- ARGV 6: the status; 7: its rank; 8: the reason that it ends the call for, or nothing; 9: how long a history gets.
-- Gives whether the call moved, its status, whether it ended by it, its account and the carrier's id.
local h = load()
if not h then
  return { 0, '', 0, '', '' }
end
if h.uo == once then
  return { 2, h.st, h.eo == once and 1 or 0, h.ac, h.id or '' }
end
if tonumber(ARGV[7]) <= tonumber(h.rk) then
  return { 1, h.st, 0, h.ac, h.id or '' }
end
touch(h)
set(h, 'st', ARGV[6])
set(h, 'rk', ARGV[7])
set(h, 'uo', once)
local _, commas = string.gsub(h.hi, ',', '')
if commas + 1 < tonumber(ARGV[9]) then
  set(h, 'hi', h.hi .. ',' .. whole(now) .. ':' .. ARGV[6])
end
local ended = ARGV[8] ~= '' and finish(h, ARGV[8])
settle(h)
return { 2, h.st, ended and 1 or 0, h.ac, h.id or '' }
