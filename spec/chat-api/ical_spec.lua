-- Tasks as iCalendar and back, with the zones and rules of the host.
require("host")
local calendar = require("host.calendar")
local ical = require("lib.ical")
local ical_export = require("chat-api.ical_export")
local ical_import = require("chat-api.ical_import")
local ical_rule = require("chat-api.ical_rule")
local ical_zone = require("chat-api.ical_zone")
local time = require("host.time")

local NOW_MS = time.parse("2026-11-24T10:00:00Z")

local function task(fields)
  local made = { id = "0b0c7f5e-0000-4000-8000-000000000001", title = "a task", status = "pending",
    priority = "medium", tags = {}, repeat_from = "due_date", version = 3, created_at = NOW_MS,
    updated_at = NOW_MS }
  for name, value in pairs(fields) do
    made[name] = value
  end
  made.due_date = fields.due_date and time.parse(fields.due_date)
  return made
end

local function written(fields, kind)
  local roots = assert(ical.parse(ical_export.calendar({ task(fields) }, NOW_MS, kind == "VTODO")))
  for _, component in ipairs(roots[1].components) do
    if component.name == kind then
      return component, roots[1]
    end
  end
end

local function value(component, name)
  local property = ical.first(component, name)
  return property and property.value
end

local function vtodo(...)
  local roots = assert(ical.parse("BEGIN:VCALENDAR\nBEGIN:VTODO\nUID:u\nSUMMARY:s\n"
    .. table.concat({ ... }, "\n") .. "\nEND:VTODO\nEND:VCALENDAR\n"))
  return roots[1].components[1]
end

local function imported(...)
  return ical_import.task(vtodo(...), { zone = "Europe/Berlin", zone_is_known = true, definitions = {} })
end

describe("a task as iCalendar", function()
  it("is written in its own zone, with what the zone is", function()
    local event, root = written({ due_date = "2027-07-01T13:00:00Z", timezone = "Europe/Berlin" }, "VEVENT")
    assert.equal("20270701T150000", value(event, "DTSTART"))
    assert.equal("Europe/Berlin", ical.first(event, "DTSTART").params.TZID)
    assert.equal("Europe/Berlin", value(root.components[1], "TZID"))
  end)

  it("is written in UTC without a zone, and where its local time comes twice", function()
    assert.equal("20270701T130000Z", value(written({ due_date = "2027-07-01T13:00:00Z" }, "VEVENT"), "DTSTART"))
    local twice = { due_date = "2027-10-31T01:30:00Z", timezone = "Europe/Berlin", recurrence_rule = "DAILY" }
    local event = written(twice, "VEVENT")
    assert.equal("20271031T013000Z", value(event, "DTSTART"))
    assert.is_nil(value(event, "RRULE"))
  end)

  it("is a date where it is due at the end of a day of its zone", function()
    local due = { due_date = "2027-07-01T21:59:00Z", timezone = "Europe/Berlin" }
    assert.equal("20270701", value(written(due, "VEVENT"), "DTSTART"))
    assert.equal("20270701", value(written(due, "VTODO"), "DUE"))
  end)

  it("has priority, status and reminder as VTODO", function()
    local todo = written({ due_date = "2027-07-01T13:00:00Z", priority = "high", status = "in_progress",
      reminder_offset_minutes = 90 }, "VTODO")
    assert.equal("1", value(todo, "PRIORITY"))
    assert.equal("IN-PROCESS", value(todo, "STATUS"))
    assert.equal("-PT1H30M", value(todo.components[1], "TRIGGER"))
    local done = written({ status = "completed" }, "VTODO")
    assert.equal("COMPLETED", value(done, "STATUS"))
    assert.equal("20261124T100000Z", value(done, "COMPLETED"))
  end)

  it("has the version as SEQUENCE and the last change as DTSTAMP", function()
    local event = written({ due_date = "2027-07-01T13:00:00Z" }, "VEVENT")
    assert.equal("3", value(event, "SEQUENCE"))
    assert.equal("20261124T100000Z", value(event, "DTSTAMP"))
  end)

  it("lets no title add a line", function()
    local event = written({ due_date = "2027-07-01T13:00:00Z", title = "a\r\nEND:VEVENT",
      description = "x\nBEGIN:VEVENT" }, "VEVENT")
    assert.equal("a\nEND:VEVENT", ical.read_text(value(event, "SUMMARY")))
  end)
end)

