-- ARGV 6: why.
local h = load()
if not h then
  return -1
end
local told = 0
for field, t in pairs(tokens(h)) do
  if t.state == 'c' then
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
