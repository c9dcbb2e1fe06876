local entity_tag = require("lib.entity_tag")

describe("an entity tag", function()
  it("is found in a list, weak or strong, and by the star", function()
    for _, header in ipairs({ '"a"', 'W/"a"', '"b", "a"', '"b",W/"a"', ' "b" ,,\t"a" ', "*", " * ",
      '"x,y", "a"' }) do
      assert.is_true(entity_tag.matches(header, '"a"'), header)
    end
  end)

  it("is not found where it is a part of another, or nothing was sent", function()
    for _, header in ipairs({ '"aa"', "a", "", '"b"', '"x, "a""', 'w/"a"', '/"a"', 'W"a"', '"a', 'a"',
      '"a" "b"', '"a"b', '*, "a"', '"b" *' }) do
      assert.is_false(entity_tag.matches(header, '"a"'), header)
    end
    assert.is_false(entity_tag.matches(nil, '"a"'))
  end)

  it("may have a comma", function()
    assert.is_true(entity_tag.matches('"a,b"', '"a,b"'))
    assert.is_false(entity_tag.matches('"a,b"', '"b"'))
  end)

  it("is parsed with its weakness", function()
    assert.same({ { tag = '"1"', weak = false }, { tag = '""', weak = true } },
      entity_tag.parse('"1", W/""'))
    for _, header in ipairs({ "", ",", "1", "*", '"1";', '"1" W/"2"' }) do
      assert.is_nil(entity_tag.parse(header), header)
    end
  end)
end)
