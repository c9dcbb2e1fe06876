-- What `make bench` measures of the host alone: a small JSON in, a rule in Lua, a small JSON out.
local json = require("lib.json")
local problem = require("lib.problem")

local PRIORITY = { low = true, medium = true, high = true }

local function echo(request)
  local body = request.json
  if type(body.title) ~= "string" or #body.title < 1 or #body.title > 255 then
    return problem.reply(problem.unprocessable("title must be a string of 1 to 255 characters"))
  end
  if not json.is_list(body.tags) or #body.tags > 20 then
    return problem.reply(problem.unprocessable("tags must be a list of at most 20 strings"))
  end
  if not PRIORITY[body.priority] then
    return problem.reply(problem.unprocessable("priority must be one of low, medium, high"))
  end
  local tags = json.list({})
  for i, tag in ipairs(body.tags) do
    if type(tag) ~= "string" then
      return problem.reply(problem.unprocessable("each tag must be a string"))
    end
    tags[i] = tag:lower()
  end
  return 200, { title = body.title, tags = tags, priority = body.priority, length = #body.title }
end

return {
  name = "bench-api",
  port = 8000,
  inner_port = 9000,
  routes = {
    { "POST", "/bench/echo", echo, auth = false, body = "json" },
  },
}
