-- Time zones in iCalendar: which IANA zone a TZID means, and the VTIMEZONE of an IANA zone.
local calendar = require("host.calendar")
local ical = require("lib.ical")

local ical_zone = {}

local YEARS_BACK, YEARS_AHEAD = 5, 10
local STEP_MS = 14 * 86400000 -- no zone changes its clock twice within it
local MIN_REGULAR = 8         -- years in a row that make a rule
local MAX_KEPT = 600          -- zones in memory; there are fewer

-- Windows names that Outlook and Exchange write (CLDR, windowsZones: the territory 001).
local WINDOWS = {
  ["Dateline Standard Time"] = "Etc/GMT+12", ["Hawaiian Standard Time"] = "Pacific/Honolulu",
  ["Alaskan Standard Time"] = "America/Anchorage",
  ["Pacific Standard Time"] = "America/Los_Angeles",
  ["US Mountain Standard Time"] = "America/Phoenix", ["Mountain Standard Time"] = "America/Denver",
  ["Central America Standard Time"] = "America/Guatemala",
  ["Central Standard Time"] = "America/Chicago",
  ["Central Standard Time (Mexico)"] = "America/Mexico_City",
  ["Canada Central Standard Time"] = "America/Regina",
  ["SA Pacific Standard Time"] = "America/Bogota", ["Eastern Standard Time"] = "America/New_York",
  ["US Eastern Standard Time"] = "America/Indiana/Indianapolis",
  ["Venezuela Standard Time"] = "America/Caracas", ["Atlantic Standard Time"] = "America/Halifax",
  ["SA Western Standard Time"] = "America/La_Paz",
  ["Pacific SA Standard Time"] = "America/Santiago",
  ["Newfoundland Standard Time"] = "America/St_Johns",
  ["E. South America Standard Time"] = "America/Sao_Paulo",
  ["Argentina Standard Time"] = "America/Argentina/Buenos_Aires",
  ["Greenland Standard Time"] = "America/Nuuk", ["Azores Standard Time"] = "Atlantic/Azores",
  ["Cape Verde Standard Time"] = "Atlantic/Cape_Verde",
  ["Morocco Standard Time"] = "Africa/Casablanca", UTC = "UTC",
  ["GMT Standard Time"] = "Europe/London", ["Greenwich Standard Time"] = "Atlantic/Reykjavik",
  ["W. Europe Standard Time"] = "Europe/Berlin",
  ["Central Europe Standard Time"] = "Europe/Budapest",
  ["Romance Standard Time"] = "Europe/Paris",
  ["Central European Standard Time"] = "Europe/Warsaw",
  ["W. Central Africa Standard Time"] = "Africa/Lagos", ["GTB Standard Time"] = "Europe/Bucharest",
  ["Middle East Standard Time"] = "Asia/Beirut", ["Egypt Standard Time"] = "Africa/Cairo",
  ["E. Europe Standard Time"] = "Europe/Chisinau",
  ["South Africa Standard Time"] = "Africa/Johannesburg", ["FLE Standard Time"] = "Europe/Kyiv",
  ["Israel Standard Time"] = "Asia/Jerusalem",
  ["Kaliningrad Standard Time"] = "Europe/Kaliningrad",
  ["Turkey Standard Time"] = "Europe/Istanbul", ["Arabic Standard Time"] = "Asia/Baghdad",
  ["Arab Standard Time"] = "Asia/Riyadh", ["Belarus Standard Time"] = "Europe/Minsk",
  ["Russian Standard Time"] = "Europe/Moscow", ["E. Africa Standard Time"] = "Africa/Nairobi",
  ["Iran Standard Time"] = "Asia/Tehran", ["Arabian Standard Time"] = "Asia/Dubai",
  ["Georgian Standard Time"] = "Asia/Tbilisi", ["Afghanistan Standard Time"] = "Asia/Kabul",
  ["Ekaterinburg Standard Time"] = "Asia/Yekaterinburg",
  ["West Asia Standard Time"] = "Asia/Tashkent", ["Pakistan Standard Time"] = "Asia/Karachi",
  ["India Standard Time"] = "Asia/Kolkata", ["Sri Lanka Standard Time"] = "Asia/Colombo",
  ["Nepal Standard Time"] = "Asia/Kathmandu", ["Bangladesh Standard Time"] = "Asia/Dhaka",
  ["Myanmar Standard Time"] = "Asia/Yangon", ["SE Asia Standard Time"] = "Asia/Bangkok",
  ["China Standard Time"] = "Asia/Shanghai", ["Singapore Standard Time"] = "Asia/Singapore",
  ["W. Australia Standard Time"] = "Australia/Perth", ["Taipei Standard Time"] = "Asia/Taipei",
  ["Tokyo Standard Time"] = "Asia/Tokyo", ["Korea Standard Time"] = "Asia/Seoul",
  ["Cen. Australia Standard Time"] = "Australia/Adelaide",
  ["AUS Central Standard Time"] = "Australia/Darwin",
  ["E. Australia Standard Time"] = "Australia/Brisbane",
  ["AUS Eastern Standard Time"] = "Australia/Sydney",
  ["Tasmania Standard Time"] = "Australia/Hobart",
  ["Vladivostok Standard Time"] = "Asia/Vladivostok",
  ["New Zealand Standard Time"] = "Pacific/Auckland", ["Fiji Standard Time"] = "Pacific/Fiji",
  ["Tonga Standard Time"] = "Pacific/Tongatapu", ["Samoa Standard Time"] = "Pacific/Apia",
}

