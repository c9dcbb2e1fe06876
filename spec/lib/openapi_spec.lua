require("host")
local json = require("lib.json")
local openapi = require("lib.openapi")

local function handler() end

local DOC = { id = "listPlaces", tag = "Places", summary = "List places",
  query = { { name = "near", schema = { type = "string" } } },
  answers = { [200] = { description = "The places.", schema = openapi.ref("Place") } } }

local function describe_routes(...)
  local text = openapi.describe({ name = "places", about = { title = "Places",
    schemas = { Place = openapi.object({ { "name", { type = "string" } },
      { "area", openapi.nullable({ type = "string", enum = { "x" } }), required = false } }) } } },
    { ... }, "1.0")
  return json.decode(text), text
end

describe("lib.openapi", function()
  it("describes routes in the order in which they are declared", function()
    local document, text = describe_routes({ "GET", "/b", handler, doc = DOC },
      { "POST", "/a", handler, doc = DOC }, { "PUT", "/b", handler, doc = DOC })
    assert.equal("3.1.0", document.openapi)
    assert.equal("listPlaces", document.paths["/b"].get.operationId)
    assert.is_true(text:find('/b":', 1, true) < text:find('/a":', 1, true))
    assert.is_true(text:find('"get"', 1, true) < text:find('"put"', 1, true))
  end)

  it("adds the token and the problems that follow from a route", function()
    local document = describe_routes({ "POST", "/a", handler, body = "json", doc = DOC },
      { "GET", "/open", handler, auth = false, doc = { id = "open", tag = "Places", summary = "Open",
        answers = DOC.answers } })
    local closed, open = document.paths["/a"].post, document.paths["/open"].get
    assert.same({ { bearer = {} } }, closed.security)
    for _, status in ipairs({ "400", "401", "413", "415", "422", "429", "503" }) do
      assert.equal("#/components/responses/Problem" .. status, closed.responses[status]["$ref"])
    end
    assert.is_true(json.is_list(open.security))
    assert.is_nil(open.responses["401"])
  end)

  it("names the parts of a path, and what a header's place is", function()
    local document = describe_routes({ "GET", "/a/{id}", handler, doc = { id = "a", tag = "Places",
      summary = "A", headers = { { name = "If-Match", schema = { type = "string" } } },
      params = { id = { type = "string", format = "uuid" } }, answers = DOC.answers } })
    local parameters = document.paths["/a/{id}"].get.parameters
    assert.same({ name = "id", ["in"] = "path", required = true,
      schema = { type = "string", format = "uuid" } }, parameters[1])
    assert.equal("header", parameters[2]["in"])
  end)

  it("shows a route without a description as one, and leaves a page's files out", function()
    local document = describe_routes({ "GET", "/new", handler }, { "GET", "/x.css", handler, doc = false })
    assert.is_true(document.paths["/new"].get["x-undocumented"])
    assert.is_nil(document.paths["/x.css"])
  end)

  it("keeps the order of an object's properties, and says which are needed", function()
    local document, text = describe_routes()
    local place = document.components.schemas.Place
    assert.same({ "name" }, place.required)
    assert.is_true(text:find('"name":{"type":"string"}', 1, true)
      < text:find('"area":', 1, true))
    assert.same({ "string", "null" }, place.properties.area.type)
    assert.same({ "x", json.null }, place.properties.area.enum)
  end)

  it("writes the same text each time", function()
    local _, first = describe_routes({ "GET", "/a", handler, doc = DOC })
    local _, second = describe_routes({ "GET", "/a", handler, doc = DOC })
    assert.equal(first, second)
  end)
end)
