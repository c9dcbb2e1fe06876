require("host")
local text = require("host.text")

describe("host.text", function()
  it("counts characters", function()
    assert.equal(0, text.length(""))
    assert.equal(4, text.length("aü€🦊"))
  end)

  it("lowers letters of every length, and leaves the rest", function()
    assert.equal("äöü straße σ д 🦊 123_", text.lower("ÄÖÜ STRAßE Σ Д 🦊 123_"))
    assert.equal("ⱥ", text.lower("Ⱥ")) -- two bytes become three
    assert.equal("", text.lower(""))
  end)

  it("survives what is not UTF-8", function()
    assert.is_string(text.lower("\255\192 A\240"))
  end)
end)
