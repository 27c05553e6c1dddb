-- ARGV 6: why. Gives whether this was the first, and the account.
local h = load()
if not h then
  return { 0, '' }
end
local first = finish(h, ARGV[6])
settle(h)
return { first and 2 or 1, h.ac }
