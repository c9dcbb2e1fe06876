-- From a path to what a service has there. A segment {name} of a route's path matches any one
-- segment; a path without any is found first.
local route_table = {}

---@class route_table.Table
---@field exact table<string, any>
---@field patterns table<integer, any>

local function split(path)
  local segments = {}
  for segment in path:gmatch("[^/]+") do
    segments[#segments + 1] = segment
  end
  return segments
end

---Routes by exact path, and those with parameters by their number of segments.
---@param routes service.Route[]
---@return route_table.Table
function route_table.new(routes)
  local exact, patterns = {}, {}
  for _, route in ipairs(routes) do
    local method, path = route[1], route[2]
    if path:find("{", 1, true) then
      local segments = split(path)
      local names = {}
      for i, segment in ipairs(segments) do
        names[i] = segment:match("^{(.+)}$") or false
      end
      local group = patterns[#segments] or {}
      patterns[#segments] = group
      local found
      for _, pattern in ipairs(group) do
        found = found or pattern.path == path and pattern
      end
      if not found then
        found = { path = path, segments = segments, names = names, methods = {} }
        group[#group + 1] = found
      end
      found.methods[method] = route
    else
      exact[path] = exact[path] or { path = path, methods = {} }
      exact[path].methods[method] = route
    end
  end
  return { exact = exact, patterns = patterns }
end

local function match_pattern(pattern, segments)
  local params = {}
  for i, name in ipairs(pattern.names) do
    if name then
      params[name] = segments[i]
    elseif pattern.segments[i] ~= segments[i] then
      return nil
    end
  end
  return params
end

---@param compiled route_table.Table
---@param path string
---@return any entry  {path, methods}; nil: there is no such path
---@return table<string, string>|nil params  not decoded
function route_table.find(compiled, path)
  local exact, patterns = compiled.exact, compiled.patterns
  if exact[path] then
    return exact[path], {}
  end
  if path:sub(-1) == "/" then
    return nil
  end
  local segments = split(path)
  for _, pattern in ipairs(patterns[#segments] or {}) do
    local params = match_pattern(pattern, segments)
    if params then
      return pattern, params
    end
  end
end

---@return string[]
function route_table.allowed_methods(entry)
  local list = {}
  for method in pairs(entry.methods) do
    list[#list + 1] = method
    if method == "GET" then
      list[#list + 1] = "HEAD"
    end
  end
  table.sort(list)
  return list
end

return route_table
