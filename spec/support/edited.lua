-- A rule file as an operator may leave it: loaded with some of its text replaced.
---@param name string  of a file of scripts/rules
---@param changes table<string, string>  text of the file -> what stands there instead
return function(name, changes)
  local file = assert(io.open("scripts/rules/" .. name .. ".lua"))
  local text = file:read("*a")
  file:close()
  for from, to in pairs(changes) do
    local first, last = text:find(from, 1, true)
    assert(first, "rules/" .. name .. ".lua does not hold " .. from)
    text = text:sub(1, first - 1) .. to .. text:sub(last + 1)
  end
  return assert(loadstring(text, "@rules/" .. name .. ".lua"))()
end
