/**
 * What runs inside Redis: taking from windows, changing what was taken, and counting the nodes, each one atomic script.
 * Only `link.ts` and `redis.ts` use them; the arithmetic is that of `window.ts`, and a test holds the two together.
 */
import { EXACT_UP_TO, MAX_ENTRIES } from "./window.ts";

export interface Script {
  readonly text: string;
  /** What Redis calls it once it has seen the text. */
  readonly sha: string;
}

function script(text: string): Script {
  return { text, sha: new Bun.CryptoHasher("sha1").update(text).digest("hex") };
}

/** Redis's own time: nodes' clocks do not matter. Alone in a line, so that a test can give another. */
export const CLOCK = "local time = redis.call('TIME') local now = time[1] * 1000 + math.floor(time[2] / 1000)";

/**
 * A window is one text: when it began and its total, then entries of moment and amount, six bytes each number.
 * What is no such text (another program's key) is taken as nothing.
 */
const READ = `
local HEADER, ENTRY = 12, 12
local function read(key)
  local text = redis.pcall('GET', key)
  if type(text) ~= 'string' or #text < HEADER or (#text - HEADER) % ENTRY ~= 0 then return nil end
  local began, total = struct.unpack('>I6I6', text)
  return text, began, total
end`;

/**
 * KEYS are windows; for each, ARGV has its length, its bucket, its limit and the amount. Answers with granted (1 or 0), the
 * moment, which window is meant (from 1), what it has left, until when it resets and the wait.
 */
export const TAKE = script(`${CLOCK}${READ}
local rests, begans, totals = {}, {}, {}
local worst, wait = 0, -1
local function reset(i)
  local rest = rests[i]
  if #rest == 0 then return 0 end
  return struct.unpack('>I6', rest, #rest - ENTRY + 1) + tonumber(ARGV[i * 4 - 3]) - now
end
for i = 1, #KEYS do
  local length, limit, amount = tonumber(ARGV[i * 4 - 3]), tonumber(ARGV[i * 4 - 1]), tonumber(ARGV[i * 4])
  local text, began, total = read(KEYS[i])
  local at = HEADER + 1
  if not text then text, began, total = '', now, 0 end
  while at < #text do
    local moment, count = struct.unpack('>I6I6', text, at)
    if moment > now - length then break end
    total = total - count
    at = at + ENTRY
  end
  rests[i], begans[i], totals[i] = string.sub(text, at), began, total
  local excess = total + amount - limit
  if excess > 0 then
    local needed = length
    while amount <= limit and at < #text do
      local moment, count = struct.unpack('>I6I6', text, at)
      excess = excess - count
      if excess <= 0 then
        needed = moment + length - now
        break
      end
      at = at + ENTRY
    end
    if needed > wait then worst, wait = i, needed end
  end
end
if worst > 0 then
  return {0, now, worst, math.max(0, tonumber(ARGV[worst * 4 - 1]) - totals[worst]), reset(worst), wait}
end
local tightest, least = 0, math.huge
for i = 1, #KEYS do
  local length, bucket = tonumber(ARGV[i * 4 - 3]), tonumber(ARGV[i * 4 - 2])
  local limit, amount = tonumber(ARGV[i * 4 - 1]), tonumber(ARGV[i * 4])
  local rest = rests[i]
  local moment, count = -1, 0
  if #rest > 0 then moment, count = struct.unpack('>I6I6', rest, #rest - ENTRY + 1) end
  local shares = moment >= now
  if not shares then
    if limit <= ${EXACT_UP_TO} then bucket = 1 end
    moment = (math.floor(now / bucket) + 1) * bucket - 1
    shares = #rest >= ${MAX_ENTRIES} * ENTRY
  end
  if shares then
    amount = amount + count
    rest = string.sub(rest, 1, #rest - ENTRY)
    totals[i] = totals[i] - count
  end
  rests[i] = rest .. struct.pack('>I6I6', moment, amount)
  totals[i] = totals[i] + amount
  redis.call('SET', KEYS[i], struct.pack('>I6I6', begans[i], totals[i]) .. rests[i], 'PX', length + bucket)
  local left = 1 - totals[i] / limit
  if left < least then tightest, least = i, left end
end
return {1, now, tightest, math.max(0, tonumber(ARGV[tightest * 4 - 1]) - totals[tightest]), reset(tightest), 0}
`);

/**
 * KEYS are windows; ARGV has the moment of the grant and then for each window its length and by how much its amount changes.
 * A window that began later than the grant (Redis lost its data in between) does not hold it and stays as it is, and so
 * does one that the grant has fallen out of.
 */
export const ADJUST = script(`${CLOCK}${READ}
local moment = tonumber(ARGV[1])
for i = 1, #KEYS do
  local length, change = tonumber(ARGV[i * 2]), tonumber(ARGV[i * 2 + 1])
  local text, began, total = read(KEYS[i])
  if text and began <= moment and moment > now - length then
    local at = HEADER + 1
    while at < #text and struct.unpack('>I6', text, at) < moment do at = at + ENTRY end
    while change ~= 0 and at < #text do
      local stamp, count = struct.unpack('>I6I6', text, at)
      local part = math.max(change, -count)
      change = change - part
      total = total + part
      local after = string.sub(text, at + ENTRY)
      if count + part > 0 then
        after = struct.pack('>I6I6', stamp, count + part) .. after
        text = string.sub(text, 1, at - 1) .. after
        at = at + ENTRY
      else
        text = string.sub(text, 1, at - 1) .. after
      end
    end
    redis.call('SET', KEYS[i], struct.pack('>I6I6', began, total) .. string.sub(text, HEADER + 1), 'KEEPTTL')
  end
end
return {1}
`);

/** KEYS[1] has the nodes; ARGV are this one's name and after how many milliseconds a silent one is gone. Answers with their number. */
export const REGISTER = script(`${CLOCK}
redis.call('ZADD', KEYS[1], now, ARGV[1])
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now - ARGV[2])
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return {redis.call('ZCARD', KEYS[1])}
`);