local function known(name)
  return #name <= 64 and calendar.is_zone(name) and name or nil
end

-- "/mozilla.org/20050126_1/Europe/Berlin": programs put their own name before the zone's.
local function by_name(tzid)
  local whole = known(tzid) or WINDOWS[tzid] and known(WINDOWS[tzid])
  if whole or #tzid > 255 then
    return whole
  end
  local parts = {}
  for part in tzid:gmatch("[^/]+") do
    parts[#parts + 1] = part
  end
  for count = math.min(3, #parts - 1), 2, -1 do
    local zone = known(table.concat(parts, "/", #parts - count + 1))
    if zone then
      return zone
    end
  end
end

---The IANA zone that a TZID means, by its own name or by what its VTIMEZONE says of it.
---@param tzid string
---@param definitions table<string, ical.Component>  VTIMEZONE by TZID
---@return string|nil
function ical_zone.resolve(tzid, definitions)
  local definition = definitions[tzid]
  local place = definition and ical.first(definition, "X-LIC-LOCATION")
  return by_name(tzid) or place and by_name(place.value)
end

local function offset_at(ms, zone)
  return calendar.to_local(ms, zone).offset
end

local function year_start(year)
  return calendar.from_local({ year = year, month = 1, day = 1 }, "UTC")
end

-- The moments between two at which the clock of the zone is put forward or back.
local function find_changes(zone, from_ms, to_ms)
  local changes, before = {}, offset_at(from_ms, zone)
  for ms = from_ms, to_ms - 1, STEP_MS do
    local low, high = ms, math.min(ms + STEP_MS, to_ms)
    local after = offset_at(high, zone)
    if after ~= before then
      while high - low > 1000 do
        local middle = math.floor((low + high) / 2000) * 1000
        if offset_at(middle, zone) == before then
          low = middle
        else
          high = middle
        end
      end
      local at = calendar.to_local(high + before * 1000, "UTC")
      changes[#changes + 1] = { from = before, to = after, at = at }
      before = after
    end
  end
  return changes
end

local function nth_of(at)
  return math.ceil(at.day / 7)
end

local function is_last(at)
  local days = calendar.from_local({ year = at.year, month = at.month, day = at.day + 7 }, "UTC")
  return days == nil
end

-- The first of the changes from which on there is one each year by the same rule, and that rule.
local function regular_tail(changes, last_year)
  local final = changes[#changes]
  ---@type integer|false, boolean, integer|nil
  local nth, last, first = nth_of(final.at), true, nil
  if final.at.year ~= last_year then
    return nil
  end
  for i = #changes, 1, -1 do
    local at = changes[i].at
    if at.year ~= last_year - (#changes - i) or at.month ~= final.at.month
      or at.wday ~= final.at.wday or at.hour ~= final.at.hour or at.min ~= final.at.min then
      break
    end
    local same_nth, still_last = nth and nth_of(at) == nth and nth, last and is_last(at)
    if not same_nth and not still_last then
      break
    end
    nth, last, first = same_nth, still_last, i
  end
  if not first or #changes - first + 1 < MIN_REGULAR then
    return nil
  end
  return first, nth and nth <= 4 and nth or -1
end

local DAYS = { "MO", "TU", "WE", "TH", "FR", "SA", "SU" }

local function offset_text(seconds)
  local sign = seconds < 0 and "-" or "+"
  seconds = math.abs(seconds)
  local text = string.format("%s%02d%02d", sign, math.floor(seconds / 3600),
    math.floor(seconds / 60) % 60)
  return seconds % 60 == 0 and text or text .. string.format("%02d", seconds % 60)
end

local function add_observance(lines, from, to, at, extra)
  local kind = to > from and "DAYLIGHT" or "STANDARD"
  lines[#lines + 1] = "BEGIN:" .. kind
  lines[#lines + 1] = "DTSTART:" .. ical.time(at)
  lines[#lines + 1] = "TZOFFSETFROM:" .. offset_text(from)
  lines[#lines + 1] = "TZOFFSETTO:" .. offset_text(to)
  for _, line in ipairs(extra) do
    lines[#lines + 1] = line
  end
  lines[#lines + 1] = "END:" .. kind
end

-- Those changes that follow no rule are told one by one.
local function add_changes(lines, changes, last_year)
  local first, week = regular_tail(changes, last_year)
  local dates = {}
  for i = 2, (first or #changes + 1) - 1 do
    dates[#dates + 1] = "RDATE:" .. ical.time(changes[i].at)
  end
  if first ~= 1 then
    add_observance(lines, changes[1].from, changes[1].to, changes[1].at, dates)
  end
  if first then
    local at = changes[first].at
    add_observance(lines, changes[first].from, changes[first].to, at,
      { string.format("RRULE:FREQ=YEARLY;BYMONTH=%d;BYDAY=%d%s", at.month, week, DAYS[at.wday]) })
  end
end

local function make(zone, this_year)
  local last_year = math.min(this_year + YEARS_AHEAD, 9998)
  local from_ms = year_start(math.max(this_year - YEARS_BACK, 1))
  local changes = find_changes(zone, from_ms, year_start(last_year + 1))
  local lines = { "BEGIN:VTIMEZONE", "TZID:" .. ical.text(zone), "X-LIC-LOCATION:" .. zone }
  local base = offset_at(from_ms, zone)
  add_observance(lines, base, base,
    { year = math.min(1970, this_year), month = 1, day = 1, hour = 0, min = 0 }, {})
  local groups, order = {}, {}
  for _, change in ipairs(changes) do
    local key = string.format("%d %d %d", change.from, change.to, change.at.month)
    if not groups[key] then
      groups[key] = {}
      order[#order + 1] = key
    end
    table.insert(groups[key], change)
  end
  for _, key in ipairs(order) do
    add_changes(lines, groups[key], last_year)
  end
  lines[#lines + 1] = "END:VTIMEZONE"
  for i, line in ipairs(lines) do
    lines[i] = ical.fold(line)
  end
  return { text = table.concat(lines), from_ms = from_ms }
end

local kept, kept_count, kept_year = {}, 0, nil

---The VTIMEZONE of a zone, for the years around now.
---@param zone string   an IANA name
---@param now_ms integer
---@return string text  whole lines
---@return integer from_ms  before it the text says nothing sure
function ical_zone.definition(zone, now_ms)
  local year = calendar.to_local(now_ms, "UTC").year
  if kept_year ~= year or kept_count > MAX_KEPT then
    kept, kept_count, kept_year = {}, 0, year
  end
  local found = kept[zone]
  if not found then
    found = make(zone, year)
    kept[zone], kept_count = found, kept_count + 1
  end
  return found.text, found.from_ms
end

return ical_zone
