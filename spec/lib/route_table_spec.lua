local route_table = require("lib.route_table")

describe("lib.route_table", function()
  local compiled = route_table.new({
    { "GET", "/tasks", "list" },
    { "POST", "/tasks", "create" },
    { "GET", "/tasks/{id}", "get" },
    { "PUT", "/tasks/{id}", "update" },
    { "POST", "/tasks/preview", "preview" },
    { "GET", "/tasks/{id}/history", "history" },
  })

  local function handler(method, path)
    local entry, params = route_table.find(compiled, path)
    return entry and entry.methods[method] and entry.methods[method][3], params
  end

  it("finds a route by its path and method", function()
    assert.equal("list", (handler("GET", "/tasks")))
    assert.equal("create", (handler("POST", "/tasks")))
    assert.is_nil((handler("DELETE", "/tasks")))
  end)

  it("gives what stands for {name}, as it came", function()
    local found, params = handler("PUT", "/tasks/a%20b")
    assert.equal("update", found)
    assert.same({ id = "a%20b" }, params)
    assert.equal("history", (handler("GET", "/tasks/7/history")))
  end)

  it("prefers a path without parameters, whatever its methods", function()
    assert.equal("preview", (handler("POST", "/tasks/preview")))
    assert.is_nil((handler("GET", "/tasks/preview")))
  end)

  it("has nothing for other paths, or for one that ends with a slash", function()
    for _, path in ipairs({ "/", "/task", "/tasks/", "/tasks/7/", "/tasks/7/history/8" }) do
      assert.is_nil(route_table.find(compiled, path), path)
    end
  end)

  it("lists the methods of a path, HEAD with GET", function()
    local entry = route_table.find(compiled, "/tasks")
    assert.same({ "GET", "HEAD", "POST" }, route_table.allowed_methods(entry))
  end)
end)
