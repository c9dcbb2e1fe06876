require("host")

-- The stubs in scripts/meta/host tell editors and people what the host offers: it must be what is
-- there.
describe("scripts/meta/host", function()
  for _, name in ipairs({ "host.calendar", "host.crypto", "host.json", "host.text", "host.time" }) do
    it("has exactly the functions of " .. name, function()
      local live, told = {}, {}
      for key, value in pairs(require(name)) do
        if type(value) == "function" then
          live[#live + 1] = key
        end
      end
      for key in pairs(dofile("scripts/meta/" .. name:gsub("%.", "/") .. ".lua")) do
        told[#told + 1] = key
      end
      table.sort(live)
      table.sort(told)
      assert.same(told, live)
    end)
  end
end)
