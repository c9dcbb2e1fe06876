local ical = require("lib.ical")

local function file(...)
  return table.concat({ "BEGIN:VCALENDAR", "BEGIN:VTODO", ... }, "\r\n") .. "\r\nEND:VTODO\r\nEND:VCALENDAR\r\n"
end

local function todo(...)
  local roots, message = ical.parse(file(...))
  assert(roots, message)
  return roots[1].components[1]
end

local function refused(text)
  local roots, message = ical.parse(text)
  assert.is_nil(roots)
  return message
end

describe("reading iCalendar", function()
  it("unfolds lines, also where a character was cut in two", function()
    local component = todo("SUMMARY:Gr\195", " \188n", "\te Wiese")
    assert.equal("Grüne Wiese", ical.first(component, "SUMMARY").value)
  end)

  it("takes CRLF and LF, a byte order mark, blank lines and names in any case", function()
    local roots = assert(ical.parse("\239\187\191"
      .. "begin:vcalendar\n\nbegin:vtodo\nsummary:x\n\r\nend:vtodo\nend:vcalendar"))
    assert.equal("x", ical.first(roots[1].components[1], "SUMMARY").value)
  end)

  it("reads parameters, quoted ones with colons and commas in them", function()
    local property = ical.read_line('DUE;TZID="a:b;c,d",e;value=DATE:2030:01')
    assert.same({ TZID = "a:b;c,d", VALUE = "DATE" }, property.params)
    assert.equal("2030:01", property.value)
  end)

  it("says what is wrong with a line", function()
    for line, part in pairs({ ["SUMMARY"] = "no colon", [":x"] = "name", ['A;B="c:d'] = "not closed",
      ["A;:x"] = "parameter", ['A;B=c"d":x'] = "inside", ["A;B=c"] = "no colon" }) do
      local property, message = ical.read_line(line)
      assert.is_nil(property)
      assert.truthy(message:find(part, 1, true), line .. ": " .. message)
    end
  end)

  it("gives a line that cannot be read to its component alone", function()
    local roots = assert(ical.parse("BEGIN:VCALENDAR\nBEGIN:VTODO\nSUMMARY\nEND:VTODO\n"
      .. "BEGIN:VTODO\nSUMMARY:good\nEND:VTODO\nX\nEND:VCALENDAR\n"))
    assert.equal("line 3: it has no colon", roots[1].components[1].problem)
    assert.is_nil(roots[1].components[2].problem)
  end)

  it("names the line where the structure is broken", function()
    assert.equal("line 1: BEGIN:VCALENDAR was expected", refused("hello"))
    assert.equal("line 1: BEGIN:VCALENDAR was expected", refused(""))
    assert.equal("line 1: BEGIN:VCALENDAR was expected", refused("BEGIN:VTODO\nEND:VTODO\n"))
    assert.equal("line 3: END:VTODO was expected, for line 2",
      refused("BEGIN:VCALENDAR\nBEGIN:VTODO\nEND:VCALENDAR\n"))
    assert.equal("line 3: the file ends inside of VTODO, which began in line 2",
      refused("BEGIN:VCALENDAR\nBEGIN:VTODO\nSUMMARY:x\n"))
    assert.equal("line 2: BEGIN needs the name of a component", refused("BEGIN:VCALENDAR\nBEGIN:a b\n"))
  end)

  it("refuses NUL, control characters and what is not UTF-8 in a component", function()
    for _, bytes in ipairs({ "\0", "\1", "\127", "\255", "\192\128", "\237\160\128", "\226\130" }) do
      assert.truthy(todo("SUMMARY:a" .. bytes .. "b").problem:find("^line 3: it "))
    end
  end)

  it("ends early with what is nested a hundred thousand times", function()
    assert.equal("line 9: it is nested too deeply",
      refused("BEGIN:VCALENDAR\n" .. ("BEGIN:VTODO\n"):rep(100000)))
  end)

  it("takes a line of a megabyte, folded or not, as too long", function()
    local long = "line 3: it is longer than 65536 bytes"
    assert.equal(long, todo("SUMMARY:" .. ("x"):rep(2 ^ 20)).problem)
    assert.equal(long, todo("SUMMARY:x", (" " .. ("y"):rep(70) .. "\r\n"):rep(15000) .. "X:")
      .problem)
    assert.equal(long, todo("SUMMARY:x", (" yyy\n"):rep(40000) .. "X:").problem)
  end)

  it("stops at too many lines, also where all are folds of one", function()
    assert.equal("line 50001: the file has too many lines",
      refused("BEGIN:VCALENDAR\nX:\n" .. (" \n"):rep(500000)))
    assert.equal("line 50001: the file has too many lines",
      refused("BEGIN:VCALENDAR\n" .. ("\n"):rep(500000)))
  end)

  it("pauses now and then", function()
    local pauses = 0
    ical.parse(file(("X:\r\n"):rep(10000)), function() pauses = pauses + 1 end)
    assert.equal(10, pauses)
  end)

  it("reads hostile parameters and lists once", function()
    assert.truthy(todo("A" .. (";B=c"):rep(10000) .. ":").problem:find("too many parameters"))
    assert.truthy(todo('A;B="x"' .. (',"x"'):rep(10000)).problem:find("no colon"))
    assert.equal(30001, #ical.read_list((","):rep(30000), 30001))
    assert.equal(("\\"):rep(30000), ical.read_text(("\\"):rep(60000)))
  end)
end)

describe("values of iCalendar", function()
  it("reads text and lists with their escapes", function()
    assert.equal("a\nb,c;d\\n", ical.read_text("a\\nb\\,c\\;d\\\\n"))
    assert.same({ "a", "b,c", "", "d\\" }, ical.read_list("a,b\\,c,,d\\\\", 9))
    assert.same({ "a", "b,c" }, ical.read_list("a,b\\,c,,d\\\\", 2))
  end)

  it("reads dates and times", function()
    assert.same({ year = 2030, month = 1, day = 2, utc = false }, ical.read_time("20300102"))
    assert.same({ year = 2030, month = 1, day = 2, hour = 3, min = 4, sec = 5, utc = true },
      ical.read_time("20300102T030405Z"))
    assert.equal(59, ical.read_time("20300102T235960").sec)
    for _, bad in ipairs({ "", "2030", "2030-01-02", "20300102T", "20300102T0304", "20300102T030405+01" }) do
      assert.is_nil(ical.read_time(bad))
    end
  end)

  it("reads durations and writes them", function()
    for value, seconds in pairs({ ["PT15M"] = 900, ["-PT15M"] = -900, ["P1W"] = 604800, ["+P1DT2H"] = 93600,
      ["PT0S"] = 0, ["-P2D"] = -172800, ["PT1H5M3S"] = 3903 }) do
      assert.equal(seconds, ical.read_duration(value))
      assert.equal(seconds, ical.read_duration(ical.duration(seconds)))
    end
    for _, bad in ipairs({ "", "P", "PT", "15M", "P1H", "PT5", "P1DT", "PTM", "P99999999999999999999D" }) do
      assert.is_nil(ical.read_duration(bad), bad)
    end
  end)
end)

describe("writing iCalendar", function()
  it("folds at 75 octets and cuts no character", function()
    for _, char in ipairs({ "x", "ä", "€", "🏠" }) do
      for shift = 0, 4 do
        local line = ("-"):rep(shift) .. char:rep(200)
        local folded = ical.fold(line)
        assert.equal(line, (folded:gsub("\r\n ", ""):gsub("\r\n$", "")))
        for piece in folded:gmatch("(.-)\r\n") do
          assert.is_true(#piece <= 75)
          assert.is_true(require("lib.url").is_utf8(piece))
        end
      end
    end
  end)

  it("escapes text so that it reads as it was", function()
    local value = "a;b,c\\d\ne\\n"
    assert.equal("a\\;b\\,c\\\\d\\ne\\\\n", ical.text(value))
    assert.equal(value, ical.read_text(ical.text(value)))
    assert.equal("a\\nb", ical.text("a\r\nb\0"))
  end)

  it("lets no parameter leave its quotes", function()
    assert.equal(';TZID="a:b"', ical.param("TZID", 'a":\r\nb'))
  end)
end)
