-- What all scripts about one call share. KEYS: the call, what of its slot is to be forgotten or given up, what is to be asked
-- about.
-- ARGV: the time in ms or nothing for the server's own, times of the policy, the request's own number,
-- the prefix of the nodes' channels, the call's key; then what the script itself takes.
local call, due, asks = KEYS[1], KEYS[2], KEYS[3]
local once, channels, name = ARGV[3], ARGV[4], ARGV[5]
local now = tonumber(ARGV[1])
if not now then
  local time = redis.call('TIME')
  now = time[1] * 1000 + math.floor(time[2] / 1000)
end
local keep_ended, max_silence, never_started, silent_after, confirm_after =
  string.match(ARGV[2], '^(%d+),(%d+),(%d+),(%d+),(%d+)$')
keep_ended, max_silence = tonumber(keep_ended), tonumber(max_silence)
never_started, silent_after = tonumber(never_started), tonumber(silent_after)
confirm_after = tonumber(confirm_after)
-- Keys vanish by themselves so long after they should have been taken out.
local GRACE = 3600000

local function whole(number)
  return string.format('%.0f', number)
end

local function load()
  local flat = redis.call('HGETALL', call)
  if #flat == 0 then
    return nil
  end
  local h = {}
  for i = 1, #flat, 2 do
    h[flat[i]] = flat[i + 1]
  end
  return h
end

local function set(h, field, value)
  redis.call('HSET', call, field, value)
  h[field] = value
end

-- A media token: o(ffered), c(laimed) or v(oid, because it is over). They are minted one after the other.
local function read_token(text)
  local state, expires, after, transfers, minted, node, taker, stop =
    string.match(text, '^(%a)|(%d*)|(%a)|(%d+)|(%d+)|([^|]*)|([^|]*)|(.*)$')
  return {
    state = state, expires = expires, after = after, transfers = transfers,
    minted = minted, node = node, taker = taker, stop = stop,
  }
end

local function write_token(h, field, t)
  set(h, field, table.concat(
    { t.state, t.expires, t.after, t.transfers, t.minted, t.node, t.taker, t.stop }, '|'))
end

local function tokens(h)
  local all = {}
  for field, text in pairs(h) do
    if string.sub(field, 1, 2) == 't:' then
      all[field] = read_token(text)
    end
  end
  return all
end

local function count(h, state)
  local found = 0
  for _, t in pairs(tokens(h)) do
    if t.state == state then
      found = found + 1
    end
  end
  return found
end

local function unset(h, field)
  redis.call('HDEL', call, field)
  h[field] = nil
end

-- Its carrier should be asked some time from now, having been asked so often without news.
local function ask_later(h, asked)
  local pause = (h.en or h.pe) and confirm_after or silent_after
  set(h, 'ad', whole(asked))
  set(h, 'ak', whole(now + pause * 2 ^ asked))
end

-- There is news of the call.
local function touch(h)
  set(h, 'se', whole(now))
  ask_later(h, 0)
end

-- When it is to be given up.
local function limit(h)
  local is_up = tonumber(h.rk) >= 3
  local should_start = h.dr == 'outbound' or count(h, 'o') > 0
  if not is_up and not h.cl and should_start then
    return tonumber(h.se) + math.min(never_started, max_silence)
  end
  return tonumber(h.se) + max_silence
end

-- Whether the carrier can be asked about it, and has not said that it is over.
local function is_open(h)
  return h.id and tonumber(h.rk) < 4
end

-- How long it is remembered once it has ended.
local function keep(h)
  return is_open(h) and max_silence or keep_ended
end

-- Its stream is over: the call is to end for that reason, unless a later transfer took place. How the call ends is said by
-- the stream that was offered last, of those that came.
local function plan_end(h, t, reason)
  touch(h)
  for _, other in pairs(tokens(h)) do
    if other.state and other.state ~= 'o' and tonumber(other.minted) > tonumber(t.minted) then
      return
    end
  end
  if reason ~= '' and (tonumber(h.mv) or 0) <= tonumber(t.transfers) then
    set(h, 'pe', reason)
    set(h, 'pt', t.transfers)
  else
    unset(h, 'pe')
  end
  touch(h)
end

-- Whether its carrier should be asked, once it is time.
local function is_silent(h)
  if h.en then
    return is_open(h)
  end
  return count(h, 'c') == 0
end

-- Writes down when somebody has to look at it next.
local function settle(h)
  local at, ttl
  if h.en then
    at, ttl = tonumber(h.se) + keep(h), keep(h) + GRACE
  else
    at, ttl = limit(h), max_silence + keep_ended + GRACE
  end
  redis.call('ZADD', due, whole(at), name)
  redis.call('PEXPIRE', due, max_silence + keep_ended + 2 * GRACE)
  if is_silent(h) then
    redis.call('ZADD', asks, h.ak, name)
    redis.call('PEXPIRE', asks, max_silence + keep_ended + 2 * GRACE)
  else
    redis.call('ZREM', asks, name)
  end
  redis.call('PEXPIRE', call, ttl)
end

-- Tells the nodes that wait for something of the call to look again.
local function ring(h)
  for node in string.gmatch(h.w or '', '[^,]+') do
    redis.call('PUBLISH', channels .. node, name)
  end
end

-- Ends the call; whether this was the first.
local function finish(h, reason)
  if h.en then
    return h.eo == once
  end
  set(h, 'en', reason)
  set(h, 'eo', once)
  touch(h)
  ring(h)
  return true
end

local function flat()
  return redis.call('HGETALL', call)
end