describe("a recurrence rule as RRULE", function()
  local function rule(due, text, zone, more)
    local fields = { due_date = due, recurrence_rule = text, timezone = zone }
    for name, item in pairs(more or {}) do
      fields[name] = item
    end
    return value(written(fields, "VEVENT"), "RRULE")
  end

  it("is the same series for the simple rules, month ends included", function()
    local cases = { { "2027-01-15T09:00:00Z", "MONTHLY" }, { "2027-01-29T09:00:00Z", "MONTHLY" },
      { "2027-01-30T09:00:00Z", "MONTHLY" }, { "2027-01-31T09:00:00Z", "MONTHLY" },
      { "2028-02-29T09:00:00Z", "YEARLY" }, { "2027-03-31T09:00:00Z", "YEARLY" },
      { "2027-03-31T09:00:00Z", "INTERVAL:10" }, { "2027-03-31T09:00:00Z", "WEEKLY" } }
    local recurrence = require("rules.recurrence")
    for _, case in ipairs(cases) do
      local start = time.parse(case[1])
      local text = rule(case[1], case[2])
      local at, next_task = start, { due_date = start, recurrence_rule = case[2] }
      for _ = 1, 15 do
        at = calendar.next(text, start, at, "UTC")
        local following = recurrence.next(next_task, start)
        assert.equal(time.format(following.due_date), time.format(at), case[2] .. " " .. text)
        next_task = following
      end
      local local_due = calendar.to_local(start, "UTC")
      assert.equal(case[2], ical_rule.from_rrule(text, local_due))
    end
  end)

  it("is absent where the dates to come are not fixed", function()
    assert.is_nil(rule("2027-01-15T09:00:00Z", "DAILY", nil, { repeat_from = "completion" }))
  end)

  it("has UNTIL of the kind that DTSTART has", function()
    local due = "2027-01-15T09:00:00Z"
    assert.equal("FREQ=DAILY;UNTIL=20270201T225959Z", rule(due, "FREQ=DAILY;UNTIL=20270201", "Europe/Berlin"))
    assert.equal("FREQ=DAILY;UNTIL=20270201T110000Z", rule(due, "FREQ=DAILY;UNTIL=20270201T120000", "Europe/Berlin"))
    assert.equal("FREQ=DAILY;UNTIL=20270201T120000Z", rule(due, "FREQ=DAILY;UNTIL=20270201T120000Z"))
    assert.equal("FREQ=DAILY;UNTIL=20270202",
      rule("2027-01-15T22:59:00Z", "FREQ=DAILY;UNTIL=20270201T230000Z", "Europe/Berlin"))
    assert.equal("FREQ=DAILY;UNTIL=99991231",
      rule("2027-01-15T14:59:00Z", "FREQ=DAILY;UNTIL=99991231T235959Z", "Asia/Tokyo"))
  end)
end)

describe("time zones of iCalendar", function()
  it("are found by IANA names, names with a prefix, Windows names and X-LIC-LOCATION", function()
    assert.equal("Europe/Berlin", ical_zone.resolve("Europe/Berlin", {}))
    assert.equal("America/Argentina/Buenos_Aires",
      ical_zone.resolve("/freeassociation.sourceforge.net/America/Argentina/Buenos_Aires", {}))
    assert.equal("Europe/Paris", ical_zone.resolve("Romance Standard Time", {}))
    local own = { properties = { ["X-LIC-LOCATION"] = { { value = "Asia/Tokyo" } } } }
    assert.equal("Asia/Tokyo", ical_zone.resolve("Mine", { Mine = own }))
    for _, bad in ipairs({ "Mine", "", "/", "../etc/passwd", ("a/"):rep(5000) }) do
      assert.is_nil(ical_zone.resolve(bad, {}))
    end
  end)

  it("have Windows names for zones that there are", function()
    for _, name in ipairs({ "Eastern Standard Time", "FLE Standard Time", "Samoa Standard Time",
      "India Standard Time" }) do
      assert.is_true(calendar.is_zone(ical_zone.resolve(name, {})))
    end
  end)
end)

