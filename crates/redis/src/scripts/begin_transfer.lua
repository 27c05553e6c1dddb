-- ARGV 6: how many that nothing has come of are remembered. Gives the transfer's number.
local h = load()
if not h then
  return 0
end
if h.tn == once then
  return tonumber(h.tr)
end
local number = (tonumber(h.tr) or 0) + 1
local open, count = '', 0
for entry in string.gmatch(h.tp or '', '[^,]+') do
  count = count + 1
  if count < tonumber(ARGV[6]) then
    open = open .. ',' .. entry
  end
end
set(h, 'tr', whole(number))
-- The newest first.
set(h, 'tp', whole(number) .. ':' .. whole(now) .. open)
set(h, 'tn', once)
return number
