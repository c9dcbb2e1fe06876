-- Addresses, and text as HTML.
local mail = require("notification-service.mail")

describe("an address", function()
  for _, good in ipairs({ "a@b.co", "Ann.O'Neil+todo@mail.example.com", "x_1-y@ex-ample.org",
    ("l"):rep(64) .. "@example.com" }) do
    it("is " .. good, function()
      assert.equal(good, mail.address_of(good))
    end)
  end
  for _, bad in ipairs({ "", "ann", "@b.co", "a@", "a@b", "a@@b.co", "a@b.co;c@d.co", "a@b.co,c@d.co",
    "a@b.co\r\nBcc: c@d.co", "a@b.co\n", " a@b.co", "a b@c.de", "a@b..co", "a@.b.co", "a@b.co.",
    "a@-b.co", "a@b-.co", ".a@b.co", "a.@b.co", "a..b@c.de", '"a"@b.co', "a@b.co>", "Ann <a@b.co>",
    "a@[127.0.0.1]", "a@b.co\0", "é@b.co", ("l"):rep(65) .. "@b.co", "a@" .. ("b."):rep(130) .. "co" }) do
    it("is not " .. ("%q"):format(bad):sub(1, 40), function()
      assert.is_nil(mail.address_of(bad))
    end)
  end
end)

describe("text as HTML", function()
  it("is escaped, and keeps its lines", function()
    assert.equal("&lt;script&gt;alert(&quot;x&quot; &amp; &#39;y&#39;)&lt;/script&gt;<br>\nDue now.",
      mail.to_html([[<script>alert("x" & 'y')</script>]] .. "\nDue now."))
  end)
end)
