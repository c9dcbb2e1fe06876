require("host")
local request_body = require("lib.request_body")

describe("lib.request_body", function()
  local function read(wanted, content_type, body, coding)
    local request = { body = body,
      headers = { ["content-type"] = content_type, ["content-encoding"] = coding } }
    local why = request_body.read(wanted, request)
    return why and why.status, request.json
  end

  it("decodes a JSON object", function()
    local status, value = read("json", "application/json; charset=utf-8", '{"a":1}')
    assert.is_nil(status)
    assert.same({ a = 1 }, value)
    assert.is_nil((read("json", "application/merge-patch+json", "{}")))
  end)

  it("takes no other media type, charset or coding", function()
    for _, content_type in ipairs({ "text/json", "application/jsonx", "application/json; charset=latin1" }) do
      assert.equal(415, (read("json", content_type, "{}")), content_type)
    end
    assert.equal(415, (read("json", nil, "{}")))
    assert.equal(415, (read("json", "application/json", "{}", "gzip")))
  end)

  it("takes nothing but an object", function()
    for _, body in ipairs({ "", "[]", "1", "null", '{"a":1', '{"a":1,"a":2}' }) do
      assert.equal(422, (read("json", "application/json", body)), body)
    end
  end)

  it("does without an optional one", function()
    assert.is_nil((read("optional", nil, "")))
    assert.equal(415, (read("optional", nil, "{}")))
  end)

  it("leaves a text of the wanted media type to the handler", function()
    local status, value = read("text/calendar", "text/calendar; charset=UTF-8", "BEGIN:VCALENDAR")
    assert.is_nil(status)
    assert.is_nil(value)
    assert.equal(415, (read("text/calendar", "text/plain", "x")))
    assert.equal(415, (read("text/calendar", "text/calendar; charset=latin1", "x")))
  end)
end)
