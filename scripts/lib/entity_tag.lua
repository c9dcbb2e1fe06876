-- Entity tags (RFC 9110, 8.8.3) and the lists of them in If-Match and If-None-Match.
local entity_tag = {}

---The tags of a list.
---@param header string
---@return {tag: string, weak: boolean}[]|nil  tag: with its quotes; nil: it is no list of tags
function entity_tag.parse(header)
  local tags, _, last = {}, header:find("^[ \t,]*")
  while last < #header do
    local weak, tag
    _, last, weak, tag = header:find('^(W?/?)("[!#-~\128-\255]*")[ \t]*', last + 1)
    local _, after = header:find("^,[ \t,]*", (last or 0) + 1)
    if not last or #weak == 1 or not after and last < #header then
      return nil
    end
    tags[#tags + 1] = { tag = tag, weak = weak ~= "" }
    last = after or last
  end
  return tags[1] and tags or nil
end

---Whether If-None-Match names a tag, by the weak comparison that it asks for.
---@param header string|nil
---@param tag string  with its quotes
---@return boolean
function entity_tag.matches(header, tag)
  if header and header:match("^[ \t]*%*[ \t]*$") then
    return true
  end
  for _, known in ipairs(header and entity_tag.parse(header) or {}) do
    if known.tag == tag then
      return true
    end
  end
  return false
end

return entity_tag
