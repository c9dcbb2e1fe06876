-- What mail needs to be safe, whatever a user is called and a task is.
local mail = {}

---The address of a user whose name is one: never two addresses, nor more than one line.
---@param user_id string
---@return string|nil
function mail.address_of(user_id)
  local before, domain = user_id:match("^([%w!#$%%&'*+/=?^_`{|}~.-]+)@([%w.-]+)$")
  if not before or #before > 64 or #user_id > 254 or ("." .. before .. "."):find("..", 1, true) then
    return nil
  end
  if not domain --[[@as string]]:find(".", 1, true) or ("." .. domain .. "."):find("%.%-")
    or (domain .. "."):find("-.", 1, true) or ("." .. domain .. "."):find("..", 1, true) then
    return nil
  end
  return user_id
end

local ENTITIES = { ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;",
  ["'"] = "&#39;" }

---Plain text as HTML.
---@param text string
---@return string
function mail.to_html(text)
  return (text:gsub("[&<>\"']", ENTITIES):gsub("\n", "<br>\n"))
end

return mail
