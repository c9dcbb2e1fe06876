require("host")
local time = require("host.time")

describe("host.time", function()
  it("reads RFC 3339", function()
    assert.equal(0, time.parse("1970-01-01T00:00:00Z"))
    assert.equal(1767225600123, time.parse("2026-01-01T00:00:00.123456789Z"))
    assert.equal(time.parse("2026-01-01T00:00:00Z"), time.parse("2026-01-01t01:30:00+01:30"))
    assert.equal(time.parse("2026-01-01T00:00:00Z"), time.parse("2025-12-31 19:00:00-05:00"))
    assert.equal(-1, time.parse("1969-12-31T23:59:59.999Z"))
    assert.is_not_nil(time.parse("2024-02-29T00:00:00Z"))
  end)

  it("refuses what is not", function()
    for _, bad in ipairs({ "", "2026-01-01", "2026-01-01T00:00:00", "2026-13-01T00:00:00Z",
      "2026-02-29T00:00:00Z", "2026-01-01T24:00:00Z", "2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z",
      "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00.1234567890Z", "2026-1-1T00:00:00Z",
      "2026-01-01T00:00:00+0100", "2026-01-01T00:00:00+24:00", "2026-01-01T00:00:00Zx",
      "0000-01-01T00:00:00Z", " 2026-01-01T00:00:00Z", "2026-01-01T00:00:00Z\0" }) do
      assert.is_nil((time.parse(bad)), bad)
    end
  end)

  it("writes what it reads, for every day of many years", function()
    for day = -719162, 2932896, 97 do
      local ms = day * 86400000 + 45296789
      assert.equal(ms, time.parse(time.format(ms)))
    end
    assert.equal("0001-01-01T00:00:00.000Z", time.format(-62135596800000))
    assert.equal("9999-12-31T23:59:59.999Z", time.format(253402300799999))
  end)

  it("reads nothing that it could not write, not even by an offset", function()
    for _, text in ipairs({ "9999-12-31T23:59:59-00:01", "0001-01-01T00:00:00+00:01" }) do
      assert.same({ nil, "not in the years 1 to 9999" }, { time.parse(text) })
    end
    for _, text in ipairs({ "9999-12-31T23:59:59.999Z", "0001-01-01T00:00:00.000Z" }) do
      assert.equal(text, time.format(time.parse(text)))
    end
  end)
end)
