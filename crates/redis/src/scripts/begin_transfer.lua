-- Gives the transfer's number.
local h = load()
if not h then
  return 0
end
if h.tn ~= once then
  set(h, 'tr', whole((tonumber(h.tr) or 0) + 1))
  set(h, 'tp', whole((tonumber(h.tp) or 0) + 1))
  set(h, 'tn', once)
end
return tonumber(h.tr)
