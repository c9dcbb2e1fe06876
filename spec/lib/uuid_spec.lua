local uuid = require("lib.uuid")

describe("lib.uuid", function()
  it("knows a UUID of either case from all else", function()
    assert.is_true(uuid.is("0af76519-16cd-43dd-8448-eb211c80319c"))
    assert.is_true(uuid.is("0AF76519-16CD-43DD-8448-EB211C80319C"))
    for _, value in ipairs({ "", "x", "0af76519-16cd-43dd-8448-eb211c80319", " 0af76519-16cd-43dd-8448-eb211c80319c",
      "0af76519-16cd-43dd-8448-eb211c80319c\n", "0af7651916cd43dd8448eb211c80319c",
      "gaf76519-16cd-43dd-8448-eb211c80319c", 5, true, {} }) do
      assert.is_false(uuid.is(value))
    end
    assert.is_false(uuid.is(nil))
  end)
end)
