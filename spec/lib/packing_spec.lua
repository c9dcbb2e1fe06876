require("host")
local packing = require("lib.packing")

describe("packing.takes_gzip", function()
  it("is true where gzip is named, or all codings are", function()
    for _, header in ipairs({ "gzip", "deflate, gzip", "br;q=1.0, gzip;q=0.8", "*", "GZIP", "x-gzip",
      "gzip ; q=0.001", "*;q=0, gzip", "identity;q=0.5, gzip", "br,\tgzip ,", "identity, gzip;q=1" }) do
      assert.is_true(packing.takes_gzip(header), header)
    end
  end)

  it("is false where it is not, is refused, or bytes as they are are liked better", function()
    for _, header in ipairs({ "", "identity", "br", "gzipped", "gzip;q=0", "gzip; q=0.0", "gzip;q=0.000, *",
      "*;q=0", "identity, gzip;q=0.9", "gzip;q=", "gzip;q=2", "gzip;q=x", "gzip;level=1", ";q=1" }) do
      assert.is_false(packing.takes_gzip(header), header)
    end
    assert.is_false(packing.takes_gzip(nil))
  end)
end)