describe("calendars with bytes of chance in them", function()
  local NAMES = { "apple-reminders", "thunderbird", "nextcloud-tasks", "outlook-and-google" }
  local BITS = { "\0", "\255", ":", ";", "\"", ",", "\\", "\r\n", "\n ", "BEGIN:VTODO\r\n", "END:VTODO\r\n", "9",
    "-P9999W", "T", "Z", "00000000", "99991231T235959", ";TZID=", "BEGIN:VALARM\r\nTRIGGER:PT1S\r\nEND:VALARM\r\n",
    "DTSTART:00010101T000000\r\n", "DURATION:P9999999D\r\n", "COUNT=", "\240\159\143\160" }

  it("are read or refused, and break nothing", function()
    local seed, read, refused = 12345, 0, 0
    local function chance(n)
      seed = (seed * 1103515245 + 12345) % 2147483648
      return math.floor(seed / 65536) % n + 1
    end
    for round = 1, 500 do
      local handle = assert(io.open("spec/support/calendars/" .. NAMES[round % 4 + 1] .. ".ics", "rb"))
      local body = handle:read("*a")
      handle:close()
      for _ = 1, chance(4) do
        local at = chance(#body)
        body = body:sub(1, at) .. BITS[chance(#BITS)] .. body:sub(at + chance(5))
      end
      local roots, message = ical.parse(body)
      assert.is_true(roots ~= nil or message:find("^line %d+: ") ~= nil)
      for _, component in ipairs(roots and roots[1].components or {}) do
        local input, why = ical_import.task(component, { zone = "Asia/Tokyo", definitions = {} })
        assert.is_true(input ~= nil or type(why) == "string")
        read, refused = read + (input and 1 or 0), refused + (input and 0 or 1)
      end
    end
    assert.is_true(read > 300 and refused > 20)
  end)
end)

describe("a VTODO", function()
  it("comes back as the task that was written", function()
    for _, fields in ipairs({
      { title = "Über; all, that\\", description = "a\nb", tags = { "x", "y,z" }, priority = "low",
        due_date = "2027-07-01T13:00:00Z", timezone = "Europe/Berlin", reminder_offset_minutes = 45,
        recurrence_rule = "MONTHLY" },
      { due_date = "2027-01-31T22:59:00Z", timezone = "Europe/Berlin", reminder_offset_minutes = 60,
        recurrence_rule = "MONTHLY" },
      { due_date = "2027-07-01T13:00:00Z", recurrence_rule = "FREQ=WEEKLY;BYDAY=MO,TH;COUNT=5" },
      { due_date = "2027-07-01T13:00:00Z", timezone = "Asia/Tokyo", recurrence_rule = "WEEKLY",
        repeat_from = "completion" },
      { recurrence_rule = "INTERVAL:3" }, { status = "in_progress" }, { status = "completed" },
    }) do
      local input, left_out = ical_import.task(written(fields, "VTODO"), { zone = "UTC", definitions = {} })
      assert.same({}, left_out)
      input.due_date = input.due_date and input.due_date:gsub("%.000", "")
      for name in pairs({ title = 1, description = 1, priority = 1, due_date = 1, timezone = 1, status = 1,
        reminder_offset_minutes = 1, recurrence_rule = 1, repeat_from = 1 }) do
        local wanted = fields[name]
        if wanted == nil then
          wanted = ({ title = "a task", priority = "medium", status = "pending" })[name]
        end
        assert.equal(wanted, input[name], name)
      end
      assert.same(fields.tags or {}, setmetatable(input.tags, nil))
    end
  end)

  it("is due at the end of its day where it has a date alone", function()
    local input = imported("DUE;VALUE=DATE:20270701")
    assert.equal("2027-07-01T21:59:00.000Z", input.due_date)
    assert.equal("Europe/Berlin", input.timezone)
  end)

  it("is due at its start where it has nothing else, or at the end of its duration", function()
    assert.equal("2027-07-01T10:00:00.000Z", imported("DTSTART:20270701T100000Z").due_date)
    assert.equal("2027-07-01T11:30:00.000Z", imported("DTSTART:20270701T100000Z", "DURATION:PT1H30M").due_date)
  end)

  it("says which line holds a date that there is not", function()
    for _, bad in ipairs({ "DUE:soon", "DUE:20270230T100000Z", "DUE;TZID=Nowhere:20270101T100000",
      "DUE:20270101T250000", "DUE:00000101" }) do
      local input, why = imported(bad)
      assert.is_nil(input)
      assert.truthy(why:find("^line 5: "), bad)
    end
  end)

  it("has the earliest alarm before the due date as its reminder", function()
    local function offset(...)
      local lines = { "DUE:20270701T100000Z" }
      for _, trigger in ipairs({ ... }) do
        lines[#lines + 1] = "BEGIN:VALARM\nTRIGGER" .. trigger .. "\nEND:VALARM"
      end
      return imported(unpack(lines)).reminder_offset_minutes
    end
    assert.equal(15, offset(":-PT15M"))
    assert.equal(60, offset(":-PT15M", ";RELATED=END:-PT1H"))
    assert.equal(1, offset(":PT0S"))
    assert.equal(30, offset(";VALUE=DATE-TIME:20270701T093000Z"))
    assert.is_nil(offset(":PT15M"))
    assert.is_nil(offset(":-P500D"))
    assert.is_nil(offset(":soon"))
  end)

  it("counts an alarm from its start where it has one", function()
    local alarm = "BEGIN:VALARM\nTRIGGER:-PT15M\nEND:VALARM"
    assert.equal(75, imported("DTSTART:20270701T090000Z", "DUE:20270701T100000Z", alarm).reminder_offset_minutes)
  end)

  it("has the status that one of its properties says", function()
    for line, status in pairs({ ["STATUS:COMPLETED"] = "completed", ["COMPLETED:20270101T000000Z"] = "completed",
      ["PERCENT-COMPLETE:100"] = "completed", ["PERCENT-COMPLETE:40"] = "in_progress",
      ["STATUS:IN-PROCESS"] = "in_progress", ["STATUS:NEEDS-ACTION"] = "pending", ["X-NONE:1"] = "pending" }) do
      assert.equal(status, imported(line).status, line)
    end
    assert.is_nil(imported("STATUS:CANCELLED"))
  end)

  it("loses what a task cannot hold, and says so", function()
    local input, left_out = imported("DESCRIPTION:" .. ("ä"):rep(3000), "CATEGORIES:" .. ("a"):rep(60))
    assert.equal(2000, require("host.text").length(input.description))
    assert.equal(50, require("host.text").length(input.tags[1]))
    assert.equal(2, #left_out)
    local many = {}
    for i = 1, 25 do
      many[i] = "c" .. i
    end
    input, left_out = imported("CATEGORIES:" .. table.concat(many, ","))
    assert.equal(20, #input.tags)
    assert.equal("categories beyond the twentieth", left_out[1])
  end)

  it("has a UID of its own text where it has none", function()
    local without = assert(ical.parse("BEGIN:VCALENDAR\nBEGIN:VTODO\nSUMMARY:a\nEND:VTODO\nBEGIN:VTODO\n"
      .. "SUMMARY:b\nEND:VTODO\nBEGIN:VTODO\nSUMMARY:a\nEND:VTODO\nEND:VCALENDAR\n"))[1].components
    assert.equal(ical_import.uid(without[1]), ical_import.uid(without[3]))
    assert.not_equal(ical_import.uid(without[1]), ical_import.uid(without[2]))
    assert.equal("u", ical_import.uid(vtodo("X:1")))
  end)
end)
