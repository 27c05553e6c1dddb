-- ARGV 6: why; 7: the number of the transfer before which a stream was offered, or nothing.
local h = load()
if not h then
  return -1
end
local told = 0
for field, t in pairs(tokens(h)) do
  local is_meant = ARGV[7] == '' or tonumber(t.transfers) < tonumber(ARGV[7])
  if t.state == 'c' and is_meant then
    told = told + 1
    if t.stop == '' then
      t.stop = ARGV[6]
      write_token(h, field, t)
    end
  end
end
if told > 0 then
  ring(h)
end
return told
