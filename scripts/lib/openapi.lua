-- The description of a service's API, OpenAPI 3.1, made from its declaration. Every route of the
-- port for users carries its part as data: doc = { … } (openapi.Doc), or doc = false for files of a
-- page. What follows from the route itself is not repeated there: its token, and the problems that
-- every route of its kind may answer.
local json = require("lib.json")
local problem = require("lib.problem")

local openapi = {}

---@class openapi.Parameter
---@field name string
---@field schema table          JSON Schema
---@field description string|nil
---@field required boolean|nil
---@field list boolean|nil      calls within the program may give a list

---@class openapi.Content
---@field schema table
---@field example any

---@class openapi.Answer
---@field description string
---@field schema table|nil                        of application/json
---@field example any                             of application/json
---@field content table<string, openapi.Content>|nil  by media type, instead of schema
---@field headers string[]|nil                    of openapi.HEADERS
---@field links table<string, table>|nil          Link Objects

---@class openapi.Doc
---@field id string                 operationId
---@field tag string                the group it is shown in
---@field summary string            a few words
---@field description string|nil    CommonMark
---@field params table<string, table>|nil    schemas of the {name} parts of the path
---@field query openapi.Parameter[]|nil
---@field headers openapi.Parameter[]|nil
-- A declaration says of the whole: about = { title, description, tags = { {name, description} },
---@field bodies table<string, openapi.Content>|nil  by media type, where it is not JSON
---@field answers table<integer, openapi.Answer>
---@field problems integer[]|nil    statuses beside those that follow from the route

-- A declaration says about the whole: about = { title, description, tags = { {name, description} },
-- schemas = { Name = schema } }.

local ORDER = setmetatable({}, { __mode = "k" }) -- table -> its keys, in the order to be written

local FIRST = { "openapi", "info", "jsonrpc", "id", "title", "version", "name", "in", "type",
  "required", "servers", "security", "tags", "operationId", "summary", "description",
  "parameters", "requestBody", "responses", "paths", "components", "schema", "properties",
  "items", "format", "enum", "minimum", "maximum", "minLength", "maxLength" }
local RANK = {}
for i, name in ipairs(FIRST) do
  RANK[name] = i
end

---@type table<string, table?>
openapi.HEADERS = {
  ["ETag"] = { description = "The version of what is answered, for If-Match and If-None-Match.",
    schema = { type = "string", pattern = '^"[0-9a-f]+"$' } },
  ["Link"] = { description = '`<…>; rel="next"`: the next page, where there is one.',
    schema = { type = "string" } },
  ["Location"] = { description = "Where the new thing is.", schema = { type = "string" } },
  ["Retry-After"] = { description = "Seconds to wait.",
    schema = { type = "string", pattern = "^[0-9]+$" } },
  ["X-Total-Count"] = { description = "How many match, on all pages.",
    schema = { type = "string", pattern = "^[0-9]+$" } },
  ["WWW-Authenticate"] = { description = "Bearer.", schema = { type = "string" } },
}

local PROBLEM = {
  type = "object",
  description = "What went wrong (RFC 9457).",
  required = { "type", "title", "status", "detail" },
  properties = {
    type = { type = "string" },
    title = { type = "string" },
    status = { type = "integer", minimum = 400, maximum = 599 },
    detail = { type = "string", minLength = 1,
      description = "One English sentence that may be shown to a person." },
  },
}

local WHY = {
  [400] = "The request is not valid HTTP, or its path cannot be read.",
  [401] = "There is no bearer token, or it is not valid.",
  [403] = "This is not for the token's user.",
  [404] = "There is no such thing, or it is another user's.",
  [406] = "Accept does not name what is answered.",
  [409] = "The Idempotency-Key has just been forgotten: send it again.",
  [412] = "It has changed since the version that If-Match names.",
  [413] = "The body is too large.",
  [415] = "The body is not of the media type that is needed.",
  [422] = "Something in the request is not valid; `detail` names it.",
  [429] = "Too many requests: wait as long as Retry-After says.",
  [500] = "A fault of the server's.",
  [503] = "The database or another service is away, or too much is going on: try again later.",
}
local HEADERS_OF = { [401] = { "WWW-Authenticate" }, [429] = { "Retry-After" },
  [503] = { "Retry-After" } }

---@param name string  of `about.schemas`
---@return table
function openapi.ref(name)
  return { ["$ref"] = "#/components/schemas/" .. name }
end

---An object's schema whose properties keep their order.
---@param properties {[1]: string, [2]: table, required: boolean|nil}[]
---@param more table|nil  further keywords
---@return table
function openapi.object(properties, more)
  local schema = { type = "object", properties = {} }
  local names, required = {}, {}
  for i, property in ipairs(properties) do
    names[i] = property[1]
    schema.properties[property[1]] = property[2]
    if property.required ~= false then
      required[#required + 1] = property[1]
    end
  end
  ORDER[schema.properties] = names
  schema.required = required[1] and required or nil
  for name, value in pairs(more or {}) do
    schema[name] = value
  end
  return schema
end

---The same schema, but the value may be null.
---@param schema table
---@return table
function openapi.nullable(schema)
  if schema["$ref"] then
    return { anyOf = { schema, { type = "null" } } }
  end
  local copy = {}
  for name, value in pairs(schema) do
    copy[name] = value
  end
  copy.type = { schema.type, "null" }
  if schema.enum then
    copy.enum = { unpack(schema.enum) }
    copy.enum[#copy.enum + 1] = json.null
  end
  return copy
end

local function sorted_keys(value)
  local keys = {}
  for key in pairs(value) do
    keys[#keys + 1] = key
  end
  table.sort(keys, function(a, b)
    local first, second = RANK[a] or 99, RANK[b] or 99
    if first ~= second then
      return first < second
    end
    return tostring(a) < tostring(b)
  end)
  return keys
end

-- JSON whose keys have an order: the same text each time, and one that a person can read.
local function write(value, out)
  if type(value) ~= "table" or next(value) == nil then
    out[#out + 1] = json.encode(value)
  elseif json.is_list(value) or value[1] ~= nil then
    for i, item in ipairs(value) do
      out[#out + 1] = i == 1 and "[" or ","
      write(item, out)
    end
    out[#out + 1] = "]"
  else
    for i, key in ipairs(ORDER[value] or sorted_keys(value)) do
      out[#out + 1] = (i == 1 and "{" or ",") .. json.encode(tostring(key)) .. ":"
      write(value[key], out)
    end
    out[#out + 1] = "}"
  end
end

local function problem_answer(status)
  return { ["$ref"] = "#/components/responses/Problem" .. status }
end

-- The problems that follow from what a route is.
local function statuses_of(route, doc)
  local statuses = { [400] = true }
  local function add(...)
    for _, status in ipairs({ ... }) do
      statuses[status] = true
    end
  end
  if route.auth ~= false then
    add(401, 429, 503)
  end
  if doc.query then
    add(422)
  end
  if route.body or doc.body or doc.bodies then
    add(413, 415, 422)
  end
  add(unpack(doc.problems or {}))
  return statuses
end

local function headers_of(names)
  local headers = {}
  for _, name in ipairs(names or {}) do
    assert(openapi.HEADERS[name], name)
    headers[name] = { ["$ref"] = "#/components/headers/" .. name }
  end
  return next(headers) and headers or nil
end

local function answer_of(answer)
  local content = answer.content
  if not content and answer.schema then
    content = { ["application/json"] = { schema = answer.schema, example = answer.example } }
  end
  return { description = answer.description, headers = headers_of(answer.headers),
    content = content, links = answer.links }
end

local function responses_of(route, doc)
  local responses, order = {}, {}
  for status, answer in pairs(doc.answers) do
    responses[tostring(status)] = answer_of(answer)
  end
  for status in pairs(statuses_of(route, doc)) do
    responses[tostring(status)] = responses[tostring(status)] or problem_answer(status)
  end
  for status in pairs(responses) do
    order[#order + 1] = status
  end
  table.sort(order)
  ORDER[responses] = order
  return responses
end

local function parameters_of(path, doc)
  local list = {}
  for name in path:gmatch("{(.-)}") do
    local schema = doc.params and doc.params[name] or { type = "string" }
    list[#list + 1] = { name = name, ["in"] = "path", required = true, schema = schema }
  end
  for place, parameters in pairs({ query = doc.query or {}, header = doc.headers or {} }) do
    for _, parameter in ipairs(parameters) do
      list[#list + 1] = { name = parameter.name, ["in"] = place, schema = parameter.schema,
        description = parameter.description, required = parameter.required }
    end
  end
  return list[1] and list or nil
end

local function body_of(route, doc)
  local content = doc.bodies or doc.body and { ["application/json"] = doc.body }
  return content and { required = route.body ~= "optional", content = content }
end

local function operation_of(route)
  local path, doc = route[2], route.doc
  if doc == nil then -- a spec refuses it; whoever is at work on it sees that it is missing
    return { ["x-undocumented"] = true, summary = "Not described",
      responses = { ["200"] = { description = "Not described" } } }
  end
  return { operationId = doc.id, tags = { doc.tag }, summary = doc.summary,
    description = doc.description, parameters = parameters_of(path, doc),
    requestBody = body_of(route, doc), responses = responses_of(route, doc),
    security = route.auth ~= false and { { bearer = json.list({}) } } or json.list({}) }
end

local function paths_of(routes)
  local paths, order = {}, {}
  for _, route in ipairs(routes) do
    local path = route[2]
    if route.doc ~= false then
      if not paths[path] then
        paths[path], order[#order + 1] = {}, path
        ORDER[paths[path]] = {}
      end
      local method = route[1]:lower()
      paths[path][method] = operation_of(route)
      table.insert(ORDER[paths[path]], method)
    end
  end
  ORDER[paths] = order
  return paths
end

local function problem_responses()
  local responses = {}
  for status, description in pairs(WHY) do
    responses["Problem" .. status] = { description = description,
      headers = headers_of(HEADERS_OF[status]),
      content = { ["application/problem+json"] = { schema = openapi.ref("Problem"), example = {
        type = "about:blank", title = problem.new(status, "").title, status = status,
        detail = description } } } }
  end
  return responses
end

---The description of a service's port for users.
---@param declaration table      as service.lua returns it
---@param routes service.Route[] all of them, those that every service has included
---@param version string         of the program
---@return string  JSON
function openapi.describe(declaration, routes, version)
  local about = declaration.about or {}
  local schemas = { Problem = PROBLEM }
  for name, schema in pairs(about.schemas or {}) do
    schemas[name] = schema
  end
  local tags = { unpack(about.tags or {}) }
  tags[#tags + 1] = { name = "Service", description = "Health, numbers and this description." }
  local out = {}
  write({
    openapi = "3.1.0",
    info = { title = about.title or declaration.name, version = version,
      description = about.description,
      license = { name = "Apache-2.0", identifier = "Apache-2.0" } },
    servers = { { url = "/" } },
    tags = tags,
    paths = paths_of(routes),
    components = { schemas = schemas, responses = problem_responses(),
      headers = openapi.HEADERS,
      securitySchemes = { bearer = { type = "http", scheme = "bearer", bearerFormat = "JWT",
        description = "A JSON Web Token whose `sub` is the user: HS256 with the service's secret,"
          .. " or RS256, ES256 or EdDSA by a key of its JWKS. `exp` is required." } } },
  }, out)
  return table.concat(out)
end

return openapi
