require("host")
local params = require("lib.params")

local LIMIT = params.limit(100, 1000)
local LIST = {
  LIMIT,
  { name = "word", schema = { type = "string", enum = { "a", "b" } } },
  { name = "flag", schema = { type = "boolean" } },
  { name = "at", schema = { type = "string", format = "date-time" } },
  { name = "id", schema = { type = "string", format = "uuid" } },
  { name = "tags", list = true, schema = { type = "string" } },
  { name = "few", schema = { type = "integer", minimum = 0, maximum = 5 } },
}

describe("lib.params", function()
  it("takes what the list allows", function()
    assert.is_nil(params.problem(LIST, {}))
    assert.is_nil(params.problem(LIST, { limit = "7", word = "b", flag = "false", few = "5",
      at = "2030-01-01T00:00:00Z", id = "00000000-0000-4000-8000-000000000000", tags = "x" }))
    assert.is_nil(params.problem(LIST, { limit = 7, flag = true, tags = { "x", "y" } }))
  end)

  it("says in a sentence what is wrong, and where", function()
    for expected, args in pairs({
      ["limit must be a whole number from 1"] = { limit = "0" },
      ["few must be a whole number from 0 to 5"] = { few = "6" },
      ["word must be one of a, b"] = { word = "c" },
      ["flag must be true or false"] = { flag = "1" },
      ["at must be an RFC 3339 time such as 2026-12-24T18:00:00Z"] = { at = "tomorrow" },
      ["id must be a UUID"] = { id = "x" },
      ["there is no query parameter odd"] = { odd = "x" },
    }) do
      assert.equal(expected, params.problem(LIST, args))
    end
  end)

  it("wants what is required", function()
    assert.equal("q is needed",
      params.problem({ { name = "q", required = true, schema = { type = "string" } } }, {}))
  end)

  it("takes a limit above the maximum as the maximum", function()
    assert.equal(100, params.limit_of(LIMIT, nil))
    assert.equal(7, params.limit_of(LIMIT, "7"))
    assert.equal(1000, params.limit_of(LIMIT, "99999999999999999999"))
  end)
end)
