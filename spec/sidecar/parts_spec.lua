local host = require("host")
local components = require("sidecar.components")
local job_spec = require("sidecar.job_spec")
local json = require("lib.json")
local mail = require("sidecar.mail")
local outcome = require("sidecar.outcome")
local partition = require("sidecar.partition")
local record = require("sidecar.record")

describe("sidecar.outcome", function()
  it("takes exactly Dapr's words", function()
    local function of(status, body)
      return (outcome.of({ status = status, body = body or "" }))
    end
    for _, body in ipairs({ "", "text", "[]", "null", "{}", '{"status":""}', '{"status":1}',
      '{"status":"SUCCESS"}', '{ "status": "SUCCESS" }' }) do
      assert.equal("ack", of(200, body), body)
    end
    assert.equal("ack", of(204))
    assert.equal("ack", of(404))
    assert.equal("drop", of(200, '{"status":"DROP"}'))
    for _, word in ipairs({ "RETRY", "success", "Drop", "DUPLICATE", " " }) do
      assert.equal("fail", of(200, '{"status":"' .. word .. '"}'), word)
    end
    for _, status in ipairs({ 301, 304, 400, 401, 409, 429, 500, 503 }) do
      assert.equal("fail", of(status, '{"status":"SUCCESS"}'), status)
    end
  end)
end)

describe("sidecar.components", function()
  it("waits as the policy says", function()
    local exponential = { first_ms = 500, longest_ms = 15000, max_retries = -1 }
    assert.equal(500, components.delay(exponential, 1))
    assert.equal(750, components.delay(exponential, 2))
    assert.equal(15000, components.delay(exponential, 20))
    assert.equal(15000, components.delay(exponential, 1e6))
    local constant = { constant = true, first_ms = 100, longest_ms = 50, max_retries = 2 }
    assert.equal(100, components.delay(constant, 2))
    assert.is_nil(components.delay(constant, 3))
    assert.is_nil(components.delay({ constant = true, first_ms = 1, max_retries = 0 }, 1))
  end)

  it("has defaults that can be loaded", function()
    host.settings.SIDECAR_CONFIG = nil
    components.load()
    local pubsub = components.find("any-app", "pubsub", "pubsub")
    assert.equal(500, pubsub.retry.first_ms)
    assert.equal(-1, pubsub.retry.max_retries)
    assert.equal(7 * 86400000, pubsub.retention_ms)
    assert.is_true(components.find("any-app", "pubsub", "pubsub-broadcast").broadcast)
    assert.is_nil(components.find("any-app", "state", "pubsub"))
    assert.is_true(components.may_publish(pubsub, "any-app", "t"))
  end)
end)

describe("sidecar.partition", function()
  it("is FNV-1a as a signed number, without its sign", function()
    -- Computed by sarama's rule in exact arithmetic.
    local function exact(key, count)
      local high, low = 0x811C, 0x9DC5
      for i = 1, #key do
        low = bit.bxor(low, key:byte(i))
        local product = low * 0x0193
        local carried = high * 0x0193 + low * 0x0100 + math.floor(product / 65536)
        high, low = carried % 65536, product % 65536
      end
      local hash = high * 65536 + low
      return math.abs(math.fmod(hash >= 2 ^ 31 and hash - 2 ^ 32 or hash, count))
    end
    for i = 1, 500 do
      local key = "key-" .. i * 7919
      assert.equal(exact(key, 6), partition.of(key, 6), key)
    end
    assert.equal(exact("", 6), partition.of("", 6))
  end)
end)

describe("sidecar.record", function()
  it("stores nothing for a key alone", function()
    assert.is_nil((record.headers({})))
    assert.is_nil((record.headers({ partitionKey = "k" })))
    assert.same({ partitionKey = "k", a = "b" }, json.decode((record.headers({ partitionKey = "k", a = "b" }))))
  end)

  it("leaves out what is no header or would forge one", function()
    local kept = json.decode((record.headers({ ok = "1", ["bad name"] = "x", crlf = "a\r\nb", Host = "h",
      ["Dapr-Caller-App-Id"] = "me", ["dapr-api-token"] = "t", latin = "\255", [("x"):rep(64)] = "x" })))
    assert.same({ ok = "1" }, kept)
  end)

  it("refuses a flood of them", function()
    local many = {}
    for i = 1, 21 do
      many["m" .. i] = "x"
    end
    local text, message = record.headers(many)
    assert.is_nil(text)
    assert.is_string(message)
  end)
end)

describe("sidecar.job_spec", function()
  local NOW = 1767225600000 -- 2026-01-01T00:00:00Z

  local function read(body)
    return job_spec.read("name", body, NOW)
  end

  it("finds the first run", function()
    assert.equal(NOW + 1000, read({ dueTime = "1s" }).first)
    assert.equal(NOW + 1000, read({ due_time = "1s" }).first)
    assert.equal(NOW + 3000, read({ schedule = "@every 3s" }).first)
    assert.equal(NOW + 500, read({ schedule = "@every 3s", dueTime = "500ms" }).first)
  end)

  it("counts the runs", function()
    assert.equal(1, read({ dueTime = "1s" }).runs)
    assert.equal(1, read({ dueTime = "1s", repeats = 1 }).runs)
    assert.equal(3, read({ schedule = "@every 1s", repeats = 3 }).runs)
    assert.is_nil(read({ schedule = "@every 1s" }).runs)
  end)

  it("counts a ttl from the due time when both are durations", function()
    assert.equal(NOW + 15000, read({ schedule = "@every 1s", dueTime = "5s", ttl = "10s" }).expires)
    assert.equal(NOW + 10000, read({ schedule = "@every 1s", ttl = "10s" }).expires)
  end)

  it("has Dapr's default policy", function()
    assert.same({ interval = 1000, max = 3 }, read({ dueTime = "1s" }).spec.policy)
    assert.same({ interval = 1000 }, read({ dueTime = "1s", failurePolicy = { constant = {} } }).spec.policy)
  end)
end)

describe("sidecar.mail", function()
  it("reads addresses", function()
    assert.same({ "a@b", "c@d" }, mail.addresses("a@b; c@d;"))
    assert.same({}, mail.addresses(nil))
  end)

  it("keeps a header in its line", function()
    local text = mail.text({ from = "a@b", to = { "c@d" }, cc = {}, subject = "x\r\nBcc: e@f", priority = 3,
      html = "<p>hi</p>", date = "now", id = "1" })
    assert.is_nil(text:find("\nBcc", 1, true))
    assert.matches("\r\n\r\nPHA%+aGk8L3A%+\r\n$", text)
  end)
end)
