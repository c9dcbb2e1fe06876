require("host")

-- scripts/meta/host.lua tells editors and people what the host offers: it must be what is there.
describe("scripts/meta/host.lua", function()
  local meta = dofile("scripts/meta/host.lua")
  for _, name in ipairs({ "host.calendar", "host.crypto", "host.json", "host.text", "host.time" }) do
    it("has exactly the functions of " .. name, function()
      local live, told = {}, {}
      for key, value in pairs(require(name)) do
        if type(value) == "function" then
          live[#live + 1] = key
        end
      end
      for key in pairs(meta[name]) do
        told[#told + 1] = key
      end
      table.sort(live)
      table.sort(told)
      assert.same(told, live)
    end)
  end
end)
