---@meta
-- The modules that the host gives to scripts: require("host.db") and so on.
-- Everything that waits (marked "waits") may be called only inside a fiber, that is: from a
-- handler, a timer or something they call; never while a file is being loaded.
-- Expected failure returns nil and an error table; misuse (a wrong type) throws.

---@class host.Error
---@field code string      a short word, listed per function
---@field message string   one sentence
