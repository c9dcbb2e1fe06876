require("host")
local json = require("lib.json")
local problem = require("lib.problem")

describe("lib.problem", function()
  it("is RFC 9457 with one sentence as detail", function()
    local status, body, headers = problem.reply(problem.not_found("Task not found"))
    assert.equal(404, status)
    assert.equal("application/problem+json", headers["Content-Type"])
    assert.same({ type = "about:blank", title = "Not Found", status = 404, detail = "Task not found" },
      json.decode(body))
  end)

  it("carries the headers that its status demands", function()
    local function header(p, name)
      return (select(3, problem.reply(p)))[name]
    end
    assert.equal("Bearer", header(problem.unauthorized("x"), "WWW-Authenticate"))
    assert.equal("3", header(problem.unavailable("x", 3), "Retry-After"))
    assert.equal("1", header(problem.too_many(0), "Retry-After"))
    assert.equal("GET, PUT", header(problem.method_not_allowed({ "GET", "PUT" }), "Allow"))
  end)
end)
