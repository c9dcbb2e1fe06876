-- What the audit log keeps, with the tables as an operator may fill them.
require("host")
local edited = require("edited")

local function event(type, ...)
  return { event_type = type, user_id = "ann", title = "Buy milk", tags = { ... } }
end

describe("the audit log", function()
  it("leaves out the events that are not wanted", function()
    local audit = edited("audit", { ["SKIPPED = {}"] = 'SKIPPED = { ["task.updated"] = true }' })
    assert.is_false(audit.keep(event("task.updated")).keep)
    assert.is_true(audit.keep(event("task.created")).keep)
  end)

  it("hides and drops fields", function()
    local audit = edited("audit", { ["HIDDEN = {}"] = "HIDDEN = { title = true }",
      ["DROPPED = {}"] = "DROPPED = { description = true, tags = true }" })
    assert.same({ keep = true, hide = { "title" }, drop = { "description", "tags" } },
      audit.keep(event("task.created")))
  end)

  it("keeps nothing that was written in a task with a private tag", function()
    local audit = edited("audit", { ["PRIVATE_TAGS = {}"] = "PRIVATE_TAGS = { private = true }" })
    assert.same({ "description", "tags", "title" }, audit.keep(event("task.created", "home", "private")).hide)
    assert.same({}, audit.keep(event("task.created", "home")).hide)
  end)
end)
