require("host")
local json = require("lib.json")
local rawjson = require("lib.rawjson")

describe("lib.rawjson", function()
  it("gives the texts of an object's members as they are", function()
    local names, values = rawjson.members(
      ' { "a" : 1.10 , "b\\"c":{"}":"]\\\\"},"\\u0064":[1,[2]] , "e":"\\"}" ,"f":null}')
    assert.same({ "a", 'b"c', "d", "e", "f" }, names)
    assert.same({ "1.10", '{"}":"]\\\\"}', "[1,[2]]", '"\\"}"', "null" }, values)
  end)

  it("gives the texts of a list's items", function()
    assert.same({ "1", '"a,]"', "{}", "[]", "true" }, rawjson.items('[1, "a,]" ,{},[] , true]'))
    assert.same({}, rawjson.items(" [ ] "))
    assert.same({}, (rawjson.members("{}")))
  end)

  it("finds one member", function()
    assert.equal("[1]", rawjson.member('{"a":2,"b":[1]}', "b"))
    assert.is_nil(rawjson.member('{"a":2}', "b"))
  end)

  it("agrees with the decoder on texts of all kinds", function()
    local state = 7
    local function random(n)
      state = (state * 16807) % 2147483647
      return state % n
    end
    local function make(depth)
      local kind = random(depth > 3 and 4 or 6)
      if kind == 0 then return tostring(random(1000) - 500) .. "." .. random(10) end
      if kind == 1 then return '"' .. ({ "", "x", "\\\\", "\\\"", "{", "]", ",:", "\\u00e9" })[random(8) + 1] .. '"' end
      if kind == 2 then return "true" end
      if kind == 3 then return "null" end
      local parts = {}
      for i = 1, random(4) do
        parts[i] = (kind == 4 and '"k' .. i .. '\\\\": ' or " ") .. make(depth + 1)
      end
      return (kind == 4 and "{" or "[") .. table.concat(parts, " , ") .. (kind == 4 and "}" or "]")
    end
    for _ = 1, 500 do
      local text = "[" .. make(0) .. "," .. make(0) .. "]"
      local items = rawjson.items(text)
      assert.equal(2, #items)
      assert.same(json.decode(text), json.decode("[" .. table.concat(items, ",") .. "]"))
    end
  end)
end)
