-- What becomes of a reminder.
--
-- May decide: on which channels it goes out and when (plan), in what words (compose), and how long
-- a channel that failed is tried again (retry). Not whether an address is one, nor how text becomes
-- HTML: the service does both.
--
--   plan(notify.Reminder, notify.Available, now_ms) -> notify.Step[]
--   compose(notify.Reminder)                        -> notify.Message
--   retry(channel, failures)                        -> ms until the next try, or false: give up
--
-- An operator's usual changes are the tables at the top. Examples: notify.examples.json.
local calendar = require("host.calendar")
local civil = require("rules.civil")

local notify = {}

-- When a user is left in peace, in their local time. from = to: never.
local QUIET = {
  from = "22:00",
  to = "07:00",
  channels = { email = true, webhook = true }, -- the others never wait
  loud = { high = true },                      -- a task of this priority does not wait
  zone = "UTC",                                -- where a task has no zone
}

-- {title}, {due}, {late} are filled in. All is plain text; a mail gets it as HTML by itself. A
-- subject is one line.
local TEMPLATES = {
  subject = "Reminder: {title}",
  late_subject = "Late reminder: {title}",
  text = "{title}\nDue {due}.",
  late_text = "{title}\nDue {due}.\nThis reminder comes {late} after its time.",
}
local LATE_SECONDS = 60     -- from here on a reminder says that it is late
local SUBJECT_LENGTH = 120  -- characters of the title in a subject

-- Seconds to wait after the first, second, … failure; after the last one a channel gives up.
local RETRY = {
  log = { 1, 5, 30, 60 },
  email = { 30, 120, 600, 1800, 3600, 7200, 14400, 28800 },
  webhook = { 5, 30, 120, 600, 1800, 3600, 7200, 14400, 28800 },
}

local CHANNELS = { "log", "email", "webhook" }

---@class notify.Reminder
---@field task_id string
---@field task_title string
---@field user_id string
---@field due_ms integer
---@field remind_ms integer
---@field late_seconds number     how long after its time it goes out
---@field timezone string|nil
---@field priority string|nil

---@class notify.Available
---@field email boolean            the binding is there, and the user's name is an address
---@field webhook boolean          the binding is there

---@class notify.Step
---@field channel "log"|"email"|"webhook"
---@field wait_ms integer         from now on; 0: at once

local function minutes_of(text)
  local hour, min = text:match("^(%d%d?):(%d%d)$")
  return tonumber(hour) * 60 + tonumber(min)
end

local function zone_of(reminder)
  local zone = reminder.timezone
  return zone and calendar.is_zone(zone) and zone or QUIET.zone
end

-- How long the quiet hours last that it is in now; 0 outside of them.
local function quiet_ms(zone, now_ms)
  local from, to = minutes_of(QUIET.from), minutes_of(QUIET.to)
  local now = calendar.to_local(now_ms, zone)
  local minute = now.hour * 60 + now.min
  local crosses = from > to
  if from == to or not crosses and (minute < from or minute >= to)
    or crosses and minute < from and minute >= to then
    return 0
  end
  local day = civil.add_days({ year = now.year, month = now.month, day = now.day },
    crosses and minute >= from and 1 or 0)
  ---@type any
  local end_ms = calendar.from_local({ year = day.year, month = day.month, day = day.day,
    hour = math.floor(to / 60), min = to % 60 }, zone)
  if end_ms <= now_ms then
    -- The clocks went back: that time comes a second time, and only then the hours are over.
    end_ms = end_ms + (calendar.to_local(end_ms, zone).offset - now.offset) * 1000
  end
  return math.max(0, end_ms - now_ms)
end

---Where a reminder goes, and when.
---@param reminder notify.Reminder
---@param available notify.Available
---@param now_ms integer
---@return notify.Step[]
function notify.plan(reminder, available, now_ms)
  local usable = { log = true, webhook = available.webhook, email = available.email }
  local zone = zone_of(reminder)
  local quiet = quiet_ms(zone, now_ms)
  if quiet > 0 and QUIET.loud[reminder.priority] then
    explain("quiet hours, but a task of priority %s does not wait", reminder.priority)
    quiet = 0
  elseif quiet > 0 then
    explain("quiet hours in %s until %s: mail and webhook wait %d minutes", zone, QUIET.to,
      math.ceil(quiet / 60000))
  end
  local steps = {}
  for _, channel in ipairs(CHANNELS) do
    if usable[channel] then
      steps[#steps + 1] = { channel = channel, wait_ms = QUIET.channels[channel] and quiet or 0 }
    end
  end
  return steps
end

-- One line without anything that ends it, hides it or turns it around.
local function one_line(text)
  local line = text:gsub("[%z\1-\31\127]+", " ")
    :gsub("\194[\128-\159]", " ")               -- C1 controls
    :gsub("\226\128[\168-\174]", " ")           -- line and paragraph separators, embeddings
    :gsub("\226\129[\166-\169]", " ")           -- isolates
  return (line:gsub("^ +", ""):gsub(" +$", ""))
end

local function shorten(text, length)
  local at, count = 1, 0
  while at <= #text do
    local first = text:byte(at)
    count = count + 1
    if count > length then
      return text:sub(1, at - 1) .. "…"
    end
    at = at + (first >= 0xF0 and 4 or first >= 0xE0 and 3 or first >= 0xC0 and 2 or 1)
  end
  return text
end

local UNITS = { { 86400, "day" }, { 3600, "hour" }, { 60, "minute" }, { 1, "second" } }

local function duration(seconds)
  for _, unit in ipairs(UNITS) do
    local count = math.floor(seconds / unit[1])
    if count >= 1 then
      return count .. " " .. unit[2] .. (count == 1 and "" or "s")
    end
  end
  return "0 seconds"
end

local DAYS = { "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday" }
local MONTHS = { "January", "February", "March", "April", "May", "June", "July", "August",
  "September", "October", "November", "December" }

local function date_text(ms, zone)
  local t = calendar.to_local(ms, zone)
  return ("%s, %d %s %d, %02d:%02d (%s)"):format(DAYS[t.wday], t.day, MONTHS[t.month], t.year,
    t.hour, t.min, zone)
end

-- One pass: a title that holds {due} stays as it is.
local function fill(template, values)
  return (template:gsub("{(%w+)}", values))
end

---@class notify.Message
---@field subject string  one line
---@field text string

---The words of a reminder.
---@param reminder notify.Reminder
---@return notify.Message
function notify.compose(reminder)
  local late = reminder.late_seconds >= LATE_SECONDS
  local title = one_line(reminder.task_title)
  local values = { title = title, late = duration(reminder.late_seconds),
    due = date_text(reminder.due_ms, zone_of(reminder)) }
  local text = fill(late and TEMPLATES.late_text or TEMPLATES.text, values)
  values.title = shorten(title, SUBJECT_LENGTH)
  return { text = text,
    subject = fill(late and TEMPLATES.late_subject or TEMPLATES.subject, values) }
end

---@param channel string
---@param failures integer  so far, at least 1
---@return integer|false ms  until the next try; false: give up
function notify.retry(channel, failures)
  local seconds = (RETRY[channel] or RETRY.log)[failures]
  if not seconds then
    explain("%s gives up after %d failures", channel, failures)
  end
  return seconds ~= nil and seconds * 1000
end

return notify
