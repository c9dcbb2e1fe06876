local entity_tag = require("lib.entity_tag")

describe("an entity tag", function()
  it("is found in a list, weak or strong, and by the star", function()
    for _, header in ipairs({ '"a"', 'W/"a"', '"b", "a"', '"b",W/"a"', "*" }) do
      assert.is_true(entity_tag.matches(header, '"a"'), header)
    end
  end)

  it("is not found where it is a part of another, or nothing was sent", function()
    for _, header in ipairs({ '"aa"', "a", "", '"b"' }) do
      assert.is_false(entity_tag.matches(header, '"a"'), header)
    end
    assert.is_false(entity_tag.matches(nil, '"a"'))
  end)
end)
